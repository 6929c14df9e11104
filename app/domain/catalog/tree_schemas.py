"""Bodies of categories, tax classes, units and the feed of changes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.domain.catalog.schemas import ProductOut
from app.lib.schemas import Input, Output, Page
from app.lib.text import NAME

CategoryName = Annotated[str, Meta(min_length=1, max_length=100, pattern=NAME, examples=["Herramienta manual"])]


class CreateCategory(Input):
    name: CategoryName
    id: UUID | None = None
    parent_id: UUID | None = None


class ChangeCategory(Input):
    """What is absent stays; `parentId: null` makes it a root."""

    name: CategoryName | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET


class MoveToCategory(Input):
    """Categories and products that go under another category; null: to the root, or to none."""

    to_category_id: UUID | None
    category_ids: Annotated[list[UUID], Meta(max_length=500)] = []
    product_ids: Annotated[list[UUID], Meta(max_length=5000)] = []


class MovedOut(Output):
    """How many changed their place."""

    categories: int
    products: int


class CategoryOut(Output):
    id: UUID
    name: str
    parent_id: UUID | None
    path: list[str]
    """Names from the root down to this one."""
    created_at: datetime
    updated_at: datetime


class CategoryPage(Page):
    items: list[CategoryOut]


class TaxClassOut(Output):
    """How the products of a class are taxed today."""

    code: str
    name: str
    rate: Decimal
    """A fraction: 0.19 is nineteen per cent."""
    tribute: str | None
    """DIAN code of the percentage tax; null: excluded, no tax at all."""
    nominal: Decimal
    """Pesos per unit (bag), or per 100 ml (IBUA)."""
    nominal_tribute: str | None
    valid_from: date
    valid_to: date | None
    """Last day; null: until a new figure comes."""
    source: str


class TaxClassPage(Page):
    items: list[TaxClassOut]


class UnitOut(Output):
    code: str
    name: str


class UnitPage(Page):
    items: list[UnitOut]


class StockChange(Output):
    product_id: UUID
    warehouse_id: UUID
    quantity: Decimal


class CustomerChange(Output):
    id: UUID
    identification_type: str
    identification: str
    dv: str | None
    name: str
    email: str
    phone: str
    is_final_consumer: bool
    merged_into: UUID | None
    retired_at: datetime | None


class CatalogChange(Output):
    """One thing as it is now; `gone`: a client's copy drops it."""

    kind: Literal["product", "stock", "customer"]
    gone: bool
    product: ProductOut | None = None
    stock: StockChange | None = None
    customer: CustomerChange | None = None


class CatalogChanges(Output):
    items: list[CatalogChange]
    next_cursor: str
    """The next `since`."""
    more: bool
    """Ask again at once: this was not all of it."""
    full_resync: bool
    """`since` is of no use here (restored database): this begins a whole new copy, drop the old one."""
