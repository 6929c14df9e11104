"""Ninety days of a shop, drawn from one seed: the same shop on every machine."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from app.domain.sales.schemas import Method
from app.domain.sample.goods import GOODS, Good

DAYS: Final = 90
SEED: Final = 901_555_123
SHORT_DAY: Final = 41
"""The day whose drawer lacks 50,000 pesos, counted from the first."""
VOID_DAY: Final = 63
WARRANTY_DAY: Final = 25
"""A bulb comes back the day after it was sold, when its shift is closed."""
RESTOCK_EVERY: Final = 14
_ZONE: Final = ZoneInfo("America/Bogota")
_A_DAY: Final = 25
_WEEK: Final = (1.0, 0.9, 0.95, 1.0, 1.25, 1.5, 0.45)
"""Monday to Sunday."""
_HOURS: Final = (9, 11, 12, 10, 6, 5, 8, 11, 12, 10, 6)
"""Weights of the hours from 8 to 18: slow at lunch."""
_LINES: Final = (34, 28, 19, 11, 8)
_METHODS: Final[dict[Method, int]] = {
    "cash": 58,
    "nequi": 14,
    "daviplata": 5,
    "debit-card": 11,
    "credit-card": 6,
    "transfer": 6,
}
_PACKS: Final = 0.12
_NAMED: Final = 0.18
_THIN: Final = frozenset({"BOLSA", "CEM-50"})
"""Sold so near to cost that a discount would need a supervisor."""
_DISCOUNTED: Final = 0.04


class DrawnLine(msgspec.Struct, frozen=True):
    """A good and how many of it, in base units or packs."""

    good: Good
    quantity: Decimal
    in_packs: bool
    discount_percent: int

    @property
    def units(self) -> Decimal:
        return self.quantity * self.good.pack.factor if self.in_packs and self.good.pack else self.quantity


class DrawnSale(msgspec.Struct, frozen=True):
    """A ticket before it has prices."""

    at: datetime
    till: int
    customer: int | None
    """Place in the list of customers."""
    method: Method
    lines: list[DrawnLine]
    document: Literal["auto", "invoice"] = "auto"


class Day(msgspec.Struct, frozen=True):
    """One business day."""

    number: int
    date: date
    tills: int
    sales: list[DrawnSale]

    def at(self, hour: int, minute: int = 0) -> datetime:
        """An hour of the shop's clock."""
        return datetime.combine(self.date, time(hour, minute), _ZONE).astimezone(UTC)


def days_until(today: date, days: int = DAYS) -> Iterator[Day]:
    """The days before today, oldest first."""
    random = Random(SEED)  # noqa: S311 - the same shop everywhere is the point
    for number in range(days):
        day = today - timedelta(days=days - number)
        weight = _WEEK[day.weekday()]
        tills = 2 if weight >= 1 else 1
        count = max(3, round(_A_DAY * weight * random.uniform(0.85, 1.15)))
        instants = sorted(_instant(random, day) for _ in range(count))
        yield Day(number, day, tills, [draw_sale(random, at, tills) for at in instants])


def _instant(random: Random, day: date) -> datetime:
    (hour,) = random.choices(range(8, 8 + len(_HOURS)), _HOURS)
    return datetime.combine(day, time(hour, random.randrange(60), random.randrange(60)), _ZONE).astimezone(UTC)


def draw_sale(random: Random, at: datetime, tills: int) -> DrawnSale:
    """A ticket of an instant, at one of so many tills."""
    (count,) = random.choices(range(1, 1 + len(_LINES)), _LINES)
    (method,) = random.choices(list(_METHODS), list(_METHODS.values()))
    goods = {good.sku: good for good in random.choices(GOODS, [good.popularity for good in GOODS], k=count)}
    return DrawnSale(
        at=at,
        till=random.randrange(tills),
        customer=random.randrange(8) if random.random() < _NAMED else None,
        method=method,
        lines=[_line(random, good) for good in goods.values()],
    )


def _line(random: Random, good: Good) -> DrawnLine:
    discount = 5 if random.random() < _DISCOUNTED and good.sku not in _THIN else 0
    if good.pack is not None and random.random() < _PACKS:
        return DrawnLine(good, Decimal(1), in_packs=True, discount_percent=discount)
    # Small purchases are the usual ones.
    wanted = good.most * Decimal(str(round(random.random() ** 2, 3)))
    steps = (wanted / good.step).quantize(Decimal(1), rounding=ROUND_DOWN)
    return DrawnLine(good, max(good.step, steps * good.step), in_packs=False, discount_percent=discount)
