"""Bringing a shop's products in through the API, and taking them back."""

import csv
import io
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.domain.imports.tables import template_xlsx
from tests.shop import Shop

HEADER = "sku;nombre;precio;impuesto;código de barras;categoría;costo;existencia\n"
TWO = (
    HEADER
    + "CEM-50;Cemento gris;34900;IVA 19;770111|770222;Obra > Cementos;27500;80\nCAB-12;Cable;2600;19;;Obra;1650;320,5\n"
)


async def bring(shop: Shop, content: bytes | str, *, key: str | None = None, **query: str) -> httpx.Response:
    return await shop.http.post(
        "/v1/imports/products",
        content=content.encode() if isinstance(content, str) else content,
        params={"fileName": "productos.csv"} | query,
        headers=shop.headers | {"Idempotency-Key": key or uuid4().hex, "Content-Type": "text/csv"},
    )


async def undo(shop: Shop, import_id: str) -> httpx.Response:
    return await shop.post(f"/v1/imports/{import_id}/undo")


async def product(shop: Shop, sku: str) -> dict[str, Any] | None:
    items = (await shop.get("/v1/products", sku=sku)).json()["items"]
    return items[0] if items else None


async def stock(shop: Shop, product_id: str) -> list[tuple[str, str]]:
    items = (await shop.get("/v1/inventory/stock", productId=product_id)).json()["items"]
    return [(item["quantity"], item["averageCost"]) for item in items]


async def counts(admin: asyncpg.Connection, shop: Shop) -> tuple[int, ...]:
    """Rows of everything that an import could leave behind."""
    tables = ("product", "product_barcode", "category", "stock_adjustment", "import_batch", "import_item")
    found: list[int] = []
    for table in tables:
        rows = await admin.fetch(f"SELECT count(*) AS rows FROM {table} WHERE tenant_id = $1", shop.tenant_id)
        found.append(rows[0]["rows"])
    return tuple(found)


async def test_products_arrive_with_codes_category_cost_and_stock(shop: Shop) -> None:
    answer = await bring(shop, TWO)
    assert answer.status_code == 201, answer.text
    batch = answer.json()
    assert (batch["status"], batch["lines"], batch["accepted"], batch["rejected"]) == ("applied", 2, 2, 0)
    assert batch["newCategories"] == ["Obra", "Obra > Cementos"]
    assert (batch["openingLines"], batch["openingValue"]) == (2, "2728825.00")
    cement = await product(shop, "CEM-50")
    assert cement is not None
    assert (cement["price"], cement["taxClass"], cement["barcodes"]) == ("34900.00", "iva19", ["770111", "770222"])
    assert cement["cost"] == "27500.00"
    assert await stock(shop, cement["id"]) == [("80.000", "27500.00")]
    categories = {item["id"]: item["path"] for item in (await shop.get("/v1/categories")).json()["items"]}
    assert categories[cement["categoryId"]] == ["Obra", "Cementos"]
    found = (await shop.get("/v1/products", barcode="770222")).json()["items"]
    assert [item["sku"] for item in found] == ["CEM-50"]


async def test_the_books_agree_after_an_import(shop: Shop) -> None:
    await bring(shop, TWO)
    books = (await shop.get("/v1/audit/reconciliation")).json()
    assert books["isClean"], books["differences"]


async def test_a_workbook_is_told_by_its_content(shop: Shop) -> None:
    answer = await bring(shop, template_xlsx(), fileName="productos.txt")
    assert answer.status_code == 201, answer.text
    assert answer.json()["accepted"] == 3
    cable = await product(shop, "CAB-12")
    assert cable is not None
    assert await stock(shop, cable["id"]) == [("320.500", "1650.00")]


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(shop: Shop, admin: asyncpg.Connection) -> None:
    before = await counts(admin, shop)
    answer = await bring(shop, TWO + "X;;1;;;;;\n", dryRun="true")
    assert answer.status_code == 200, answer.text
    batch = answer.json()
    assert (batch["status"], batch["accepted"], batch["rejected"]) == ("checked", 2, 1)
    assert batch["newCategories"] == ["Obra", "Obra > Cementos"]
    assert [(error["line"], error["column"], error["code"]) for error in batch["errors"]] == [(4, "nombre", "missing")]
    after = await counts(admin, shop)
    assert after == (*before[:4], before[4] + 1, before[5])
    assert (await undo(shop, batch["id"])).json()["code"] == "import-not-applied"


async def test_one_wrong_line_changes_nothing(shop: Shop, admin: asyncpg.Connection) -> None:
    before = await counts(admin, shop)
    answer = await bring(shop, TWO + "X;Tornillo;34.900;;;;;\n")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "import-has-errors"
    assert [(e["line"], e["column"], e["code"]) for e in problem["lines"]] == [(4, "precio", "ambiguous-number")]
    assert (problem["lineCount"], problem["wrongLines"]) == (3, 1)
    assert await counts(admin, shop) == before


async def test_good_lines_may_be_taken_without_the_wrong_ones(shop: Shop) -> None:
    answer = await bring(shop, TWO + "X;Tornillo;34.900;;;;;\n", skipErrors="true")
    assert answer.status_code == 201
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (2, 1)
    assert await product(shop, "CEM-50") is not None
    assert await product(shop, "X") is None


async def test_the_file_may_say_how_it_writes_decimals(shop: Shop) -> None:
    answer = await bring(shop, HEADER + "X;Tornillo;34.900;;;;;\n", decimal="comma")
    assert answer.status_code == 201, answer.text
    found = await product(shop, "X")
    assert found is not None
    assert found["price"] == "34900.00"


async def test_codes_of_the_catalogue_are_not_taken_twice(shop: Shop) -> None:
    await bring(shop, TWO)
    answer = await bring(shop, HEADER + "CEM-50;Otro;1;;;;;\nNUEVO;Otro;1;;770222;;;\n")
    assert [(e["line"], e["column"], e["code"]) for e in answer.json()["lines"]] == [
        (2, "sku", "sku-taken"),
        (3, "código de barras", "barcode-taken"),
    ]


async def test_an_import_without_any_good_line_is_refused(shop: Shop) -> None:
    for content in (HEADER, HEADER + "X;;;;;;;\n", "nombre;precio\nA;1\n"):
        answer = await bring(shop, content, skipErrors="true")
        assert answer.status_code == 422
        assert answer.json()["code"] == "import-has-errors"


async def test_the_same_key_imports_once(shop: Shop) -> None:
    key = uuid4().hex
    first, again = await bring(shop, TWO, key=key), await bring(shop, TWO, key=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await shop.get("/v1/imports")).json()["items"]) == 1


async def test_without_a_key_nothing_is_imported(shop: Shop) -> None:
    answer = await shop.http.post("/v1/imports/products", content=TWO.encode(), headers=shop.headers)
    assert answer.status_code == 428


async def test_an_import_is_undone_and_may_be_tried_again(shop: Shop) -> None:
    batch = (await bring(shop, TWO)).json()
    first = await product(shop, "CEM-50")
    assert first is not None
    undone = await undo(shop, batch["id"])
    assert undone.status_code == 200, undone.text
    assert undone.json()["status"] == "undone"
    assert undone.json()["undoneAt"] is not None
    assert await product(shop, "CEM-50") is None
    assert (await shop.get("/v1/products", barcode="770222")).json()["items"] == []
    gone = (await shop.get(f"/v1/products/{first['id']}")).json()
    assert gone["retiredAt"] is not None
    kardex = (await shop.get(f"/v1/products/{first['id']}/kardex")).json()["items"]
    assert [line["quantity"] for line in kardex] == ["80.000", "-80.000"]
    assert kardex[-1]["balanceValue"] == "0.00"
    assert (await undo(shop, batch["id"])).json()["code"] == "import-not-applied"
    again = await bring(shop, TWO)
    assert again.status_code == 201, again.text
    assert again.json()["newCategories"] == []
    books = (await shop.get("/v1/audit/reconciliation")).json()
    assert books["isClean"], books["differences"]


async def test_an_import_whose_products_were_sold_stays(shop: Shop) -> None:
    batch = (await bring(shop, TWO)).json()
    cement, cable = await product(shop, "CEM-50"), await product(shop, "CAB-12")
    assert cement is not None
    assert cable is not None
    session = await shop.open_drawer()
    sold = await shop.sell(session, [{"productId": cement["id"], "quantity": "1"}], "34900")
    assert sold.status_code == 201, sold.text
    answer = await undo(shop, batch["id"])
    assert answer.status_code == 409
    assert answer.json()["code"] == "import-in-use"
    assert answer.json()["products"] == [cement["id"]]
    assert await product(shop, "CAB-12") is not None
    assert await stock(shop, cable["id"]) == [("320.500", "1650.00")]


async def test_imports_are_listed_newest_first_and_found(shop: Shop) -> None:
    ids = [(await bring(shop, HEADER + f"S{n};Cosa;1;;;;;\n")).json()["id"] for n in range(3)]
    first = (await shop.get("/v1/imports", limit=2)).json()
    second = (await shop.get("/v1/imports", limit=2, cursor=first["nextCursor"])).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert second["nextCursor"] is None
    assert "errors" not in first["items"][0]
    assert (await shop.get(f"/v1/imports/{ids[0]}")).json()["errors"] == []


async def test_errors_leave_as_a_table_that_no_spreadsheet_runs(shop: Shop) -> None:
    batch = (await bring(shop, HEADER + "A;Bien;1;;;;;\n=cmd;;1;;;;;\n", dryRun="true")).json()
    answer = await shop.get(f"/v1/imports/{batch['id']}/errors")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["línea", "columna", "código", "detalle"]
    assert rows[1][:3] == ["3", "nombre", "missing"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_the_template_can_be_imported_as_it_is(shop: Shop, kind: str) -> None:
    template = await shop.get("/v1/imports/products/template", format=kind)
    assert template.status_code == 200
    assert f"productos.{kind}" in template.headers["content-disposition"]
    assert (await bring(shop, template.content)).json()["accepted"] == 3


async def test_a_file_that_is_no_table_is_refused(shop: Shop) -> None:
    answer = await bring(shop, b"%PDF-1.7\x00\x01\x02")
    assert answer.status_code == 422
    assert answer.json()["code"] == "unreadable-file"
    assert (await bring(shop, b"")).json()["code"] == "empty-file"


async def test_a_file_above_ten_megabytes_is_refused(shop: Shop) -> None:
    assert (await bring(shop, b"a" * (10 * 1_048_576 + 1))).status_code == 413


async def test_a_stranger_finds_no_import(shop: Shop, other_shop: Shop) -> None:
    batch = (await bring(shop, TWO)).json()
    for path in (f"/v1/imports/{batch['id']}", f"/v1/imports/{batch['id']}/errors"):
        assert (await other_shop.get(path)).status_code == 404
    assert (await undo(other_shop, batch["id"])).status_code == 404
    assert (await other_shop.get("/v1/imports")).json()["items"] == []
    assert (await bring(other_shop, TWO)).status_code == 201


async def test_a_large_file_is_brought_in_one_piece(shop: Shop) -> None:
    lines = "".join(
        f"P{n};Producto número {n};{1000 + n};19;{770_000_000_000 + n};Grupo {n % 7};500;{n % 90}\n"
        for n in range(1, 1201)
    )
    answer = await bring(shop, HEADER + lines)
    assert answer.status_code == 201, answer.text
    assert answer.json()["accepted"] == 1200
    last = await product(shop, "P1200")
    assert last is not None
    assert await stock(shop, last["id"]) == [("30.000", "500.00")]
