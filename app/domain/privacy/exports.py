"""Everything that a company holds on one person, as one JSON document, written while it is read."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import msgspec

from app.db.session import Database, Work
from app.domain.accounts.leaving import MemberRecord
from app.domain.audit.entries import AuditFilter, all_entries
from app.domain.audit.schemas import AuditEntryOut
from app.domain.customers.forgetting import same_person
from app.domain.customers.service import customer_out
from app.domain.privacy.consents import all_consents
from app.domain.sales.read import SaleFilters, SaleReader
from app.domain.sales.returns import ReturnReader
from app.lib import clock
from app.lib.actor import Actor
from app.lib.schemas import JSON

_PAGE: Final = 50
_COSTS: Final = frozenset({"costs:read"})


class CustomerRecord(msgspec.Struct, frozen=True):
    """A customer with everybody merged into the same one, as JSON and by id."""

    profiles: list[Any]
    ids: list[UUID]


async def read_customer(work: Work, customer_id: UUID) -> CustomerRecord:
    """Raises `NotFound`, also for another company's."""
    rows = await same_person(work, customer_id)
    return CustomerRecord([customer_out(row) for row in rows], [row.id for row in rows])


async def export_customer(database: Database, caller: Actor, record: CustomerRecord) -> AsyncIterator[bytes]:
    """Profile, consents, tickets with what was bought and returned, and what the trail says of the profile.

    What the shop paid for the goods is not the customer's, and who served is another person.
    """
    actor = msgspec.structs.replace(caller, permissions=caller.permissions - _COSTS)
    yield _opening({"profiles": record.profiles})
    async for piece in _member("consents", all_consents(database, actor, customers=record.ids)):
        yield piece
    async for piece in _member("sales", _sales(database, actor, record.ids)):
        yield piece
    async for piece in _member("audit", _about(database, actor, record.ids)):
        yield piece
    yield b"}"


async def export_member(database: Database, actor: Actor, record: MemberRecord) -> AsyncIterator[bytes]:
    """Membership, terms and consents of a person of the company, what they did here, and what was done to them."""
    yield _opening({"member": record})
    async for piece in _member("consents", all_consents(database, actor, user_id=record.user_id)):
        yield piece
    async for piece in _member("audit", _about(database, actor, [record.membership_id, record.user_id])):
        yield piece
    async for piece in _member("acts", _by(database, actor, record.user_id)):
        yield piece
    yield b"}"


def _opening(members: dict[str, Any]) -> bytes:
    return JSON.encode({"generatedAt": clock.now(), **members}).removesuffix(b"}")


async def _member(name: str, items: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """A member of the document that is a list, item by item."""
    yield b',"%s":[' % name.encode()
    first = True
    async for item in items:
        yield (b"" if first else b",") + JSON.encode(item)
        first = False
    yield b"]"


async def _sales(database: Database, actor: Actor, customers: list[UUID]) -> AsyncIterator[dict[str, Any]]:
    for customer_id in customers:
        cursor: str | None = None
        while True:
            async with database.tenant_transaction(actor) as work:
                reader, returns = SaleReader(work), ReturnReader(work)
                page = await reader.page(SaleFilters(customer_id=customer_id), _PAGE, cursor)
                found = [
                    {"sale": await reader.read(one.id), "returns": (await returns.page(one.id, _PAGE, None)).items}
                    for one in page.items
                ]
            for one in found:
                yield one
            cursor = page.next_cursor
            if cursor is None:
                break


async def _about(database: Database, actor: Actor, subjects: list[UUID]) -> AsyncIterator[dict[str, Any]]:
    for subject in subjects:
        async for entry in all_entries(database, actor, AuditFilter(subject_id=subject)):
            yield _entry(entry) | {"before": entry.before, "after": entry.after}


async def _by(database: Database, actor: Actor, user_id: UUID) -> AsyncIterator[dict[str, Any]]:
    """What somebody did: what it was done to is not theirs."""
    async for entry in all_entries(database, actor, AuditFilter(user_id=user_id)):
        yield _entry(entry) | {"subjectId": entry.subject_id, "address": entry.address}


def _entry(entry: AuditEntryOut) -> dict[str, Any]:
    return {"seq": entry.seq, "at": entry.at, "action": entry.action}
