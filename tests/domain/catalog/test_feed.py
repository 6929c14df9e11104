"""The feed of changes: a client's copy ends equal to the shop, whatever happened meanwhile."""

import asyncio
import base64
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from litestar import Litestar

from tests.domain.cash.counter import Admin, cashier_of
from tests.domain.catalog.test_products import created
from tests.shop import Shop

_NEXT_XID = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_OLDEST_XID = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


class Copy:
    """What a till keeps."""

    def __init__(self, shop: Shop, admin: Admin) -> None:
        self.shop = shop
        self.admin = admin
        self.cursor: str | None = None
        self.rows: dict[tuple[str, ...], Any] = {}
        self.resyncs = 0

    async def follow(self, limit: int = 200, *, settled: bool = True) -> list[dict[str, Any]]:
        """Ask until there is no more; answers what came."""
        if settled:
            await self._settle()
        came: list[dict[str, Any]] = []
        while True:
            since = {"since": self.cursor} if self.cursor else {}
            answer = await self.shop.get("/v1/catalog/changes", limit=limit, **since)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            if page["fullResync"]:
                self.resyncs += 1
                self.rows.clear()
            assert len(page["items"]) <= limit
            for item in page["items"]:
                key, value = _row(item)
                if item["gone"]:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = value
            came += page["items"]
            self.cursor = page["nextCursor"]
            if not page["more"]:
                return came

    async def _settle(self) -> None:
        """Wait for whatever runs in the cluster now, other tests included: the feed stays behind all of it."""
        reached: int = (await self.admin.fetchval(_NEXT_XID)) or 0
        while ((await self.admin.fetchval(_OLDEST_XID)) or 0) < reached:
            await asyncio.sleep(0.02)

    def names(self) -> set[str]:
        return {row["name"] for key, row in self.rows.items() if key[0] == "product"}


def _row(item: dict[str, Any]) -> tuple[tuple[str, ...], Any]:
    value = item[item["kind"]]
    if item["kind"] == "stock":
        return ("stock", value["productId"], value["warehouseId"]), value
    return (item["kind"], value["id"]), value


def changed(came: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((item["kind"], _row(item)[0][1]) for item in came)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_the_first_copy_holds_everything_once(shop: Shop, admin: Admin, limit: int) -> None:
    products = [await created(shop, cost="1") for _ in range(4)]
    copy = Copy(shop, admin)
    came = await copy.follow(limit)
    ids = sorted(product["id"] for product in products)
    assert [key for kind, key in changed(came) if kind == "product"] == ids
    assert [key for kind, key in changed(came) if kind == "stock"] == ids
    assert len([item for item in came if item["kind"] == "customer"]) == 1
    assert copy.rows["product", ids[0]] == (await shop.get(f"/v1/products/{ids[0]}")).json()
    assert await copy.follow(limit) == []


async def test_only_what_changed_comes_again(shop: Shop, admin: Admin) -> None:
    one, other, retired = [await created(shop, name=name) for name in ("uno", "otro", "viejo")]
    copy = Copy(shop, admin)
    await copy.follow()
    await shop.patch(f"/v1/products/{one['id']}", {"price": "99"})
    assert changed(await copy.follow()) == [("product", one["id"])]
    await shop.patch(f"/v1/products/{other['id']}", {"barcodes": ["77"]})
    assert changed(await copy.follow()) == [("product", other["id"])]
    assert copy.rows["product", other["id"]]["barcodes"] == ["77"]
    packs = [{"unitCode": "BX", "factor": "2", "price": "3"}]
    await shop.patch(f"/v1/products/{other['id']}", {"packs": packs})
    assert changed(await copy.follow()) == [("product", other["id"])]
    await shop.stock(one["id"], "7", cost="5000")
    assert changed(await copy.follow()) == [("product", one["id"]), ("stock", one["id"])], "its last cost is new"
    await shop.stock(one["id"], "7", cost="5000")
    assert changed(await copy.follow()) == [("stock", one["id"])]
    await shop.post(f"/v1/products/{retired['id']}/retire")
    (gone,) = await copy.follow()
    assert (gone["kind"], gone["gone"]) == ("product", True)
    assert copy.names() == {"uno", "otro"}
    await shop.post(f"/v1/products/{retired['id']}/unretire")
    await copy.follow()
    assert copy.names() == {"uno", "otro", "viejo"}


async def test_a_category_move_is_a_change_of_its_products(shop: Shop, admin: Admin) -> None:
    product = await created(shop)
    copy = Copy(shop, admin)
    await copy.follow()
    category = (await shop.post("/v1/categories", {"name": "A"})).json()
    await shop.post("/v1/categories/move", {"toCategoryId": category["id"], "productIds": [product["id"]]})
    assert changed(await copy.follow()) == [("product", product["id"])]


async def test_a_slow_transaction_that_commits_late_is_not_missed(
    shop: Shop, admin: Admin, environ: dict[str, str]
) -> None:
    slow, quick = await created(shop, name="lento"), await created(shop, name="rápido")
    copy = Copy(shop, admin)
    await copy.follow()
    connection = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE product SET price = 7, changed_xid = (pg_current_xact_id()::text)::bigint WHERE id = $1 "
            "AND tenant_id = $2",
            UUID(slow["id"]),
            UUID(shop.tenant_id),
        )
        await shop.patch(f"/v1/products/{quick['id']}", {"price": "8"})
        await copy.follow(settled=False)
        await transaction.commit()
    finally:
        await connection.close()
    await copy.follow()
    assert copy.rows["product", slow["id"]]["price"] == "7.00"
    assert copy.rows["product", quick["id"]]["price"] == "8.00"


async def test_changes_while_a_client_pages_reach_it(shop: Shop, admin: Admin) -> None:
    products = [await created(shop, name=f"p{n}") for n in range(6)]
    copy = Copy(shop, admin)
    first = (await shop.get("/v1/catalog/changes", limit=2)).json()
    for item in first["items"]:
        copy.rows[_row(item)[0]] = _row(item)[1]
    copy.cursor = first["nextCursor"]
    await asyncio.gather(
        *(shop.patch(f"/v1/products/{product['id']}", {"name": f"q{n}"}) for n, product in enumerate(products))
    )
    await created(shop, name="nuevo")
    await copy.follow(2)
    await copy.follow(2)
    assert copy.names() == {*(f"q{n}" for n in range(6)), "nuevo"}


def _forged(cursor: str, place: int, value: Any) -> str:
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    parts[place] = value
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(("place", "value"), [(0, "123.1"), (1, 2**62)], ids=["another cluster", "from the future"])
async def test_a_cursor_of_another_history_begins_a_new_copy(shop: Shop, admin: Admin, place: int, value: Any) -> None:
    await created(shop, name="uno")
    copy = Copy(shop, admin)
    await copy.follow()
    assert copy.cursor is not None
    copy.cursor = _forged(copy.cursor, place, value)
    await copy.follow(1)
    assert (copy.resyncs, copy.names()) == (1, {"uno"})
    assert await copy.follow() == []
    assert copy.resyncs == 1


@pytest.mark.parametrize(
    "change", [(1, -1), (1, 2**70), (1, "x"), (3, "planet"), (4, [1]), (4, [5, "0197f2a4-7a3c-7bb0-9d2e-3f5a6b7c8d9e"])]
)
async def test_a_cursor_we_did_not_write_is_refused(shop: Shop, admin: Admin, change: tuple[int, Any]) -> None:
    cursor = (await shop.get("/v1/catalog/changes", limit=1)).json()["nextCursor"]
    forged = _forged(cursor, *change)
    if change[0] == 4:
        forged = _forged(forged, 1, None)
    assert (await shop.get("/v1/catalog/changes", since=forged)).status_code == 400
    assert (await shop.get("/v1/catalog/changes", since="no")).status_code == 400


async def test_the_first_copy_of_a_restored_database_is_whole(shop: Shop, admin: Admin) -> None:
    """Rows restored into a younger cluster carry ids of transactions that it has not reached."""
    made = await created(shop, name="restaurado")
    await admin.execute(
        "UPDATE product SET changed_xid = 9000000000000 WHERE id = $1 AND tenant_id = $2",
        UUID(made["id"]),
        UUID(shop.tenant_id),
    )
    copy = Copy(shop, admin)
    await copy.follow()
    assert copy.names() == {"restaurado"}
    assert await copy.follow() == []


async def test_a_cashier_gets_no_costs_and_a_stranger_gets_nothing(
    shop: Shop, other_shop: Shop, admin: Admin, app: Litestar
) -> None:
    made = await created(shop, cost="35")
    cashier = Copy(await cashier_of(shop, admin, app), admin)
    await cashier.follow()
    assert cashier.rows["product", made["id"]]["cost"] is None
    stranger = Copy(other_shop, admin)
    stranger.cursor = cashier.cursor
    assert await stranger.follow() == []
    stranger.cursor = None
    await stranger.follow()
    assert stranger.names() == set()
