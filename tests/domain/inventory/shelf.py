"""Short words for what tests ask of stock."""

from typing import Any

import httpx

from tests.shop import Shop


async def adjust(shop: Shop, *lines: tuple[Any, ...], reason: str = "other", **body: Any) -> dict[str, Any]:
    """Adjust by `(product, quantity[, unit cost])` lines; answers the adjustment."""
    answer = await try_to_adjust(shop, *lines, reason=reason, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def try_to_adjust(shop: Shop, *lines: tuple[Any, ...], reason: str = "other", **body: Any) -> httpx.Response:
    named = [
        {"productId": product["id"], "quantity": quantity} | ({"unitCost": cost[0]} if cost else {})
        for product, quantity, *cost in lines
    ]
    return await shop.post("/v1/inventory/adjustments", {"reason": reason, "lines": named} | body)


async def shelf(shop: Shop, product: dict[str, Any]) -> tuple[str, str]:
    """Quantity and value of a product in its only warehouse."""
    items = (await shop.get("/v1/inventory/stock", productId=product["id"])).json()["items"]
    assert len(items) == 1
    return items[0]["quantity"], items[0]["value"]


async def kardex(shop: Shop, product: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = await shop.get(f"/v1/products/{product['id']}/kardex", **params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def differences(shop: Shop) -> list[dict[str, Any]]:
    """What the reconciler finds."""
    answer = await shop.get("/v1/audit/reconciliation")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["isClean"] == (not body["differences"])
    found: list[dict[str, Any]] = body["differences"]
    return found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pointers(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]
