"""What a ticket takes off the shelf: units, packs, shortages and the cost of each line."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from app.domain.inventory.costing import cost_to_assume, take, value_of
from app.domain.sales.pricing import LineToPrice
from app.domain.sales.schemas import PostSaleLine
from app.lib.errors import FieldError, RuleBroken, unknown_reference
from app.lib.money import ZERO, as_quantity, times

_ONE: Final = Decimal(1)
_SMALLEST: Final = Decimal("0.000001")


class Shelf(msgspec.Struct):
    """A product and what lies of it where the till sells from."""

    product_id: UUID
    sku: str
    name: str
    price: Decimal
    tax_class: str
    nominal_factor: Decimal
    unit_code: str
    tracks_stock: bool
    last_cost: Decimal | None
    retired: bool
    rate: Decimal | None
    nominal: Decimal | None
    quantity: Decimal
    value: Decimal

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Shelf":
        """From a row of `statements.READ`."""
        return cls(*(row[name] for name in cls.__struct_fields__))


class Taken(msgspec.Struct):
    """Units and pesos that leave one shelf for the whole ticket."""

    shelf: Shelf
    had: Decimal
    worth: Decimal
    """Units and pesos on the shelf before."""
    quantity: Decimal = ZERO
    value: Decimal = ZERO


class Missing(msgspec.Struct):
    """Units that the books did not have, assumed at a cost per unit."""

    shelf: Shelf
    missing: Decimal
    unit_cost: Decimal
    value: Decimal


class BasketLine(msgspec.Struct):
    """A line of the ticket with its goods."""

    shelf: Shelf
    unit_code: str
    factor: Decimal
    list_price: Decimal
    """Pesos that the catalogue asks for one sold unit."""
    to_price: LineToPrice
    cost: Decimal


class Basket(msgspec.Struct):
    """All lines of a ticket, and per product what they take."""

    lines: list[BasketLine]
    taken: list[Taken]
    missing: list[Missing]


def fill_basket(
    wanted: Sequence[PostSaleLine],
    shelves: Mapping[UUID, Shelf],
    packs: Mapping[tuple[UUID, str], tuple[Decimal, Decimal]],
    *,
    offline: bool,
) -> Basket:
    """Match lines with shelves and cost them, in the order of the ticket.

    Raises 422 `unknown-reference`, `product-retired`, `unknown-unit`, `no-tax-rate`, `quantity-precision` and, unless
    the goods are gone already (`offline`), `insufficient-stock`.
    """
    lines = [_line(number, line, shelves, packs) for number, line in enumerate(wanted)]
    missing = _fill_shelves(lines, offline=offline)
    taken: dict[UUID, Taken] = {}
    for line in lines:
        shelf = line.shelf
        if not shelf.tracks_stock:
            continue
        goods = taken.setdefault(shelf.product_id, Taken(shelf, shelf.quantity, shelf.value))
        line.cost = take(shelf.quantity, shelf.value, line.to_price.base_units)
        shelf.quantity -= line.to_price.base_units
        shelf.value -= line.cost
        goods.quantity += line.to_price.base_units
        goods.value += line.cost
    return Basket(lines, list(taken.values()), missing)


def _line(
    number: int,
    line: PostSaleLine,
    shelves: Mapping[UUID, Shelf],
    packs: Mapping[tuple[UUID, str], tuple[Decimal, Decimal]],
) -> BasketLine:
    shelf = shelves.get(line.product_id)
    if shelf is None:
        raise unknown_reference(f"/lines/{number}/productId", "No hay tal producto.")
    if shelf.retired:
        raise _refuse(number, "productId", "product-retired", f"{shelf.name} está retirado del catálogo.")
    if shelf.rate is None or shelf.nominal is None:
        raise _refuse(number, "productId", "no-tax-rate", f"No hay tarifa vigente para {shelf.tax_class}.")
    factor, price = _ONE, shelf.price
    unit_code = line.unit_code or shelf.unit_code
    if unit_code != shelf.unit_code:
        pack = packs.get((shelf.product_id, unit_code))
        if pack is None:
            raise _refuse(number, "unitCode", "unknown-unit", f"{shelf.name} no se vende en esa unidad.")
        factor, price = pack
    base_units = line.quantity if factor is _ONE else times(line.quantity, factor)
    if factor is not _ONE and base_units % _SMALLEST:
        raise _refuse(number, "quantity", "quantity-precision", "La cantidad tiene demasiados decimales.")
    return BasketLine(
        shelf=shelf,
        unit_code=unit_code,
        factor=factor,
        list_price=price,
        to_price=LineToPrice(
            quantity=line.quantity,
            base_units=base_units,
            unit_price=price if line.unit_price is None else line.unit_price,
            discount=line.discount or ZERO,
            rate=shelf.rate,
            nominal=times(shelf.nominal, shelf.nominal_factor) if shelf.nominal else ZERO,
        ),
        cost=ZERO,
    )


def _fill_shelves(lines: Sequence[BasketLine], *, offline: bool) -> list[Missing]:
    """Compare need with stock; offline, the missing units are put on the shelf at the cost they most likely had."""
    need: dict[UUID, Decimal] = {}
    first: dict[UUID, int] = {}
    shelves: dict[UUID, Shelf] = {}
    for number, line in enumerate(lines):
        if line.shelf.tracks_stock:
            product_id = line.shelf.product_id
            need[product_id] = need.get(product_id, Decimal(0)) + line.to_price.base_units
            first.setdefault(product_id, number)
            shelves[product_id] = line.shelf
    short = [shelf for product_id, shelf in shelves.items() if need[product_id] > shelf.quantity]
    if short and not offline:
        raise _insufficient(short, first)
    missing: list[Missing] = []
    for shelf in short:
        units = need[shelf.product_id] - shelf.quantity
        cost = cost_to_assume(shelf.quantity, shelf.value, shelf.last_cost)
        value = value_of(units, cost)
        missing.append(Missing(shelf, units, cost, value))
        shelf.quantity += units
        shelf.value += value
    return missing


def _insufficient(short: Sequence[Shelf], first: Mapping[UUID, int]) -> RuleBroken:
    return RuleBroken(
        f"No hay suficiente {short[0].name}: quedan {as_quantity(short[0].quantity)}.",
        code="insufficient-stock",
        errors=tuple(
            FieldError(
                f"/lines/{first[shelf.product_id]}/quantity",
                "insufficient-stock",
                f"De {shelf.name} quedan {as_quantity(shelf.quantity)}.",
            )
            for shelf in short
        ),
        productId=short[0].product_id,
        available=as_quantity(short[0].quantity),
    )


def _refuse(number: int, field: str, code: str, detail: str) -> RuleBroken:
    return RuleBroken(detail, code=code, errors=(FieldError(f"/lines/{number}/{field}", code, detail),))
