"""What lies where, how it came to be, and what it is worth."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.inventory.schemas import AdjustLine, PostAdjustment
from app.domain.inventory.service import AdjustmentService
from app.lib import clock
from app.lib.money import Units, ZeroOrMorePrice
from tests.domain.inventory.shelf import adjust, kardex, refusal, shelf
from tests.shop import Shop

BOGOTA = ZoneInfo("America/Bogota")


async def long_ago(database: Database, shop: Shop, at: datetime, *lines: tuple[dict[str, Any], str, str]) -> None:
    """An adjustment of another day."""
    async with database.tenant_transaction(system_actor(UUID(shop.tenant_id))) as work:
        await AdjustmentService(work).adjust(
            PostAdjustment(
                reason="opening",
                lines=[
                    AdjustLine(
                        product_id=UUID(product["id"]), quantity=Units(quantity), unit_cost=ZeroOrMorePrice(cost)
                    )
                    for product, quantity, cost in lines
                ],
            ),
            at,
        )


async def cashier_of(shop: Shop, admin: asyncpg.Connection) -> Shop:
    """The same shop through the eyes of somebody who may not see costs."""
    await admin.execute("UPDATE membership SET role = 'cashier' WHERE tenant_id = $1", UUID(shop.tenant_id))
    return shop


async def test_stock_tells_quantity_average_and_value(shop: Shop) -> None:
    nails = await shop.product(stock=None, minStock="5")
    await adjust(shop, (nails, "3", "10"))
    found = (await shop.get("/v1/inventory/stock", productId=nails["id"])).json()
    assert found["nextCursor"] is None
    item = found["items"][0]
    assert (item["quantity"], item["averageCost"], item["value"], item["minStock"]) == (
        "3.000",
        "10.00",
        "30.00",
        "5.000",
    )
    assert (item["sku"], item["name"]) == (nails["sku"], nails["name"])
    there = (await shop.get("/v1/inventory/stock", warehouseId=item["warehouseId"])).json()["items"]
    assert there == [item]


async def test_the_shopping_list_is_what_is_below_its_minimum(shop: Shop) -> None:
    short = await shop.product(stock="4", minStock="5")
    await shop.product(stock="5", minStock="5")
    await shop.product(stock="0.5")
    never = await shop.product(stock=None, minStock="0.001")
    await shop.product(stock=None, tracksStock=False)
    found = (await shop.get("/v1/inventory/stock", belowMinimum="true")).json()["items"]
    assert {item["productId"] for item in found} == {short["id"], never["id"]}


async def test_stock_turns_its_pages(shop: Shop) -> None:
    made = {(await shop.product(stock="1"))["id"] for _ in range(5)}
    first = (await shop.get("/v1/inventory/stock", limit=3)).json()
    rest = (await shop.get("/v1/inventory/stock", limit=3, cursor=first["nextCursor"])).json()
    assert {item["productId"] for item in first["items"] + rest["items"]} == made
    assert len(first["items"] + rest["items"]) == 5
    assert rest["nextCursor"] is None
    assert (await shop.get("/v1/inventory/stock", cursor="x")).status_code == 400


async def test_the_kardex_has_every_movement_with_its_balance(shop: Shop) -> None:
    nails = await shop.product(stock="10", cost="100")
    session = await shop.open_drawer()
    sale = (await shop.sell(session, [{"productId": nails["id"], "quantity": "4"}], "100000")).json()
    await shop.post("/v1/inventory/revaluations", {"lines": [{"productId": nails["id"], "value": "660"}]})
    lines = await kardex(shop, nails)
    assert [
        (line["kind"], line["quantity"], line["unitCost"], line["value"], line["balanceQuantity"], line["balanceValue"])
        for line in lines
    ] == [
        ("opening", "10.000", "100.00", "1000.00", "10.000", "1000.00"),
        ("sale", "-4.000", "100.00", "-400.00", "6.000", "600.00"),
        ("revaluation", "0.000", "110.00", "60.00", "6.000", "660.00"),
    ]
    assert [line["position"] for line in lines] == [1, 2, 3]
    assert lines[1]["documentId"] == sale["id"]
    assert all(line["at"].endswith("Z") for line in lines)


async def test_the_kardex_turns_its_pages(shop: Shop) -> None:
    nails = await shop.product(stock=None)
    await adjust(shop, *[(nails, "1", "10")] * 5)
    first = (await shop.get(f"/v1/products/{nails['id']}/kardex", limit=2)).json()
    assert [line["position"] for line in first["items"]] == [1, 2]
    rest = (await shop.get(f"/v1/products/{nails['id']}/kardex", limit=200, cursor=first["nextCursor"])).json()
    assert [line["position"] for line in rest["items"]] == [3, 4, 5]
    assert rest["nextCursor"] is None


async def test_a_day_of_the_kardex_is_the_shops_day(shop: Shop, database: Database) -> None:
    nails = await shop.product(stock=None)
    # 23:30 in Bogotá is already the next day in UTC.
    await long_ago(database, shop, datetime(2026, 3, 1, 23, 30, tzinfo=BOGOTA), (nails, "1", "10"))
    await long_ago(database, shop, datetime(2026, 3, 2, 0, 0, tzinfo=BOGOTA), (nails, "2", "10"))
    await long_ago(database, shop, datetime(2026, 3, 3, 0, 0, tzinfo=BOGOTA), (nails, "4", "10"))

    async def quantities(**days: str) -> list[str]:
        return [line["quantity"] for line in await kardex(shop, nails, **days)]

    assert await quantities(**{"from": "2026-03-02", "to": "2026-03-02"}) == ["2.000"]
    assert await quantities(to="2026-03-01") == ["1.000"]
    assert await quantities(**{"from": "2026-03-02"}) == ["2.000", "4.000"]
    assert (await shop.get(f"/v1/products/{nails['id']}/kardex", to="2026-02-30")).status_code == 400


async def test_the_kardex_can_be_printed(shop: Shop) -> None:
    nails = await shop.product(stock="10", cost="100")
    await adjust(shop, (nails, "-2.5"), reason="damage")
    answer = await shop.get(f"/v1/products/{nails['id']}/kardex", format="csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["Movimiento"], row["Cantidad"], row["Valor"], row["Saldo en pesos"]) for row in rows] == [
        ("Inventario inicial", "10.000", "1000.00", "1000.00"),
        ("Daño", "-2.500", "-250.00", "750.00"),
    ]
    today = clock.now().astimezone(BOGOTA).date().isoformat()
    assert all(row["Fecha"].startswith(today) for row in rows)


async def test_a_sheet_that_no_spreadsheet_opens_is_refused(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    nails = await shop.product(stock=None)
    await adjust(shop, *[(nails, "1", "10")] * 4)
    monkeypatch.setattr("app.domain.inventory.reads.MAX_SHEET", 3)
    answer = await shop.get(f"/v1/products/{nails['id']}/kardex", format="csv")
    assert refusal(answer) == (422, "too-many-rows")


async def test_the_valuation_of_now_is_the_sum_of_the_shelves(shop: Shop) -> None:
    made = await shop.post("/v1/categories", {"name": "Tornillos"})
    assert made.status_code == 201, made.text
    category = made.json()
    a = await shop.product(stock="3", cost="33.33", categoryId=category["id"])
    b = await shop.product(stock="7", cost="11.11", categoryId=category["id"])
    c = await shop.product(stock="2", cost="5")
    empty = await shop.product(stock=None, categoryId=category["id"])
    values = [Decimal((await shelf(shop, product))[1]) for product in (a, b, c, empty)]
    by_category = (await shop.get("/v1/inventory/valuation")).json()
    assert Decimal(by_category["total"]) == sum(values)
    assert {item["name"]: (item["value"], item["products"]) for item in by_category["items"]} == {
        "Tornillos": (str(values[0] + values[1]), 2),
        "Sin categoría": (str(values[2]), 1),
    }
    by_warehouse = (await shop.get("/v1/inventory/valuation", groupBy="warehouse")).json()
    assert by_warehouse["total"] == by_category["total"]
    assert [item["products"] for item in by_warehouse["items"]] == [3]
    today = clock.now().astimezone(BOGOTA).date().isoformat()
    assert (await shop.get("/v1/inventory/valuation", at=today)).json() == by_category


async def test_the_valuation_of_a_day_forgets_what_came_later(shop: Shop, database: Database) -> None:
    nails = await shop.product(stock=None)
    await long_ago(database, shop, datetime(2026, 3, 1, 23, 59, tzinfo=BOGOTA), (nails, "10", "100"))
    await long_ago(database, shop, datetime(2026, 3, 2, 0, 0, tzinfo=BOGOTA), (nails, "1", "5"))
    await adjust(shop, (nails, "-11"))

    async def total(**at: str) -> str:
        answer: str = (await shop.get("/v1/inventory/valuation", **at)).json()["total"]
        return answer

    assert await total(at="2026-02-28") == "0.00"
    assert await total(at="2026-03-01") == "1000.00"
    assert await total(at="2026-03-02") == "1005.00"
    assert await total() == "0.00"


async def test_costs_are_hidden_from_who_may_not_see_them(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product(stock="10", cost="100")
    made = await adjust(shop, (nails, "1"))
    cashier = await cashier_of(shop, admin)
    stock = (await cashier.get("/v1/inventory/stock", productId=nails["id"])).json()["items"][0]
    assert (stock["quantity"], stock["averageCost"], stock["value"]) == ("11.000", None, None)
    for line in await kardex(cashier, nails):
        assert (line["unitCost"], line["value"], line["balanceValue"]) == (None, None, None)
        assert line["balanceQuantity"] is not None
    adjustment = (await cashier.get(f"/v1/inventory/adjustments/{made['id']}")).json()
    assert adjustment["value"] is None
    assert [(line["unitCost"], line["value"], line["balanceValue"]) for line in adjustment["lines"]] == [(None,) * 3]
    assert (await cashier.get("/v1/inventory/adjustments")).json()["items"][0]["value"] is None
    sheet = (await cashier.get(f"/v1/products/{nails['id']}/kardex", format="csv")).content.decode("utf-8-sig")
    assert "1000" not in sheet
    assert (await cashier.get("/v1/inventory/valuation")).status_code == 403
    body = {"reason": "found", "lines": [{"productId": nails["id"], "quantity": "1"}]}
    assert (await cashier.post("/v1/inventory/adjustments", body)).status_code == 403
