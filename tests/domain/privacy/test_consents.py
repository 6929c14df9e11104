"""What people agreed to is written down once and never changed."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.lib import clock
from tests.domain.customers.people import create, refusal
from tests.shop import Shop

GRANTED = {"purpose": "marketing", "version": "2026-11", "channel": "in-person", "decision": "granted"}


async def test_a_decision_and_its_withdrawal_are_two_lines(shop: Shop) -> None:
    customer = await create(shop)
    mine = GRANTED | {"customerId": customer["id"]}
    granted = await shop.post("/v1/privacy/consents", mine)
    assert granted.status_code == 201, granted.text
    before = (clock.now() - timedelta(days=1)).isoformat()
    withdrawn = await shop.post(
        "/v1/privacy/consents", mine | {"decision": "withdrawn", "channel": "email", "at": before}
    )
    assert withdrawn.status_code == 201, withdrawn.text
    for params in ({"customerId": customer["id"]}, {}):
        listed = (await shop.get("/v1/privacy/consents", **params)).json()
        assert listed == {"items": [withdrawn.json(), granted.json()], "nextCursor": None}
    assert (await shop.get("/v1/privacy/consents", userId=shop.user["id"])).json()["items"] == []
    (entry, *_) = (await shop.get("/v1/audit/entries", limit=1)).json()["items"]
    assert (entry["action"], entry["after"]) == ("consent.withdrawn", withdrawn.json())


async def test_a_retry_writes_nothing_twice_and_another_body_is_refused(shop: Shop) -> None:
    body = GRANTED | {"userId": shop.user["id"], "purpose": "employment", "id": str(uuid4())}
    first, again = [await shop.post("/v1/privacy/consents", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = await shop.post("/v1/privacy/consents", body | {"decision": "withdrawn"})
    assert refusal(other) == (409, "id-taken")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"customerId": None}, 422, "whose-consent"),
        ({"userId": "own"}, 422, "whose-consent"),
        ({"customerId": str(uuid4())}, 422, "unknown-reference"),
        ({"customerId": None, "userId": str(uuid4())}, 422, "unknown-reference"),
        ({"at": "2100-01-01T00:00:00Z"}, 422, "future-instant"),
        ({"at": "2026-01-01T00:00:00"}, 400, "malformed"),
        ({"purpose": "spying"}, 400, "malformed"),
        ({"channel": "pigeon"}, 400, "malformed"),
        ({"version": ""}, 400, "malformed"),
        ({"version": " "}, 400, "malformed"),
        ({"decision": "maybe"}, 400, "malformed"),
    ],
)
async def test_what_is_not_right_is_refused_and_nothing_written(
    shop: Shop, change: dict[str, Any], status: int, code: str
) -> None:
    customer = await create(shop)
    body = GRANTED | {"customerId": customer["id"]} | change
    if body.get("userId") == "own":
        body["userId"] = shop.user["id"]
    answer = await shop.post("/v1/privacy/consents", body)
    assert refusal(answer) == (status, code), answer.text
    assert (await shop.get("/v1/privacy/consents")).json()["items"] == []


async def test_consents_are_paged(shop: Shop) -> None:
    made = [
        (await shop.post("/v1/privacy/consents", GRANTED | {"userId": shop.user["id"], "version": str(n)})).json()["id"]
        for n in range(5)
    ]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await shop.get("/v1/privacy/consents", limit=2, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == made[::-1]
