"""What a company's other systems are told, and how."""

import asyncio
import base64
import hmac
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.session import Database
from app.domain.webhooks.jobs import _SENDING
from app.domain.webhooks.sending import SCHEDULE, next_try
from app.lib import clock
from tests.db.catalogue import Admin
from tests.domain.webhooks.receiver import Receiver, receiver
from tests.shop import Shop
from tests.sink import Sink, text_of
from worker.pace import Pace
from worker.runner import JobRunner
from worker.webhook_chores import forget_old_deliveries, wake_feeds
from worker.wire import lane_of

ENDPOINTS = "/v1/webhooks/endpoints"


@pytest.fixture
async def inbox() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def endpoint(shop: Shop, url: str, *events: str) -> dict[str, Any]:
    answer = await shop.post(ENDPOINTS, {"url": url, "events": list(events or ("*",))})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def work_off(database: Database, admin: Admin, shop: Shop, *, wake: bool = True) -> None:
    """Let the worker do what it would within seconds: wake, follow, send, until nothing is due."""
    tenant_id = UUID(shop.tenant_id)
    if wake:
        await wake_feeds(database)
    while True:
        rows = await admin.fetch(
            "SELECT id FROM outbox WHERE tenant_id = $1 AND kind LIKE 'webhooks.%' AND status = 'pending' ORDER BY id",
            tenant_id,
        )
        if not rows:
            return
        for row in rows:
            await JobRunner(database, "short", Pace()).run(tenant_id, row["id"])
            ended = await admin.fetchrow("SELECT status, last_error FROM outbox WHERE id = $1", row["id"])
            assert ended is not None
            assert ended["status"] == "done", ended["last_error"]


async def make_due(admin: Admin, shop: Shop) -> None:
    """As if the waiting were over."""
    tenant_id = UUID(shop.tenant_id)
    await admin.execute(
        "UPDATE webhook_delivery SET next_at = now() - interval '1 s' WHERE tenant_id = $1 AND status = 'pending'",
        tenant_id,
    )
    await admin.execute("UPDATE webhook_endpoint SET paused_until = NULL WHERE tenant_id = $1", tenant_id)


async def deliveries(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    answer = await shop.get("/v1/webhooks/deliveries", **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def verify_of_the_guide() -> Callable[..., bool]:
    """The function that docs/webhooks.md gives to integrators."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., bool] = names["verify"]
    return found


async def test_a_sale_is_told_once_signed_as_the_guide_verifies(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    product, session = await shop.product(), await shop.open_drawer()
    made = await endpoint(shop, inbox.url, "sale.posted")
    sale = (await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "23800")).json()
    await work_off(database, admin, shop)
    await work_off(database, admin, shop)
    (got,) = inbox.got
    assert got.event["type"] == "sale.posted"
    assert (got.event["sequence"], got.event["tenantId"]) == (1, shop.tenant_id)
    assert got.event["data"]["id"] == sale["id"]
    assert (got.event["data"]["total"], got.event["data"]["sequence"]) == ("23800.00", sale["sequence"])
    assert not re.search("cost|customer|name", str(got.event["data"]), re.IGNORECASE)
    assert got.headers["webhook-id"] == got.event["id"]
    verify = verify_of_the_guide()
    assert verify(made["secret"], got.headers, got.body)
    assert not verify(made["secret"], got.headers, got.body + b" ")
    assert not verify("whsec_" + base64.b64encode(b"x" * 32).decode(), got.headers, got.body)
    assert not verify(made["secret"], got.headers | {"webhook-timestamp": "1700000000"}, got.body)
    (row,) = await deliveries(shop, endpointId=made["id"])
    assert (row["status"], row["attempts"], row["lastStatus"]) == ("delivered", 1, 200)
    whole = (await shop.get(f"/v1/webhooks/deliveries/{row['id']}")).json()
    assert whole["payload"] == got.event
    assert [(one["status"], one["excerpt"]) for one in whole["log"]] == [(200, "listo")]


async def test_each_kind_of_event_says_what_happened(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    session = await shop.open_drawer()
    await endpoint(shop, inbox.url)
    product = await shop.product(cost="4321")
    sale = (await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")).json()
    assert (await shop.patch(f"/v1/products/{product['id']}", {"price": "12000"})).status_code == 200
    voided = await shop.post(f"/v1/sales/{sale['id']}/void", {"reason": "error de Ana"})
    assert voided.is_success, voided.text
    closed = await shop.post(
        f"/v1/cash/sessions/{session}/close", {"counted": [{"method": "cash", "amount": "100000"}]}
    )
    assert closed.status_code == 200, closed.text
    await work_off(database, admin, shop)
    told = {one.event["type"]: one.event["data"] for one in inbox.got}
    assert told.keys() >= {"product.created", "stock.adjusted", "sale.posted", "product.changed", "cash-session.closed"}
    assert "sale.voided" in told
    assert told["sale.voided"]["saleId"] == sale["id"]
    assert (told["product.changed"]["id"], told["product.changed"]["price"]) == (product["id"], "12000.00")
    assert told["cash-session.closed"]["zNumber"] == closed.json()["zNumber"]
    assert "4321" not in str(told)
    assert "Ana" not in str(told)
    numbers = sorted(one.event["sequence"] for one in inbox.got)
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_company_without_endpoints_leaves_nothing_and_is_not_asked(
    shop: Shop, database: Database, admin: Admin
) -> None:
    product, session = await shop.product(), await shop.open_drawer()
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "11900")
    await wake_feeds(database)
    count = await admin.fetchval(
        "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND kind LIKE 'webhooks.%'", UUID(shop.tenant_id)
    )
    assert count == 0


async def test_nothing_from_before_it_listened_or_while_it_was_off_is_told(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    await shop.product()
    made = await endpoint(shop, inbox.url, "product.created")
    await shop.patch(f"{ENDPOINTS}/{made['id']}", {"isActive": False})
    await shop.product()
    await shop.patch(f"{ENDPOINTS}/{made['id']}", {"isActive": True})
    last = await shop.product()
    await work_off(database, admin, shop)
    assert [one.event["data"]["id"] for one in inbox.got] == [last["id"]]


async def test_what_fails_is_tried_again_and_then_given_up(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    made = await endpoint(shop, inbox.url, "product.created")
    inbox.status, inbox.answer = 500, b"roto\0" + b"x" * 10_000
    await shop.product()
    await work_off(database, admin, shop)
    (row,) = await deliveries(shop)
    assert (row["status"], row["attempts"], row["lastStatus"]) == ("pending", 1, 500)
    await work_off(database, admin, shop)
    assert len(inbox.got) == 1, "the endpoint has its pause"
    for _ in range(len(SCHEDULE) - 1):
        await make_due(admin, shop)
        await work_off(database, admin, shop)
    (row,) = await deliveries(shop, status="failed")
    assert row["attempts"] == len(SCHEDULE) == len(inbox.got)
    assert len({one.headers["webhook-id"] for one in inbox.got}) == 1
    whole = (await shop.get(f"/v1/webhooks/deliveries/{row['id']}")).json()
    assert len(whole["log"][0]["excerpt"]) == 2000
    inbox.status, inbox.answer = 204, b""
    answer = await shop.post(f"/v1/webhooks/deliveries/{row['id']}/replay")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending"), answer.text
    await work_off(database, admin, shop, wake=False)
    (row,) = await deliveries(shop, endpointId=made["id"])
    assert (row["status"], row["attempts"]) == ("delivered", 1)
    assert inbox.got[-1].body == inbox.got[0].body


def test_tries_are_spread_over_a_day() -> None:
    now = clock.now()
    planned = [next_try(now, tried, now) for tried in range(1, len(SCHEDULE) + 1)]
    assert planned[-1] is None
    for later, instant in zip(SCHEDULE[1:], planned, strict=False):
        assert instant is not None
        assert later <= instant - now <= later * 1.1
    held_back = next_try(now - timedelta(days=2), 3, now)
    assert held_back is not None
    assert held_back > now


async def test_a_failing_endpoint_is_asked_with_one_delivery_and_the_rest_follows_when_it_is_back(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    await endpoint(shop, inbox.url, "product.created")
    inbox.status = 503
    for _ in range(3):
        await shop.product(stock=None)
    await work_off(database, admin, shop)
    assert len(inbox.got) == 3
    await make_due(admin, shop)
    await work_off(database, admin, shop)
    assert len(inbox.got) == 4
    inbox.status = 200
    await make_due(admin, shop)
    await work_off(database, admin, shop)
    assert len(inbox.got) == 7
    assert {row["status"] for row in await deliveries(shop)} == {"delivered"}


@pytest.mark.parametrize("reason", ["gone", "failing"])
async def test_an_endpoint_that_stays_dead_is_switched_off_and_the_owner_told(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver, sink: Sink, reason: str
) -> None:
    made = await endpoint(shop, inbox.url, "product.created")
    inbox.status = 410 if reason == "gone" else 500
    await shop.product(stock=None)
    await shop.product(stock=None)
    if reason == "failing":
        await admin.execute(
            "UPDATE webhook_endpoint SET failing_since = now() - interval '73 hours' WHERE tenant_id = $1",
            UUID(shop.tenant_id),
        )
    await wake_feeds(database)
    for _ in range(4):
        await sink.deliver(database, admin, shop.tenant_id)
    found = (await shop.get(f"{ENDPOINTS}/{made['id']}")).json()
    assert (found["isActive"], found["disabledReason"]) == (False, reason)
    mails = [mail for mail in sink.received(shop.email) if "webhooks" in str(mail["Subject"])]
    assert len(mails) == 1
    assert inbox.url in text_of(mails[0])
    refused = await shop.post(f"{ENDPOINTS}/{made['id']}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint-inactive")
    # Back again, what was missed is asked for.
    inbox.status = 200
    inbox.got.clear()
    again = await shop.patch(f"{ENDPOINTS}/{made['id']}", {"isActive": True})
    assert (again.json()["isActive"], again.json()["disabledReason"]) == (True, None)
    now = clock.now()
    span = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    answer = await shop.post(f"{ENDPOINTS}/{made['id']}/replay", span)
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 2}), answer.text
    await work_off(database, admin, shop, wake=False)
    assert len(inbox.got) == 2
    assert (await shop.post(f"{ENDPOINTS}/{made['id']}/replay", span)).json() == {"deliveries": 0}
    assert (await shop.post(f"{ENDPOINTS}/{made['id']}/replay", span | {"deliveredToo": True})).json() == {
        "deliveries": 2
    }


async def test_two_workers_send_each_delivery_once(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    made = await endpoint(shop, inbox.url, "product.created")
    for _ in range(4):
        await shop.product(stock=None)
    tenant_id = UUID(shop.tenant_id)
    await wake_feeds(database)
    (follow,) = await admin.fetch("SELECT id FROM outbox WHERE tenant_id = $1 AND kind = 'webhooks.follow'", tenant_id)
    runner = JobRunner(database, "short", Pace())
    await runner.run(tenant_id, follow["id"])
    async with database.job_transaction(tenant_id) as work:
        twins = [work.ask("webhooks.send", {"endpointId": made["id"]}) for _ in range(4)]
    await asyncio.gather(*(runner.run(tenant_id, one) for one in twins))
    assert len(inbox.got) == 4
    assert len({one.headers["webhook-id"] for one in inbox.got}) == 4


async def test_two_followers_tell_each_entry_once(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    await endpoint(shop, inbox.url, "product.created")
    for _ in range(3):
        await shop.product(stock=None)
    tenant_id = UUID(shop.tenant_id)
    async with database.job_transaction(tenant_id) as work:
        twins = [work.ask("webhooks.follow", {}) for _ in range(4)]
    runner = JobRunner(database, "short", Pace())
    await asyncio.gather(*(runner.run(tenant_id, one) for one in twins))
    count = await admin.fetchval("SELECT count(*) FROM webhook_event WHERE tenant_id = $1", tenant_id)
    assert count == 3


async def test_a_rotated_secret_signs_beside_the_former_one_until_that_ends(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    made = await endpoint(shop, inbox.url)
    key = uuid4().hex
    rotated = await shop.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", {"overlapHours": 1}, key=key)
    assert rotated.status_code == 200, rotated.text
    assert len(rotated.json()["secrets"]) == 2
    again = await shop.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", {"overlapHours": 1}, key=key)
    assert again.json()["secret"] is None, "a replay tells no secret"
    assert (await shop.post(f"{ENDPOINTS}/{made['id']}/test")).status_code == 202
    await work_off(database, admin, shop, wake=False)
    verify, got = verify_of_the_guide(), inbox.got[-1]
    assert verify(made["secret"], got.headers, got.body)
    assert verify(rotated.json()["secret"], got.headers, got.body)
    await admin.execute(
        "UPDATE webhook_secret SET expires_at = now() - interval '1 s' WHERE tenant_id = $1 AND expires_at IS NOT NULL",
        UUID(shop.tenant_id),
    )
    await shop.post(f"{ENDPOINTS}/{made['id']}/test")
    await work_off(database, admin, shop, wake=False)
    got = inbox.got[-1]
    assert not verify(made["secret"], got.headers, got.body)
    assert verify(rotated.json()["secret"], got.headers, got.body)
    sealed = await admin.fetch("SELECT sealed FROM webhook_secret WHERE tenant_id = $1", UUID(shop.tenant_id))
    raw = base64.b64decode(rotated.json()["secret"].removeprefix("whsec_"))
    assert all(raw not in row["sealed"] and rotated.json()["secret"].encode() not in row["sealed"] for row in sealed)
    dump = str(await admin.fetch("SELECT content FROM audit_entry WHERE tenant_id = $1", UUID(shop.tenant_id)))
    assert rotated.json()["secret"] not in dump


async def test_a_shelf_below_its_minimum_is_told_once_until_it_is_full_again(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    product = await shop.product(stock="10", minStock="5")
    await shop.product(stock="1", minStock="5")
    await endpoint(shop, inbox.url, "stock.low")

    async def look() -> None:
        await admin.execute(
            "UPDATE webhook_feed SET stock_at = stock_at - interval '2 min' WHERE tenant_id = $1",
            UUID(shop.tenant_id),
        )
        await work_off(database, admin, shop)

    async def take(quantity: str) -> None:
        body = {"reason": "count", "lines": [{"productId": product["id"], "quantity": quantity}]}
        assert (await shop.post("/v1/inventory/adjustments", body)).status_code == 201

    await look()
    assert inbox.got == [], "what was low already is not told"
    await take("-6")
    await look()
    await take("-1")
    await look()
    (got,) = inbox.got
    assert (got.event["data"]["id"], got.event["data"]["sku"]) == (product["id"], product["sku"])
    await take("10")
    await look()
    await take("-9")
    await look()
    assert len(inbox.got) == 2


async def test_the_log_is_purged_and_only_what_is_old(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    await endpoint(shop, inbox.url, "product.created")
    await shop.product(stock=None)
    await shop.product(stock=None)
    await work_off(database, admin, shop)
    tenant_id = UUID(shop.tenant_id)
    await admin.execute(
        "UPDATE webhook_event SET created_at = now() - interval '31 days' WHERE tenant_id = $1 AND no = 1", tenant_id
    )
    await forget_old_deliveries(database)
    for table in ("webhook_event", "webhook_delivery", "webhook_attempt"):
        assert await admin.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id) == 1, table


async def test_twenty_at_once_make_no_more_endpoints_than_allowed(shop: Shop) -> None:
    made = [await endpoint(shop, "https://a.example.com/") for _ in range(15)]
    body = {"url": "https://a.example.com/", "events": ["*"]}
    answers = await asyncio.gather(*(shop.post(ENDPOINTS, body) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [422] * 7
    assert (await shop.delete(f"{ENDPOINTS}/{made[0]['id']}")).status_code == 204
    assert (await shop.get(f"{ENDPOINTS}/{made[0]['id']}")).status_code == 404
    assert (await shop.post(ENDPOINTS, body)).status_code == 201


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "ftp://a.example.com/", "events": ["*"]}, "webhook-url-refused"),
        ({"url": "https://ana:clave@a.example.com/", "events": ["*"]}, "webhook-url-refused"),
        ({"url": "https://a.example.com/\u00f1", "events": ["*"]}, "webhook-url-refused"),
        ({"url": "https://a.example.com/", "events": ["sale.invented"]}, "unknown-event"),
    ],
)
async def test_a_bad_endpoint_is_refused_and_not_kept(shop: Shop, body: dict[str, Any], code: str) -> None:
    answer = await shop.post(ENDPOINTS, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await shop.get(ENDPOINTS)).json()["items"] == []


async def test_secrets_are_sealed_anew_when_the_installations_key_changes(shop: Shop, database: Database) -> None:
    from msgspec import structs

    from app.domain.webhooks.endpoints import renew_secrets
    from app.domain.webhooks.secrets import SecretVault

    made = await endpoint(shop, "https://a.example.com/")
    former = database.settings.secret_key
    settings = structs.replace(database.settings, secret_key=b"n" * 16 + b"m" * 16, former_secret_keys=(former,))
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await renew_secrets(work, SecretVault(settings)) == 1
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await renew_secrets(work, SecretVault(settings)) == 0
        sealed = await work.session.scalar(text("SELECT sealed FROM webhook_secret"))
    alone = SecretVault(structs.replace(settings, former_secret_keys=()))
    assert alone.open(UUID(shop.tenant_id), UUID(made["id"]), sealed) == made["secret"]


def test_the_signature_is_that_of_the_standard() -> None:
    """Example of the Standard Webhooks specification's reference libraries."""
    from datetime import datetime, timezone

    from app.domain.webhooks.secrets import signed_headers

    event_id = UUID("019ab6c2-0000-7000-8000-000000000001")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, timezone.utc)  # noqa: UP017 - Python 3.11 knows both
    headers = signed_headers([secret], event_id, at, b'{"test": 2432232314}')
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = hmac.digest(key, f'{event_id}.1614265330.{{"test": 2432232314}}'.encode(), "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(said).decode()


async def test_a_company_of_slow_receivers_waits_for_itself_alone(
    shop: Shop, database: Database, admin: Admin, inbox: Receiver
) -> None:
    assert lane_of("short", "webhooks.send") == "webhooks"
    made = await endpoint(shop, inbox.url)
    await shop.post(f"{ENDPOINTS}/{made['id']}/test")
    tenant_id = UUID(shop.tenant_id)
    waiting = (
        "SELECT id FROM outbox WHERE tenant_id = $1 AND kind = 'webhooks.send' AND status = 'pending' "
        "AND (due_at > now()) = $2"
    )
    (asked,) = await admin.fetch(waiting, tenant_id, False)
    _SENDING[tenant_id] = 3
    try:
        await JobRunner(database, "short", Pace()).run(tenant_id, asked["id"])
        (later,) = await admin.fetch(waiting, tenant_id, True)
        await JobRunner(database, "short", Pace()).run(tenant_id, later["id"])
        assert len(await admin.fetch(waiting, tenant_id, True)) == 1
        assert inbox.got == []
    finally:
        del _SENDING[tenant_id]
    await work_off(database, admin, shop)
    assert len(inbox.got) == 1
    assert tenant_id not in _SENDING
