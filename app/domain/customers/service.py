"""Rules of customers."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryReadService
from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from app.db.session import Work
from app.domain.customers.identity import NIT, read_identification
from app.domain.customers.models import Customer
from app.domain.customers.schemas import ChangeCustomer, CreateCustomer, CustomerOut, CustomerPage
from app.lib import clock
from app.lib.codelists import municipalities
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, NotFound, RuleBroken, unknown_reference
from app.lib.pages import after, cut
from app.lib.person_keys import Personal
from app.lib.profile import check_municipality, check_responsibilities
from app.lib.schemas import canonical, fingerprint
from app.lib.text import normalise

_LAST_LETTER: Final = "\U0010ffff"
"""Sorts behind every letter: names between `ana` and `ana` + this begin with `ana`."""


class CustomerExists(Conflict):
    """Somebody in this company has that identification already; the refusal names them."""

    code = "customer-exists"


class FinalConsumerFixed(RuleBroken):
    """Consumidor final belongs to the house: it is as DIAN wants it."""

    code = "final-consumer-fixed"


class CustomerRetired(Conflict):
    """Retired and merged customers stay as they are."""

    code = "customer-retired"


BROKEN_CONSTRAINTS["uq_customer_identification"] = CustomerExists("Ya hay un cliente con esa identificación.")


class CustomerRepository(SQLAlchemyAsyncRepository[Customer]):
    model_type = Customer


class CustomerService(SQLAlchemyAsyncRepositoryReadService[Customer, CustomerRepository]):
    """Customers of one company."""

    repository_type = CustomerRepository

    def __init__(self, work: Work) -> None:
        super().__init__(session=work.session, wrap_exceptions=False)
        self._work = work

    async def find(self, customer_id: UUID) -> Customer:
        """Return the customer, also a retired one. Raises `NotFound`, also for another company's."""
        found = await self.get_one_or_none(Customer.tenant_id == self._work.tenant_id, Customer.id == customer_id)
        if found is None:
            raise NotFound("No existe ese cliente.")
        return found

    async def page(
        self, *, search: str | None, identification: str | None, limit: int, cursor: str | None
    ) -> CustomerPage:
        """Customers by name, without retired ones; `search` finds the beginning of a name, of a word of it or of a number."""
        statement: Select[*tuple[Any, ...]] = (
            select(Customer)
            .where(Customer.tenant_id == self._work.tenant_id, Customer.retired_at.is_(None))
            .limit(limit + 1)
        )
        if search and (wanted := normalise(search)):
            number = _bare(search)
            statement = statement.where(
                or_(
                    and_(Customer.name_norm >= wanted, Customer.name_norm < wanted + _LAST_LETTER),
                    func.strpos(Customer.name_norm, f" {wanted}") > 0,
                    func.starts_with(Customer.identification, number),
                )
            )
        if identification is not None:
            number = _bare(identification)
            statement = statement.where(Customer.identification.in_({number, number.rpartition("-")[0] or number}))
        statement = after(statement, (Customer.name_norm, Customer.id), cursor, tuple[str, UUID], descending=False)
        rows = (await self._work.session.scalars(statement)).all()
        page, next_cursor = cut(rows, limit, lambda row: (row.name_norm, row.id))
        return CustomerPage(items=[customer_out(row) for row in page], next_cursor=next_cursor)

    async def create(self, data: CreateCustomer) -> tuple[CustomerOut, bool]:
        """Add a customer; answers it and whether it is new.

        Raises 409 `customer-exists` with the id of who has the identification, 422 for a wrong check digit.
        """
        body_hash = fingerprint(data)
        if earlier := await self._earlier(data.id, body_hash):
            return earlier, False
        identification, dv = read_identification(data.identification_type, data.identification, data.dv)
        check_municipality(data.municipality_code)
        row: dict[str, Any] = {
            "tenant_id": self._work.tenant_id,
            "id": data.id or uuid7(),
            "organization": data.organization or ("company" if data.identification_type == NIT else "person"),
            "identification_type": data.identification_type,
            "identification": identification,
            "dv": dv,
            "name": data.name.strip(),
            "name_norm": normalise(data.name),
            "email": data.email,
            "phone": data.phone.strip(),
            "address": data.address.strip(),
            "municipality_code": data.municipality_code,
            "tribute": data.tribute,
            "responsibilities": check_responsibilities(data.responsibilities),
            "body_hash": body_hash,
        }
        row["trail"] = await self._buyer_trail(row["id"], row["name"], identification)
        made = await self._work.session.scalars(
            insert(Customer).values(row).on_conflict_do_nothing().returning(Customer)
        )
        customer = made.one_or_none()
        if customer is None:
            if twin := await self._earlier(data.id, body_hash):
                return twin, False
            await self._refuse_duplicate(data.identification_type, identification)
            raise Conflict("Otra operación está en curso; intente de nuevo.", code="busy", headers={"Retry-After": "1"})
        answer = customer_out(customer)
        self._work.record("customer.created", customer.id, after=for_trail(answer))
        return answer, True

    async def change(
        self, customer_id: UUID, data: ChangeCustomer, check: Callable[[CustomerOut], None]
    ) -> CustomerOut:
        """Change what is given. `check` may refuse the version that is being changed."""
        customer = await self._lock(customer_id)
        before = customer_out(customer)
        check(before)
        _refuse_fixed(customer)
        values = {field: value for field, value in msgspec.structs.asdict(data).items() if value is not msgspec.UNSET}
        if values.keys() & {"identification_type", "identification", "dv"}:
            kind = values.setdefault("identification_type", customer.identification_type)
            stated = values.get("identification", customer.identification)
            values["identification"], values["dv"] = read_identification(kind, stated, values.get("dv"))
            await self._refuse_duplicate(kind, values["identification"], but=customer_id)
        if "name" in values:
            values["name"] = values["name"].strip()
            values["name_norm"] = normalise(values["name"])
        for field in ("phone", "address"):
            if field in values:
                values[field] = values[field].strip()
        if "responsibilities" in values:
            values["responsibilities"] = check_responsibilities(values["responsibilities"])
        check_municipality(values.get("municipality_code"))
        if all(getattr(customer, field) == value for field, value in values.items()):
            return before
        if values.keys() & {"name", "identification"}:
            values["trail"] = await self._buyer_trail(
                customer_id,
                values.get("name", customer.name),
                values.get("identification", customer.identification),
            )
        after_change = customer_out(await self._update(customer_id, **values))
        self._work.record("customer.changed", customer_id, before=for_trail(before), after=for_trail(after_change))
        return after_change

    async def retire(self, customer_id: UUID, check: Callable[[CustomerOut], None]) -> None:
        """Take a customer off the lists; tickets keep pointing at it. Again: nothing happens."""
        customer = await self._lock(customer_id)
        before = customer_out(customer)
        check(before)
        if customer.retired_at is not None:
            return
        _refuse_fixed(customer)
        retired = await self._update(customer_id, retired_at=clock.now())
        self._work.record(
            "customer.retired", customer_id, before=for_trail(before), after=for_trail(customer_out(retired))
        )

    async def merge(self, customer_id: UUID, into: UUID) -> CustomerOut:
        """Retire a duplicate in favour of another customer; answers the one that stays.

        Whoever was merged into the duplicate before now points at the one that stays, so that one step always finds
        it. Tickets keep the names they were printed with. Raises 404, 409 and 422.
        """
        await self._take_turns()
        source = await self._lock(customer_id)
        target = await self._root(into)
        if target is None:
            raise unknown_reference("/into")
        if target.id == (source.merged_into or source.id):
            if source.merged_into is None:
                raise RuleBroken("Un cliente no se une consigo mismo.", code="same-customer")
            return customer_out(target)
        if source.merged_into is not None:
            raise CustomerRetired("Ese cliente ya se unió con otro.", mergedInto=source.merged_into)
        if source.is_final_consumer or target.is_final_consumer:
            raise _fixed()
        if target.retired_at is not None:
            raise CustomerRetired("El cliente que queda está retirado.", customerId=target.id)
        before = customer_out(source)
        followers = (
            await self._work.session.scalars(
                update(Customer)
                .where(Customer.tenant_id == self._work.tenant_id, Customer.merged_into == source.id)
                .values(merged_into=target.id)
                .returning(Customer.id)
                .execution_options(synchronize_session=False)
            )
        ).all()
        merged = await self._update(source.id, merged_into=target.id, retired_at=source.retired_at or clock.now())
        names = sorted(str(follower) for follower in followers)
        self._work.record(
            "customer.merged",
            source.id,
            before={"customer": for_trail(before), "followers": dict.fromkeys(names, source.id)},
            after={"customer": for_trail(customer_out(merged)), "followers": dict.fromkeys(names, target.id)},
        )
        return customer_out(target)

    async def _buyer_trail(self, customer_id: UUID, name: str, identification: str) -> str:
        buyer = {"id": customer_id, "name": name, "identification": identification}
        return canonical(await self._work.seal(Personal(customer_id, buyer, ("name", "identification")))).decode()

    async def _lock(self, customer_id: UUID) -> Customer:
        found = (
            await self._work.session.scalars(self._mine(customer_id).with_for_update(key_share=True))
        ).one_or_none()
        if found is None:
            raise NotFound("No existe ese cliente.")
        return found

    async def _take_turns(self) -> None:
        """Merges of one company run one after the other: each may touch any chain. A sale is not kept waiting."""
        await self._work.session.execute(
            select(Customer.id)
            .where(Customer.tenant_id == self._work.tenant_id, Customer.is_final_consumer)
            .with_for_update(key_share=True)
        )

    async def _root(self, customer_id: UUID) -> Customer | None:
        """The customer that an id stands for today."""
        found = (
            await self._work.session.scalars(self._mine(customer_id).with_for_update(key_share=True))
        ).one_or_none()
        if found is None or found.merged_into is None:
            return found
        return (await self._work.session.scalars(self._mine(found.merged_into).with_for_update(key_share=True))).one()

    def _mine(self, customer_id: UUID) -> Select[Customer]:
        return select(Customer).where(Customer.tenant_id == self._work.tenant_id, Customer.id == customer_id)

    async def _update(self, customer_id: UUID, **values: Any) -> Customer:
        changed = await self._work.session.scalars(
            update(Customer)
            .where(Customer.tenant_id == self._work.tenant_id, Customer.id == customer_id)
            .values(**values)
            .returning(Customer)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        return changed.one()

    async def _earlier(self, wanted: UUID | None, body_hash: bytes) -> CustomerOut | None:
        """What a client-chosen id already stands for: a retry's answer, or 409 for a different body."""
        if wanted is None:
            return None
        row = (await self._work.session.scalars(self._mine(wanted))).one_or_none()
        if row is None:
            return None
        if row.body_hash != body_hash:
            raise Conflict("Ya existe un cliente con ese identificador.", code="id-taken")
        return customer_out(row)

    async def _refuse_duplicate(self, kind: str, identification: str, but: UUID | None = None) -> None:
        existing = await self._work.session.scalar(
            select(Customer.id).where(
                Customer.tenant_id == self._work.tenant_id,
                Customer.identification_type == kind,
                Customer.identification == identification,
                Customer.retired_at.is_(None),
            )
        )
        if existing is not None and existing != but:
            raise CustomerExists("Ya hay un cliente con esa identificación.", customerId=existing)


def customer_out(row: Customer) -> CustomerOut:
    return CustomerOut(
        id=row.id,
        organization=row.organization,
        identification_type=row.identification_type,
        identification=row.identification,
        dv=row.dv,
        name=row.name,
        email=row.email,
        phone=row.phone,
        address=row.address,
        municipality_code=row.municipality_code,
        municipality=None if row.municipality_code is None else municipalities()[row.municipality_code].full_name,
        tribute=row.tribute,
        responsibilities=row.responsibilities,
        is_final_consumer=row.is_final_consumer,
        retired_at=row.retired_at,
        merged_into=row.merged_into,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


PERSONAL_FIELDS: Final = (
    "identification",
    "dv",
    "name",
    "email",
    "phone",
    "address",
    "municipalityCode",
    "municipality",
)
"""Of a customer: what the trail keeps sealed."""


def for_trail(customer: CustomerOut) -> Any:
    """A customer as the trail keeps one. Consumidor final is nobody."""
    return customer if customer.is_final_consumer else Personal(customer.id, customer, PERSONAL_FIELDS)


def _bare(number: str) -> str:
    """An identification as it is stored, whatever dots and blanks it was typed with."""
    return "".join(letter for letter in number if letter != "." and not letter.isspace()).upper()


def _refuse_fixed(customer: Customer) -> None:
    if customer.is_final_consumer:
        raise _fixed()
    if customer.retired_at is not None:
        raise CustomerRetired("Ese cliente está retirado.", mergedInto=customer.merged_into)


def _fixed() -> FinalConsumerFixed:
    return FinalConsumerFixed("Consumidor final es de la casa: no se cambia, no se retira ni se une con otro.")
