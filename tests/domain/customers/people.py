"""Valid customers, and short words for what tests ask of them."""

from typing import Any
from uuid import uuid4

import httpx

from tests.shop import Shop


def someone(**body: Any) -> dict[str, Any]:
    """A valid person, unlike any other."""
    number = str(10_000_000 + uuid4().int % 80_000_000)
    return {"identificationType": "13", "identification": number, "name": f"Cliente {number}"} | body


def company(**body: Any) -> dict[str, Any]:
    nit = str(800_000_000 + uuid4().int % 99_999_999)
    return someone(identificationType="31", identification=nit, name=f"Empresa {nit} S.A.S.") | body


async def create(shop: Shop, **body: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/customers", someone(**body))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def final_consumer(shop: Shop) -> dict[str, Any]:
    page = (await shop.get("/v1/customers", identification="222222222222")).json()["items"]
    assert len(page) == 1
    found: dict[str, Any] = page[0]
    return found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pointers(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]
