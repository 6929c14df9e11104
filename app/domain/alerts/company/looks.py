"""The questions a company's shop is asked, each of the domain that knows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.db.session import Work
from app.domain.alerts.company.kinds import KindCode
from app.domain.alerts.notices import Severity
from app.domain.cash.shifts import days_with_shifts, open_shifts
from app.domain.inventory.minimum import empty_products, low_shelves
from app.domain.invoicing.ending import certificate_end, open_ranges
from app.domain.sales.rhythm import first_sales

SHOWN: Final = 20
"""Of what is wrong, named in an alert."""
_WEEK: Final = timedelta(days=7)
_CRITICAL_DAYS: Final = 3
_NAMED: Final = 3


class Item(msgspec.Struct, frozen=True):
    """One of the things that are wrong."""

    id: UUID | None
    name: str
    detail: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong."""

    detail: str
    items: Sequence[Item] = ()
    """All of them."""
    severity: Severity | None = None
    """Worse than the rule's own."""


class Shop(msgspec.Struct, frozen=True):
    """Who is asked, and when."""

    work: Work
    now: datetime
    zone: ZoneInfo

    @property
    def local(self) -> datetime:
        return self.now.astimezone(self.zone)


Limits = Mapping[str, int]
Look = Callable[[Shop, Limits], Awaitable[Finding | None]]


async def _no_open_register(shop: Shop, limits: Limits) -> Finding | None:
    local = shop.local
    if not limits["fromHour"] <= local.hour < limits["toHour"] or await open_shifts(shop.work):
        return None
    # A day on which the shop is usually closed, or a shop that no longer sells, is nothing to tell of.
    days = await days_with_shifts(shop.work, shop.now - 2 * _WEEK - timedelta(days=1), shop.zone)
    today = local.date()
    if not days & {today - _WEEK, today - 2 * _WEEK}:
        return None
    return Finding(detail=f"Son las {local:%H:%M} y no hay ningún turno de caja abierto.")


async def _several_open_registers(shop: Shop, limits: Limits) -> Finding | None:
    shifts = await open_shifts(shop.work)
    if len(shifts) <= limits["most"]:
        return None
    return Finding(
        detail=f"Hay {len(shifts)} turnos abiertos; lo normal es {limits['most']}.",
        items=[Item(one.session_id, one.register, _since(shop, one.opened_at)) for one in shifts],
    )


async def _register_open_long(shop: Shop, limits: Limits) -> Finding | None:
    before = shop.now - timedelta(hours=limits["hours"])
    shifts = [one for one in await open_shifts(shop.work) if one.opened_at <= before]
    if not shifts:
        return None
    names = _some([one.register for one in shifts])
    return Finding(
        detail=f"Llevan más de {limits['hours']} horas abiertos: {names}.",
        items=[Item(one.session_id, one.register, _since(shop, one.opened_at)) for one in shifts],
    )


async def _no_sales(shop: Shop, limits: Limits) -> Finding | None:
    rhythm = await first_sales(shop.work, shop.now, shop.zone)
    if rhythm.usual is None or rhythm.sold_today:
        return None
    local = shop.local
    usual = datetime.combine(local.date(), rhythm.usual, shop.zone)
    if local < usual + timedelta(minutes=limits["minutes"]):
        return None
    return Finding(detail=f"Son las {local:%H:%M}; la primera venta de este día suele ser hacia las {usual:%H:%M}.")


async def _stock_out(shop: Shop, limits: Limits) -> Finding | None:
    empty = await empty_products(shop.work)
    if len(empty) < limits["products"]:
        return None
    return Finding(
        detail=f"Productos agotados: {len(empty)}. {_some([one.name for one in empty])}.",
        items=[Item(one.product_id, one.name, one.sku) for one in empty],
    )


async def _stock_low(shop: Shop, limits: Limits) -> Finding | None:
    shelves = [one for one in (await low_shelves(shop.work)).values() if one.quantity > 0]
    products = {one.product_id: one for one in sorted(shelves, key=lambda one: one.name)}
    if not products or len(products) < limits["products"]:
        return None
    return Finding(
        detail=f"Productos por debajo de su mínimo: {len(products)}. {_some([one.name for one in products.values()])}.",
        items=[
            Item(one.product_id, one.name, f"Quedan {_plain(one.quantity)}; mínimo {_plain(one.min_stock)}.")
            for one in products.values()
        ],
    )


async def _range_ending(shop: Shop, limits: Limits) -> Finding | None:
    today = shop.local.date()
    items, worst = [], False
    for one in await open_ranges(shop.work):
        days = (one.valid_to - today).days
        if days > limits["days"] and one.left * 100 > limits["percent"] * one.size:
            continue
        worst = worst or days <= _CRITICAL_DAYS or one.left <= 0
        items.append(
            Item(one.range_id, one.prefix or "Sin prefijo", f"Quedan {one.left} números; vence el {one.valid_to}.")
        )
    if not items:
        return None
    said = "; ".join(f"{one.name}: {one.detail}" for one in items[:_NAMED])
    return Finding(detail=said, items=items, severity="critical" if worst else None)


async def _certificate_ending(shop: Shop, limits: Limits) -> Finding | None:
    ends = await certificate_end(shop.work)
    if ends is None or ends > shop.now + timedelta(days=limits["days"]):
        return None
    day = ends.astimezone(shop.zone).date()
    said = f"Venció el {day}." if ends <= shop.now else f"Vence el {day}."
    is_worst = ends <= shop.now + timedelta(days=_CRITICAL_DAYS)
    return Finding(detail=said, severity="critical" if is_worst else None)


LOOKS: Final[Mapping[KindCode, Look]] = {
    "no-open-register": _no_open_register,
    "several-open-registers": _several_open_registers,
    "register-open-long": _register_open_long,
    "no-sales": _no_sales,
    "stock-out": _stock_out,
    "stock-low": _stock_low,
    "range-ending": _range_ending,
    "certificate-ending": _certificate_ending,
}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" y {more} más" if more > 0 else "")


def _since(shop: Shop, instant: datetime) -> str:
    return f"Abierto desde {instant.astimezone(shop.zone):%Y-%m-%d %H:%M}."


def _plain(quantity: Any) -> str:
    return f"{quantity.normalize():f}"
