"""What an indicator found: its reason, its items and what they come to."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from app.domain.reports.asked import Asked
from app.lib.money import ZERO
from app.lib.pesos import format_percent, format_pesos

Severity = Literal["info", "warning", "critical"]


class Item(msgspec.Struct, frozen=True):
    """One thing behind a finding, with its weight."""

    id: UUID | None
    name: str | None
    text: str
    link: str
    weight: Decimal = ZERO


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found. `total` says the sum of the items' weights in words."""

    title: str
    severity: Severity
    why: str
    action: str
    link: str
    items: list[Item]
    total: Callable[[Sequence[Item]], str]

    def value(self) -> str:
        return self.total(self.items)

    def without(self, subjects: set[str]) -> "Finding | None":
        """The same without hidden products; nothing when none is left."""
        kept = [item for item in self.items if str(item.id) not in subjects]
        return msgspec.structs.replace(self, items=kept) if kept else None


def in_pesos(items: Sequence[Item]) -> str:
    return format_pesos(sum((item.weight for item in items), start=ZERO))


def in_products(items: Sequence[Item]) -> str:
    return f"{len(items)} producto{'' if len(items) == 1 else 's'}"


def weightiest(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (-item.weight, item.name or ""))


def documents_link(asked: Asked, product_id: UUID) -> str:
    return f"/v1/reports/sales/documents?{asked.query(productId=product_id)}"


def in_percent(value: Decimal) -> str:
    return format_percent(value.quantize(Decimal("0.001")))
