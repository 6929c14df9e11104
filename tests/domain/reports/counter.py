"""A shop that sells, takes back and voids, and what its reports must then say."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.lib import clock
from tests.shop import Shop

GROUPINGS = (
    "day",
    "hour",
    "weekday",
    "product",
    "category",
    "brand",
    "seller",
    "tender",
    "customer",
    "branch",
    "register",
)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """What happens inside happens then."""
    clock.stand_at(instant)
    try:
        yield
    finally:
        clock.stand_at(None)


def ago(days: int, hour: int = 10) -> datetime:
    """So many days before today, at an hour of Bogota."""
    today = clock.business_day(clock.now(), "America/Bogota")
    return clock.day_begun(today - timedelta(days=days), "America/Bogota") + timedelta(hours=hour)


async def report(shop: Shop, path: str, **params: Any) -> dict[str, Any]:
    """A report in JSON; `first` and `last` are its days."""
    days = {name: str(params.pop(key)) for name, key in (("from", "first"), ("to", "last")) if key in params}
    answer = await shop.get(f"/v1/reports/{path}", **days, **params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def added(body: dict[str, Any], key: str = "total") -> Decimal:
    """What the rows of a report add up to."""
    return sum((Decimal(item[key]) for item in body["items"] if item[key] is not None), start=Decimal("0.00"))


async def give_back(shop: Shop, sale: dict[str, Any], quantity: str, session: str | None = None) -> dict[str, Any]:
    """So many units of the first line come back for cash."""
    line = sale["lines"][0]
    share = Decimal(line["total"]) * Decimal(quantity) / Decimal(line["quantity"])
    body = {
        "saleId": sale["id"],
        "lines": [{"saleLineId": line["id"], "quantity": quantity}],
        "refunds": [{"method": "cash", "amount": f"{share:.2f}"}],
        "reason": "no le gustó",
    }
    answer = await shop.post("/v1/returns", body | ({"sessionId": session} if session else {}))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
