"""Writing a document in an ordinary transaction: notes of returns, and what no sale makes."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from app.db.session import Work
from app.domain.invoicing.drafts import Draft, NoNumbers
from app.domain.invoicing.fragments import ENABLED, ISSUING, RANGE_SPENT
from app.domain.invoicing.identify import Keys, figures_of, key_of, qr_text, uuid_of
from app.domain.invoicing.issuing import Issuing, read_issuing
from app.domain.invoicing.kinds import NUMBERED_AS, Kind
from app.domain.invoicing.models import Document, DocumentState
from app.domain.invoicing.vault import Vault
from app.lib import clock
from app.lib.errors import RuleBroken

BOGOTA: Final = "America/Bogota"
_ISSUING: Final = text(
    "SELECT CAST("
    + ISSUING.format(
        tenant="CAST(:t AS uuid)",
        register="CAST(:register AS uuid)",
        branch="CAST(:branch AS uuid)",
        customer="CAST(:customer AS uuid)",
        kinds="CAST(:kinds AS text[])",
        day="CAST(:day AS date)",
        condition=f"({ENABLED} OR CAST(:testing AS boolean) AND g.software_pin IS NOT NULL)",
    )
    + " AS text)"
)
_TAKE: Final = text("SELECT no FROM take_document_number(:t, :range) AS taken(no)")


class NotIssuing(RuleBroken):
    """The company is not enabled to issue."""

    code = "dian-not-enabled"


async def read_issuer(
    work: Work,
    kinds: Sequence[Kind],
    *,
    customer_id: UUID | None = None,
    branch_id: UUID | None = None,
    register_id: UUID | None = None,
    testing: bool = False,
) -> Issuing:
    """What the company issues these kinds with, today. Raises `NotIssuing`.

    `testing`: also a company that is not enabled yet, for its test set.
    """
    today: date = clock.business_day(clock.now(), BOGOTA)
    found = await work.session.scalar(
        _ISSUING,
        {
            "t": work.tenant_id,
            "register": register_id,
            "branch": branch_id,
            "customer": customer_id,
            "kinds": sorted({NUMBERED_AS.get(kind, kind).value for kind in kinds}),
            "day": today,
            "testing": testing,
        },
    )
    issuing = read_issuing(found)
    if issuing is None:
        raise NotIssuing("La empresa no está habilitada para expedir documentos electrónicos.")
    return issuing


def keys_of(work: Work, issuing: Issuing, kind: Kind) -> Keys:
    """The secrets that identify a document of a kind. Raises `SecretsUnreadable`."""
    numbers = issuing.numbers(NUMBERED_AS.get(kind, kind))
    return issuing.keys(Vault(work.database.settings), work.tenant_id, numbers)


async def write_document(work: Work, made: Draft, keys: Keys, **sources: Any) -> Document:
    """Take the number, identify the document, write it as pending and want it transmitted.

    `sources`: `sale_id`, `return_id`, `corrects_id`, `branch_id`, `body_hash`, `is_test`. Call last before the audit:
    the range is locked until the end. Raises `NoNumbers` when the last number is gone.
    """
    number = made.numbers.prefix + str(consecutive := await _take(work, made.numbers.id))
    paper = made.document
    figures = figures_of(paper)
    uuid = uuid_of(number, figures, key_of(paper.kind, keys))
    values: dict[str, Any] = {
        "tenant_id": work.tenant_id,
        "id": made.id,
        "kind": paper.kind.value,
        "environment": paper.environment,
        "range_id": made.numbers.id,
        "consecutive": consecutive,
        "number": number,
        "counterpart_name": paper.counterpart.name,
        "counterpart_identification": paper.counterpart.identification,
        "payable": paper.totals.payable,
        "issued_at": paper.issued_at,
        "uuid": uuid,
        "qr": qr_text(number, figures, uuid),
        "content": made.content,
        "user_id": work.actor.user_id,
        **sources,
    }
    row = (await work.session.scalars(insert(Document).values(**values).returning(Document))).one()
    await work.session.execute(
        insert(DocumentState).values(
            tenant_id=work.tenant_id,
            document_id=made.id,
            kind=paper.kind.value,
            uuid=uuid,
            next_at=clock.now(),
        )
    )
    work.ask("invoicing.transmit", {"documentId": str(made.id)})
    work.record("document.issued", made.id, number=consecutive, after=trail_of(row))
    return row


async def _take(work: Work, range_id: UUID) -> int:
    try:
        return int((await work.session.execute(_TAKE, {"t": work.tenant_id, "range": range_id})).scalar_one())
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == RANGE_SPENT:
            raise NoNumbers("La numeración se agotó: importe o escriba otra resolución de la DIAN.") from error
        raise


def trail_of(row: Document) -> dict[str, Any]:
    """A document as the trail keeps it: nothing of the buyer's, whom the trail must be able to forget."""
    return {
        "kind": row.kind,
        "number": row.number,
        "uuid": row.uuid,
        "issuedAt": row.issued_at,
        "payable": row.payable,
        "saleId": row.sale_id,
        "returnId": row.return_id,
        "correctsId": row.corrects_id,
        "contentHash": sha256(row.content.encode()).hexdigest(),
    }
