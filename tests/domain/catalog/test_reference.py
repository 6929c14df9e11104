"""Tax classes, units, and hundreds of products at once."""

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db.session import Database, system_actor
from app.domain.catalog.schemas import CreateProduct
from app.domain.catalog.service.checking import refusals
from app.domain.catalog.service.creating import ProductCreation
from app.domain.catalog.service.taxes import tax_classes
from app.lib.errors import DomainError
from app.lib.money import UnitPrice
from tests.domain.cash.counter import Admin
from tests.domain.catalog.test_products import found
from tests.shop import Shop


async def test_each_tax_class_has_todays_figures_and_its_source(shop: Shop) -> None:
    items = {item["code"]: item for item in (await shop.get("/v1/tax-classes")).json()["items"]}
    assert {"iva19", "iva5", "exempt", "excluded", "inc8", "inc-bag", "ibua-medium", "ibua-high"} <= items.keys()
    assert (items["iva19"]["rate"], items["iva19"]["tribute"]) == ("0.19", "01")
    assert (items["exempt"]["rate"], items["exempt"]["tribute"]) == ("0.00", "01")
    assert (items["excluded"]["rate"], items["excluded"]["tribute"]) == ("0.00", None)
    assert all(item["source"] for item in items.values())
    assert (await shop.get("/v1/tax-classes")).json()["nextCursor"] is None


@pytest.mark.parametrize(("year", "nominal"), [(2025, "70.00"), (2026, "73.00")])
async def test_a_figure_holds_from_its_first_day_to_its_last(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, year: int, nominal: str
) -> None:
    # Four in the morning in UTC is still the evening before in Bogotá.
    new_year = datetime(2026, 1, 1, 4 if year == 2025 else 5, tzinfo=UTC)
    monkeypatch.setattr("app.domain.catalog.service.taxes.now", lambda: new_year)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        bag = next(item for item in (await tax_classes(work)).items if item.code == "inc-bag")
    assert (str(bag.nominal), bag.valid_from) == (nominal, date(year, 1, 1))


async def test_every_unit_listed_may_be_a_products_unit(shop: Shop) -> None:
    units = (await shop.get("/v1/units")).json()["items"]
    assert len({unit["code"] for unit in units}) == len(units) > 40
    for unit in units[:3]:
        body = {"sku": unit["code"], "name": unit["name"], "price": 1, "taxClass": "iva19", "unitCode": unit["code"]}
        assert (await shop.post("/v1/products", body)).status_code == 201


def product(number: int, **changes: Any) -> CreateProduct:
    fields: dict[str, Any] = {
        "sku": f"S{number}",
        "name": f"Artículo {number}",
        "price": UnitPrice("1500"),
        "tax_class": "iva19",
        "barcodes": [f"C{number}"],
    }
    return CreateProduct(**fields | changes)


async def test_a_thousand_products_take_few_statements_and_one_audit_link(
    shop: Shop, database: Database, admin: Admin
) -> None:
    tenant, imported = UUID(shop.tenant_id), uuid4()
    async with database.tenant_transaction(system_actor(tenant)) as work:
        statements = 0
        execute = work.session.execute

        async def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal statements
            statements += 1
            return await execute(*arguments, **options)

        work.session.execute = counted  # type: ignore[method-assign]
        ids = await ProductCreation(work).create_many([product(n) for n in range(1000)], subject=imported)
    assert statements < 30
    rows = await admin.fetch("SELECT id FROM product WHERE tenant_id = $1 AND sku = 'S7'", tenant)
    assert [row["id"] for row in rows] == [ids[7]]
    for table in ("product", "stock", "product_barcode"):
        assert await admin.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant) == 1000
    content = await admin.fetchval("SELECT content FROM audit_entry WHERE subject_id = $1", imported)
    assert len(json.loads(str(content))["after"]) == 1000
    assert (await found(shop, search="artciulo 512"))[0] == "S512"


async def test_a_list_tells_what_is_wrong_with_each_of_its_lines(shop: Shop, database: Database) -> None:
    await shop.product(sku="S1", barcodes=["C9"], stock=None)
    items = [
        product(0),
        product(1),
        product(2, tax_class="iva21", unit_code="QQ"),
        product(3, sku="S4"),
        product(4),
        product(9),
    ]
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        refused = await refusals(work, items)
        codes = {place: [refusal.code for refusal in found] for place, found in refused.items()}
        assert codes == {
            1: ["sku-taken"],
            2: ["unknown-reference", "unknown-reference"],
            3: ["duplicate-sku"],
            4: ["duplicate-sku"],
            5: ["barcode-taken"],
        }
        with pytest.raises(DomainError) as raised:
            await ProductCreation(work).create_many(items)
    assert raised.value.code == "sku-taken"
    assert await found(shop) == ["S1"]
