"""Bodies of stock: adjustments, revaluations, conflicts and what reads of them answer."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.lib.money import Units, ZeroOrMorePesos, ZeroOrMorePrice
from app.lib.schemas import Input, Output, Page

Reason = Literal["opening", "count", "damage", "loss", "found", "other"]
Settlement = Literal["counted", "accepted"]
MAX_LINES = 2_000

Note = Annotated[str, Meta(max_length=500, description="Por qué, en palabras de la tienda.")]


class AdjustLine(Input):
    """One signed change of a product."""

    product_id: UUID
    quantity: Annotated[
        Units, Meta(description="Unidades base con signo: lo que entra o lo que sale.", examples=["10", "-2.5"])
    ]
    unit_cost: Annotated[
        ZeroOrMorePrice | None,
        Meta(
            description="Pesos sin impuestos por unidad de lo que entra; si falta, el promedio, o el último costo, o 0. "
            "Lo que sale va al promedio.",
            examples=["27500.00"],
        ),
    ] = None

    def __post_init__(self) -> None:
        if not self.quantity:
            raise ValueError("La cantidad no puede ser 0")


class PostAdjustment(Input):
    """Stock changed by hand; lines are applied in their order."""

    reason: Reason
    lines: Annotated[list[AdjustLine], Meta(min_length=1, max_length=MAX_LINES)]
    warehouse_id: Annotated[UUID | None, Meta(description="Por defecto, la bodega principal.")] = None
    note: Note = ""
    id: Annotated[UUID | None, Meta(description="La puede escoger el cliente.")] = None


class RevalueLine(Input):
    """What a product's units on the shelf are worth from now on: by unit or as a whole."""

    product_id: UUID
    unit_cost: Annotated[
        ZeroOrMorePrice | None, Meta(description="Nuevo costo promedio por unidad.", examples=["28100.00"])
    ] = None
    value: Annotated[ZeroOrMorePesos | None, Meta(description="Nuevo valor de todas las unidades.")] = None

    def __post_init__(self) -> None:
        if (self.unit_cost is None) == (self.value is None):
            raise ValueError("Indique unitCost o value, uno de los dos")


class PostRevaluation(Input):
    """Value changed without moving a unit."""

    lines: Annotated[list[RevalueLine], Meta(min_length=1, max_length=MAX_LINES)]
    warehouse_id: Annotated[UUID | None, Meta(description="Por defecto, la bodega principal.")] = None
    note: Note = ""
    id: Annotated[UUID | None, Meta(description="La puede escoger el cliente.")] = None


class ReverseAdjustment(Input):
    """Undo an adjustment by its opposite."""

    note: Note = ""
    id: Annotated[UUID | None, Meta(description="La puede escoger el cliente.")] = None


class AdjustmentLineOut(Output):
    """One movement; amounts of money are null without the permission to see costs."""

    id: UUID
    product_id: UUID
    sku: str
    name: str
    quantity: Decimal
    unit_cost: Decimal | None
    value: Decimal | None
    balance_quantity: Decimal
    balance_value: Decimal | None


class AdjustmentSummary(Output):
    """An adjustment without its lines."""

    id: UUID
    warehouse_id: UUID
    reason: str
    note: str
    at: datetime
    user_id: UUID
    reverses: UUID | None
    reversed_by: UUID | None
    line_count: int
    value: Decimal | None


class AdjustmentOut(AdjustmentSummary):
    """An adjustment as it was written."""

    lines: list[AdjustmentLineOut]


class AdjustmentPage(Page):
    """Adjustments, newest first."""

    items: list[AdjustmentSummary]


class StockOut(Output):
    """What lies of one product in one warehouse."""

    product_id: UUID
    sku: str
    name: str
    warehouse_id: UUID
    quantity: Decimal
    min_stock: Decimal | None
    average_cost: Decimal | None
    value: Decimal | None


class StockPage(Page):
    """Stock by product and warehouse."""

    items: list[StockOut]


class KardexLine(Output):
    """One movement of a product with the balance after it."""

    position: int
    at: datetime
    kind: str
    document_id: UUID
    warehouse_id: UUID
    quantity: Decimal
    unit_cost: Decimal | None
    value: Decimal | None
    balance_quantity: Decimal
    balance_value: Decimal | None


class KardexPage(Page):
    """Movements in their order, warehouse by warehouse."""

    items: list[KardexLine]


class ValuationGroup(Output):
    """Stock of one category or warehouse."""

    id: UUID | None
    """None: products without a category, or goods on their way between warehouses."""
    name: str
    products: int
    """How many have units."""
    value: Decimal


class ValuationOut(Output):
    """What the stock was worth at the end of a day."""

    at: date
    group_by: Literal["category", "warehouse"]
    items: list[ValuationGroup]
    total: Decimal


class ConflictOut(Output):
    """Units an offline till sold that the books did not have."""

    id: UUID
    product_id: UUID
    sku: str
    name: str
    warehouse_id: UUID
    sale_id: UUID
    missing: Decimal
    unit_cost: Decimal | None
    at: datetime
    settled_at: datetime | None
    settled_by: UUID | None
    settlement: str | None
    note: str


class ConflictPage(Page):
    """Conflicts in the order they appeared."""

    items: list[ConflictOut]


class SettleConflict(Input):
    """How the owner settled it."""

    settlement: Annotated[
        Settlement,
        Meta(
            description="`counted`: se contó el estante y se corrigió con un ajuste; "
            "`accepted`: las unidades estaban, faltaba registrarlas."
        ),
    ]
    note: Note = ""
