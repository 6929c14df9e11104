"""The electronic document of a ticket: which kind, and its lines as the law writes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from app.domain.invoicing.drafts import Draft, draft, find_numbers, kind_for_sale, payments_of, point_of_sale
from app.domain.invoicing.issuing import read_issuing
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.totals import SoldLine, line_of
from app.domain.invoicing.vault import Vault
from app.domain.sales.goods import Basket, BasketLine
from app.domain.sales.pricing import PricedLine
from app.domain.sales.schemas import PostSale
from app.lib.actor import Actor
from app.lib.errors import Forbidden
from app.lib.money import ZERO

_UNDOCUMENTED: Final = "sales:undocumented"


class Posting(Protocol):
    """What of a ticket on its way a document asks for."""

    @property
    def data(self) -> PostSale: ...

    @property
    def sale_id(self) -> UUID: ...

    @property
    def posted_at(self) -> datetime: ...


def paper_of(
    vault: Vault,
    rows: Sequence[Mapping[str, Any]],
    posting: Posting,
    actor: Actor,
    basket: Basket,
    priced: Sequence[PricedLine],
) -> Draft | None:
    """The document that the ticket issues; None for a company that issues nothing, or when none was wanted.

    It is dated now, whenever it was sold: DIAN wants the day of sending. Raises 422 for what DIAN would reject, 403 when
    somebody wants none who may not.
    """
    if not rows[0]["issues"]:
        return None
    issuing = read_issuing(next((row["issuing"] for row in rows if row["issuing"] is not None), None))
    if issuing is None:
        return None
    base = sum((line.base for line in priced), start=ZERO)
    if posting.data.document == "none" and not actor.may(_UNDOCUMENTED):
        raise Forbidden("Su rol no permite vender sin documento electrónico.", permission=_UNDOCUMENTED)
    kind = kind_for_sale(issuing, posting.data.document, base)
    if kind is None:
        return None
    keys = issuing.keys(vault, actor.tenant_id, find_numbers(issuing, kind))
    lines = [line_of(_sold(line, done, issuing.tributes)) for line, done in zip(basket.lines, priced, strict=True)]
    return draft(
        issuing,
        keys,
        kind,
        lines,
        at=posting.posted_at,
        payments=payments_of(payment.method for payment in posting.data.payments),
        place=point_of_sale(issuing.place, actor.display_name, str(posting.sale_id)) if kind is Kind.POS else None,
    )


def _sold(line: BasketLine, done: PricedLine, tributes: Mapping[str, tuple[str | None, str | None]]) -> SoldLine:
    shelf, asked = line.shelf, line.to_price
    tribute, nominal_tribute = tributes[shelf.tax_class]
    return SoldLine(
        code=shelf.sku,
        description=shelf.name,
        unit_code=line.unit_code,
        quantity=asked.quantity,
        discount=done.discount,
        total=done.total,
        base=done.base,
        nominal_tax=done.nominal_tax,
        rate=asked.rate,
        tribute=tribute,
        nominal_tribute=nominal_tribute,
        nominal_units=asked.base_units if done.nominal_tax else Decimal(0),
    )
