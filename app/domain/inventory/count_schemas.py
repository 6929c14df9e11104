"""Bodies of stock counts."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.domain.inventory.schemas import MAX_LINES, Note
from app.lib.money import Units
from app.lib.schemas import Input, Output, Page
from app.lib.text import LINE

Mode = Literal["add", "set"]
CountStatus = Literal["open", "closed", "cancelled"]
Products = Annotated[list[UUID], Meta(min_length=1, max_length=MAX_LINES)]


class OpenCount(Input):
    """Begin to count a warehouse: all of it, one category with those inside it, or some products."""

    warehouse_id: Annotated[UUID | None, Meta(description="Por defecto, la bodega principal.")] = None
    category_id: Annotated[UUID | None, Meta(description="Solo esta categoría y las que contiene.")] = None
    product_ids: Annotated[Products | None, Meta(description="Solo estos productos.")] = None
    note: Note = ""
    id: Annotated[UUID | None, Meta(description="La puede escoger el cliente.")] = None

    def __post_init__(self) -> None:
        if self.category_id is not None and self.product_ids is not None:
            raise ValueError("Indique categoryId o productIds, no los dos")


class CountLine(Input):
    """Units of one product, as somebody saw them."""

    product_id: UUID
    quantity: Annotated[Units, Meta(description="Unidades base; con `add` puede ser negativa.", examples=["12"])]
    mode: Annotated[
        Mode, Meta(description="`add`: se suman a lo ya contado; `set`: es todo lo que hay, y reemplaza lo contado.")
    ] = "add"

    def __post_init__(self) -> None:
        if self.mode == "set" and self.quantity < 0:
            raise ValueError("Lo contado no puede ser negativo")


class EnterCount(Input):
    """What one device counted; lines are applied in their order."""

    lines: Annotated[list[CountLine], Meta(min_length=1, max_length=MAX_LINES)]
    device: Annotated[
        str, Meta(max_length=100, pattern=LINE, description="Desde dónde se cuenta.", examples=["Tableta 2"])
    ] = ""


class RecountProducts(Input):
    """Count some products again, from nothing."""

    product_ids: Annotated[Products | None, Meta(description="Sin ellos, todos los que no cuadran.")] = None


class CloseCount(Input):
    """Post the differences."""

    uncounted: Annotated[
        Literal["keep", "zero"],
        Meta(description="Lo que nadie contó: `keep`, se queda como está; `zero`, no hay nada."),
    ] = "keep"
    note: Note = ""


class CountSummary(Output):
    """A count without its figures."""

    id: UUID
    warehouse_id: UUID
    scope: Literal["all", "category", "products"]
    category_id: UUID | None
    status: CountStatus
    note: str
    at: datetime
    user_id: UUID
    closed_at: datetime | None
    closed_by: UUID | None
    adjustment_id: UUID | None
    """What the close posted; none when everything agreed."""


class CountOut(CountSummary):
    """A count and how far it is."""

    products: int
    counted: int


class CountPage(Page):
    """Counts, newest first."""

    items: list[CountSummary]


class CountItemOut(Output):
    """One product of a count, blind: it does not say what the books expect."""

    product_id: UUID
    sku: str
    name: str
    round: int
    counted: Decimal | None
    counted_at: datetime | None
    counted_by: UUID | None


class CountItemPage(Page):
    """Products of a count."""

    items: list[CountItemOut]


class EnteredOut(Output):
    """What is counted by now of each product that was entered."""

    items: list[CountItemOut]


class CountEntryOut(Output):
    """What one person counted at one moment."""

    id: UUID
    product_id: UUID
    sku: str
    name: str
    round: int
    mode: Mode
    quantity: Decimal
    total: Decimal
    at: datetime
    user_id: UUID
    device: str


class CountEntryPage(Page):
    """Entries, oldest first."""

    items: list[CountEntryOut]


class CountDifferenceOut(Output):
    """One product that does not agree; pesos are null without the permission to see costs."""

    product_id: UUID
    sku: str
    name: str
    expected_at_opening: Decimal
    expected: Decimal
    """What the books said when it was counted."""
    counted: Decimal
    difference: Decimal
    """What closing now would post."""
    difference_value: Decimal | None
    moved_since: Decimal
    """Units that came or went after it was counted."""
    moved_while_counting: bool
    """Units came or went between its first and its last entry: better count it again."""
    needs_recount: bool
    """More left after the count than it found: closing is refused until it is counted again."""
    round: int
    counted_at: datetime
    counted_by: UUID


class CountReview(Page):
    """What does not agree, with totals of the whole count."""

    products: int
    counted: int
    different: int
    surplus_value: Decimal | None
    """Pesos of what was found beyond the books."""
    shortage_value: Decimal | None
    """Pesos of what was missing, not negative."""
    items: list[CountDifferenceOut]
