"""What can be told of: the catalogue of events, and what each says.

An event names what happened and its id, with the few facts that decide whether a receiver cares; the rest is read through
the API with a key that is allowed to. No personal data and no costs leave this way.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from app.lib.schemas import JSON

LOW_STOCK: Final = "stock.low"
TEST: Final = "webhook.test"

_SALE: Final = (
    "sessionId",
    "branchId",
    "registerId",
    "soldAt",
    "postedAt",
    "businessDay",
    "subtotal",
    "taxTotal",
    "discountTotal",
    "total",
)
_PRODUCT: Final = ("sku", "name", "price", "taxClass", "unitCode", "tracksStock", "minStock", "retiredAt")
_ALERT: Final = ("kind", "severity", "title", "detail", "count", "openedAt", "resolvedAt")
_SESSION: Final = ("registerId", "branchId", "warehouseId", "openedAt", "closedAt", "zNumber", "businessDay")


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event."""

    name: str
    said: str
    """In Spanish, for who subscribes."""
    actions: tuple[str, ...] = ()
    """Of the audit chain, that become this event."""
    facts: tuple[str, ...] = ()
    """Members of the entry's `after` that are told."""
    within: str = ""
    """Member of `after` that holds them, if not itself."""


_CATALOGUE: Final = (
    EventType(name="sale.posted", said="Se registró una venta.", actions=("sale.posted",), facts=_SALE),
    EventType(name="sale.voided", said="Se anuló una venta.", actions=("sale.voided",), facts=("saleId", "sessionId")),
    EventType(
        name="sale.returned",
        said="Un cliente devolvió productos de una venta.",
        actions=("sale.returned",),
        facts=("saleId", "sessionId"),
    ),
    EventType(name="cash-session.opened", said="Se abrió un turno de caja.", actions=("cash-session.opened",)),
    EventType(
        name="cash-session.closed",
        said="Se cerró un turno de caja.",
        actions=("cash-session.closed",),
        facts=_SESSION,
        within="session",
    ),
    EventType(name="product.created", said="Se creó un producto.", actions=("product.created",), facts=_PRODUCT),
    EventType(
        name="product.changed",
        said="Cambió un producto: precio, nombre, códigos o existencia mínima.",
        actions=("product.changed",),
        facts=_PRODUCT,
    ),
    EventType(
        name="product.retired", said="Un producto salió de la venta.", actions=("product.retired",), facts=_PRODUCT
    ),
    EventType(
        name="product.unretired",
        said="Un producto volvió a la venta.",
        actions=("product.unretired",),
        facts=_PRODUCT,
    ),
    EventType(
        name="products.imported",
        said="Se importó un archivo de productos, o se deshizo.",
        actions=("products.imported", "import.undone"),
    ),
    EventType(
        name="stock.adjusted",
        said="Se ajustaron, contaron o corrigieron existencias a mano.",
        actions=("stock.adjusted", "stock.adjustment-reversed", "stock.conflict-settled", "stock.count-closed"),
    ),
    EventType(
        name="stock.transferred",
        said="Salió, llegó o se canceló un traslado entre bodegas.",
        actions=("stock.transferred", "stock.transfer-received", "stock.transfer-cancelled"),
        facts=("fromWarehouseId", "toWarehouseId"),
    ),
    EventType(name=LOW_STOCK, said="Un producto quedó por debajo de su existencia mínima en una bodega."),
    EventType(
        name="customer.changed",
        said="Se creó, cambió, unió, retiró o suprimió un cliente.",
        actions=(
            "customer.created",
            "customer.changed",
            "customer.merged",
            "customer.retired",
            "customer.anonymised",
        ),
    ),
    EventType(
        name="document.issued",
        said="Se expidió un documento electrónico que no nace de una venta, como una nota.",
        actions=("document.issued",),
        facts=("number", "kind", "uuid"),
    ),
    EventType(
        name="document.accepted",
        said="La DIAN aceptó un documento electrónico.",
        actions=("document.accepted",),
        facts=("number", "uuid"),
    ),
    EventType(
        name="document.rejected",
        said="La DIAN, o nuestra revisión, rechazó un documento electrónico.",
        actions=("document.rejected",),
        facts=("number",),
    ),
    EventType(
        name="alert.opened",
        said="Algo está mal en la tienda: sin caja abierta, sin ventas, agotados, numeración o certificado por acabarse.",
        actions=("alert.opened",),
        facts=_ALERT,
    ),
    EventType(name="alert.resolved", said="Lo que estaba mal se resolvió.", actions=("alert.resolved",), facts=_ALERT),
)

TYPES: Final[Mapping[str, EventType]] = {one.name: one for one in _CATALOGUE}
"""By name, in the order they are listed."""
OF_ACTION: Final[Mapping[str, EventType]] = {action: one for one in _CATALOGUE for action in one.actions}
"""Which event an action of the audit chain becomes."""

_NUMBERED: Final[Mapping[str, str]] = {
    "sale.posted": "sequence",
    "sale.voided": "sequence",
    "sale.returned": "sequence",
    "cash-session.closed": "zNumber",
}
"""What the entry's consecutive is called."""


def data_of(action: str, subject_id: UUID, number: int | None, content: str) -> dict[str, Any]:
    """What an entry of the chain is told as: its subject's id, its action, and the type's facts."""
    kind = OF_ACTION[action]
    told: dict[str, Any] = {"id": str(subject_id)}
    if len(kind.actions) > 1:
        told["action"] = action
    after = msgspec.json.decode(content).get("after")
    if kind.within and isinstance(after, dict):
        after = after.get(kind.within)
    if isinstance(after, dict):
        told |= {fact: after[fact] for fact in kind.facts if fact in after}
        document = after.get("document")
        if action == "sale.posted" and isinstance(document, dict):
            told["documentId"] = document.get("id")
        if action == "document.rejected":
            told["rules"] = [rule.get("code") for rule in after.get("rules") or [] if isinstance(rule, dict)]
    if number and action in _NUMBERED:
        told[_NUMBERED[action]] = number
    return told


def payload_of(
    kind: str, event_id: UUID, no: int, occurred_at: datetime, tenant_id: UUID, data: Mapping[str, Any]
) -> str:
    """The body that is sent, as Standard Webhooks has it: type, timestamp, data; and our id and number."""
    return JSON.encode(
        {
            "type": kind,
            "timestamp": occurred_at,
            "id": event_id,
            "sequence": no,
            "tenantId": tenant_id,
            "data": data,
        }
    ).decode()
