"""Where a grouping is read from: the smallest roll-up that keeps what it asks apart, else the tickets themselves."""

from collections.abc import Iterable
from typing import Final

import msgspec

from app.domain.reports.asked import Asked
from app.domain.reports.facts import (
    CUSTOMERS,
    DISTINCT_TICKETS,
    MONEY,
    PRODUCT_SPAN,
    PRODUCTS,
    RAW_DOCUMENTS,
    RAW_LINES,
    RAW_TENDERS,
    SALES,
    TENDERS,
)
from app.lib.errors import FieldError, RuleBroken

_TREE: Final = (
    "WITH RECURSIVE tree AS (SELECT k.id FROM category k WHERE k.tenant_id = :tenant_id AND k.id = :category_id "
    "UNION ALL SELECT k.id FROM category k JOIN tree ON k.parent_id = tree.id WHERE k.tenant_id = :tenant_id) "
    "SELECT id FROM tree"
)
_CONDITIONS: Final = {
    "branch_id": "f.branch_id = :branch_id",
    "register_id": "f.register_id = :register_id",
    "seller_id": "f.seller_id = :seller_id",
    "customer_id": (
        "f.customer_id IN (SELECT k.id FROM customer k WHERE k.tenant_id = :tenant_id "
        "AND (k.id = :customer_id OR k.merged_into = :customer_id))"
    ),
    "product_id": "f.product_id = :product_id",
    "category_id": (
        f"f.product_id IN (SELECT q.id FROM product q WHERE q.tenant_id = :tenant_id AND q.category_id IN ({_TREE}))"
    ),
}
_NEEDS: Final = {name: name for name in _CONDITIONS} | {"category_id": "product_id"}
"""Filter to the column it looks at."""

_DOCUMENT_KEYS: Final = frozenset({"day", "hour", "branch_id", "register_id", "seller_id", "customer_id"})


class Source(msgspec.Struct, frozen=True):
    """Rows with measures, and the columns by which they can be told apart."""

    rows: str
    columns: frozenset[str]
    tickets: str | None
    """How tickets are counted in a group; None: a ticket lies in several of its rows."""
    measures: tuple[str, ...] = MONEY
    quantity: bool = False


_SUMMED: Final = "sum(f.tickets)"
_COUNTED: Final = DISTINCT_TICKETS.replace("document_id", "f.document_id").replace("kind =", "f.kind =")
_SALES: Final = Source(SALES.live(), frozenset(SALES.keys), _SUMMED)
_CUSTOMERS: Final = Source(CUSTOMERS.live(), frozenset(CUSTOMERS.keys), _SUMMED)
_PRODUCTS: Final = Source(PRODUCTS.live(), frozenset(PRODUCTS.keys), None, quantity=True)
_SPAN: Final = Source(PRODUCT_SPAN, frozenset({"product_id", "branch_id"}), None, quantity=True)
_DOCUMENTS: Final = Source(RAW_DOCUMENTS, _DOCUMENT_KEYS, _SUMMED)
_LINES: Final = Source(RAW_LINES, _DOCUMENT_KEYS | {"product_id"}, _COUNTED, quantity=True)
_TENDERS: Final = Source(TENDERS.live(), frozenset(TENDERS.keys), _SUMMED, ("total", "returned"))
_RAW_TENDERS: Final = Source(RAW_TENDERS, _DOCUMENT_KEYS | {"method"}, _COUNTED, ("total", "returned"))


def source_for(asked: Asked, columns: Iterable[str], *, whole_tickets: bool = False) -> Source:
    """The first source that has these columns and those of the filters.

    `whole_tickets` passes over what cannot count tickets.
    """
    wanted = set(columns)
    needed = wanted | {_NEEDS[name] for name in asked.filters()}
    if asked.branches is not None:
        needed.add("branch_id")
    for source in (_SALES, _CUSTOMERS, _SPAN, _PRODUCTS, _DOCUMENTS, _LINES):
        if needed <= source.columns and not (whole_tickets and source.tickets is None):
            if source in (_SPAN, _PRODUCTS) and "product_id" in wanted:
                return msgspec.structs.replace(source, tickets=_SUMMED)
            return source
    raise LookupError(f"no source keeps {needed} apart")


def tenders_for(asked: Asked) -> Source:
    """Payments. Raises 422 for a filter by goods: a payment is of a whole ticket."""
    needed = {_NEEDS[name] for name in asked.filters()}
    if "product_id" in needed:
        raise RuleBroken(
            "Los medios de pago son de toda la venta: no se separan por producto ni categoría.",
            code="filter-not-possible",
            errors=(FieldError("/categoryId", "filter-not-possible", "No aplica a medios de pago."),),
        )
    return _TENDERS if needed <= _TENDERS.columns else _RAW_TENDERS


def condition(asked: Asked) -> str:
    """The filters as SQL over rows `f`."""
    parts = [_CONDITIONS[name] for name in asked.filters()]
    if asked.branches is not None:
        parts.append("f.branch_id = ANY(:branches)")
    return " AND ".join(parts) or "true"
