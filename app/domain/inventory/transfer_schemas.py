"""Bodies of transfers between warehouses."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from app.domain.inventory.schemas import MAX_LINES, Note
from app.lib.money import SomeUnits, Units
from app.lib.schemas import Input, Output, Page

LossReason = Literal["damage", "loss", "other"]
TransferStatus = Literal["in-transit", "partly-received", "received", "cancelled"]


class TransferLine(Input):
    """What leaves of one product."""

    product_id: UUID
    quantity: Annotated[SomeUnits, Meta(description="Unidades base que salen.", examples=["12"])]


class PostTransfer(Input):
    """Goods sent from one warehouse to another."""

    from_warehouse_id: Annotated[UUID, Meta(description="De dónde salen.")]
    to_warehouse_id: Annotated[UUID, Meta(description="A dónde van.")]
    lines: Annotated[
        list[TransferLine], Meta(min_length=1, max_length=MAX_LINES, description="Cada producto una sola vez.")
    ]
    note: Note = ""
    id: Annotated[UUID | None, Meta(description="La puede escoger el cliente.")] = None


class ReceiveLine(Input):
    """What became of one product's units."""

    product_id: UUID
    quantity: Annotated[Units, Meta(description="Unidades que llegaron.", examples=["11"])]
    lost: Annotated[
        Units | None, Meta(description="Unidades que no llegarán: se dan de baja a su costo.", examples=["1"])
    ] = None
    reason: Annotated[LossReason | None, Meta(description="Por qué no llegaron; va con `lost`.")] = None

    def __post_init__(self) -> None:
        if self.quantity < 0 or (self.lost is not None and self.lost < 0):
            raise ValueError("Las cantidades no pueden ser negativas")
        if not self.quantity and not self.lost:
            raise ValueError("Indique cuánto llegó o cuánto se perdió")
        if bool(self.lost) != (self.reason is not None):
            raise ValueError("lost y reason van juntos")


class ReceiveTransfer(Input):
    """What arrived; what is not named stays on its way."""

    lines: Annotated[
        Annotated[list[ReceiveLine], Meta(min_length=1, max_length=MAX_LINES)] | None,
        Meta(description="Sin líneas, llegó todo lo que venía en camino."),
    ] = None
    note: Note = ""
    id: Annotated[UUID | None, Meta(description="De esta recepción; la puede escoger el cliente.")] = None


class CancelTransfer(Input):
    """What is on its way goes back to where it came from."""

    note: Note = ""


class TransferLineOut(Output):
    """One product of a transfer; amounts of money are null without the permission to see costs."""

    product_id: UUID
    sku: str
    name: str
    quantity: Decimal
    unit_cost: Decimal | None
    value: Decimal | None
    """Pesos that left with it."""
    received: Decimal
    lost: Decimal
    returned: Decimal
    """Units taken back by the cancellation."""
    in_transit: Decimal
    transit_value: Decimal | None


class ArrivalLineOut(Output):
    """What arrived of one product, or did not."""

    product_id: UUID
    quantity: Decimal
    value: Decimal | None
    lost: Decimal
    lost_value: Decimal | None
    reason: str | None
    adjustment_id: UUID | None
    """What wrote the lost units off; reversing it brings them back."""


class ArrivalOut(Output):
    """A reception, or the return of a cancelled transfer."""

    id: UUID
    kind: Literal["received", "cancelled"]
    at: datetime
    user_id: UUID
    note: str
    value: Decimal | None
    lost_value: Decimal | None
    lines: list[ArrivalLineOut]


class TransferSummary(Output):
    """A transfer without its lines."""

    id: UUID
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    status: TransferStatus
    note: str
    at: datetime
    user_id: UUID
    line_count: int
    value: Decimal | None
    transit_value: Decimal | None
    """Pesos still on their way."""


class TransferOut(TransferSummary):
    """A transfer with what became of it."""

    lines: list[TransferLineOut]
    arrivals: list[ArrivalOut]


class TransferPage(Page):
    """Transfers, newest first."""

    items: list[TransferSummary]
