"""A second warehouse with a till of its own, and short words for transfers and counts."""

from typing import Any

import httpx

from tests.domain.tenants.places import company, register, warehouse
from tests.shop import Shop


async def first_warehouse(shop: Shop) -> str:
    return str((await company(shop))["warehouses"][0]["id"])


async def add_warehouse(shop: Shop, name: str = "Bodega norte") -> str:
    """Another warehouse in the first branch."""
    branch_id = (await company(shop))["branches"][0]["id"]
    return str((await warehouse(shop, branch_id, name=name))["id"])


async def open_drawer_at(shop: Shop, warehouse_id: str, name: str = "Caja norte") -> str:
    """An open drawer on a new till of the first branch that sells from this warehouse."""
    branch_id = (await company(shop))["branches"][0]["id"]
    till = await register(shop, branch_id, warehouse_id, name=name)
    answer = await shop.post("/v1/cash/sessions", {"registerId": till["id"], "openingAmount": "100000"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shelf_at(shop: Shop, product: dict[str, Any], warehouse_id: str) -> tuple[str, str]:
    """Quantity and value of a product in one warehouse."""
    answer = await shop.get("/v1/inventory/stock", productId=product["id"], warehouseId=warehouse_id)
    (item,) = answer.json()["items"]
    return item["quantity"], item["value"]


async def try_to_send(
    shop: Shop, source: str, target: str, *lines: tuple[dict[str, Any], str], **body: Any
) -> httpx.Response:
    named = [{"productId": product["id"], "quantity": quantity} for product, quantity in lines]
    return await shop.post(
        "/v1/inventory/transfers", {"fromWarehouseId": source, "toWarehouseId": target, "lines": named} | body
    )


async def send(shop: Shop, source: str, target: str, *lines: tuple[dict[str, Any], str], **body: Any) -> dict[str, Any]:
    """A transfer of `(product, quantity)` lines."""
    answer = await try_to_send(shop, source, target, *lines, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def receive(shop: Shop, transfer: dict[str, Any], **body: Any) -> httpx.Response:
    return await shop.post(f"/v1/inventory/transfers/{transfer['id']}/receive", body)


async def cancel(shop: Shop, transfer: dict[str, Any], **body: Any) -> httpx.Response:
    return await shop.post(f"/v1/inventory/transfers/{transfer['id']}/cancel", body)


async def open_count(shop: Shop, **body: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/inventory/counts", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def enter(shop: Shop, count: dict[str, Any], *lines: tuple[Any, ...], **body: Any) -> httpx.Response:
    """Enter `(product, quantity[, mode])` lines."""
    named = [
        {"productId": product["id"], "quantity": quantity} | ({"mode": mode[0]} if mode else {})
        for product, quantity, *mode in lines
    ]
    return await shop.post(f"/v1/inventory/counts/{count['id']}/entries", {"lines": named} | body)


async def act(shop: Shop, count: dict[str, Any], verb: str, **body: Any) -> httpx.Response:
    """Recount, close or cancel."""
    return await shop.post(f"/v1/inventory/counts/{count['id']}/{verb}", body)


async def review(shop: Shop, count: dict[str, Any]) -> dict[str, Any]:
    answer = await shop.get(f"/v1/inventory/counts/{count['id']}/review")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
