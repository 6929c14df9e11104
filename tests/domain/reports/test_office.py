"""What leaves the shop by itself: reports by mail, once to each; figures for the bookkeeper, balanced to the cent."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.reports.accounting import CONCEPTS
from app.domain.reports.folding import fold
from app.domain.reports.mailing import MORNING, ReportMailer, due
from app.domain.reports.schedules import first_due, period_before
from app.integrations.mail.sender import MailUnavailable
from app.lib import clock
from tests.domain.reports.counter import at, give_back, report
from tests.shop import Shop
from tests.sink import Sink

Admin: TypeAlias = asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]
ZONE = "America/Bogota"


async def scheduled(shop: Shop, kind: str = "daily", *recipients: str) -> str:
    body = {"kind": kind, "recipients": list(recipients) or ["duena@tienda.test"]}
    answer = await shop.post("/v1/reports/schedules", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def asked_for(shop: Shop, database: Database) -> list[tuple[UUID, date, str]]:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        return await due(work)


def mailer(shop: Shop, database: Database, one: tuple[UUID, date, str]) -> ReportMailer:
    context = JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")
    return ReportMailer(context, *one)


def morning(days: int = 1, after: timedelta = timedelta(minutes=1)) -> Any:
    """So many days from today, a moment after mails go."""
    today = clock.business_day(clock.now(), ZONE)
    return at(clock.day_begun(today + timedelta(days=days), ZONE) + MORNING + after)


@pytest.mark.parametrize(
    ("kind", "today", "first", "span"),
    [
        ("daily", date(2026, 12, 31), date(2027, 1, 1), (date(2026, 12, 31), date(2026, 12, 31))),
        ("weekly", date(2026, 12, 31), date(2027, 1, 4), (date(2026, 12, 28), date(2027, 1, 3))),
        ("weekly", date(2027, 1, 4), date(2027, 1, 11), (date(2027, 1, 4), date(2027, 1, 10))),
        ("monthly", date(2026, 12, 31), date(2027, 1, 1), (date(2026, 12, 1), date(2026, 12, 31))),
        ("monthly", date(2028, 2, 1), date(2028, 3, 1), (date(2028, 2, 1), date(2028, 2, 29))),
    ],
)
def test_a_period_is_whole_and_over_when_it_goes(kind: str, today: date, first: date, span: tuple[date, date]) -> None:
    assert first_due(kind, today) == first
    assert period_before(kind, first) == span


async def test_the_close_of_the_day_goes_once_to_each_recipient(
    shop: Shop, database: Database, sink: Sink, admin: Admin
) -> None:
    product = await shop.product(name="Café & <leche>", stock="9")
    session = await shop.open_drawer()
    total = Decimal(
        (await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "90000")).json()["total"]
    )
    one, two = f"{uuid4().hex}@tienda.test", f"{uuid4().hex}@tienda.test"
    await scheduled(shop, "daily", one, two.upper(), one)
    assert await asked_for(shop, database) == []
    with morning(after=-timedelta(minutes=2)):
        assert await asked_for(shop, database) == []
    with morning():
        found = await asked_for(shop, database)
        assert [recipient for _, _, recipient in found] == [one, two]
        assert await asked_for(shop, database) == []
        own = Database(sink.settings, database.bell)
        for mailing in found:
            await asyncio.gather(*(mailer(shop, own, mailing).run() for _ in range(3)))
        await own.close()
    for address in (one, two):
        (mail,) = sink.received(address)
        plain = mail.get_body(("plain",))
        html = mail.get_body(("html",))
        assert plain is not None
        assert html is not None
        assert f"{total:,.0f}".replace(",", ".") in plain.get_content()
        assert "Café & <leche>" in plain.get_content()
        assert "&lt;leche&gt;" in html.get_content()
        (pdf,) = mail.iter_attachments()
        assert pdf.get_content_type() == "application/pdf"
        assert pdf.get_content().startswith(b"%PDF")
    kept = await admin.fetch("SELECT status FROM report_mailing WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert [row["status"] for row in kept] == ["sent", "sent"]


async def test_after_days_without_a_worker_only_the_last_one_goes(shop: Shop, database: Database) -> None:
    await scheduled(shop)
    today = clock.business_day(clock.now(), ZONE)
    with morning(days=9):
        assert [last for _, last, _ in await asked_for(shop, database)] == [today + timedelta(days=8)]
        assert await asked_for(shop, database) == []
    with morning(days=10):
        assert [last for _, last, _ in await asked_for(shop, database)] == [today + timedelta(days=9)]


async def test_a_mail_server_that_is_away_is_tried_again_and_a_removed_schedule_is_not(
    shop: Shop, database: Database, sink: Sink, admin: Admin
) -> None:
    address = f"{uuid4().hex}@tienda.test"
    schedule_id = await scheduled(shop, "daily", address)
    with morning():
        (mailing,) = await asked_for(shop, database)
        with pytest.raises(MailUnavailable):
            # This installation has no mail server.
            await mailer(shop, database, mailing).run()
        assert (
            await admin.fetchval("SELECT count(*) FROM report_mailing WHERE tenant_id = $1", UUID(shop.tenant_id)) == 0
        )
    assert (await shop.patch(f"/v1/reports/schedules/{schedule_id}", {"isActive": False})).status_code == 200
    own = Database(sink.settings, database.bell)
    await mailer(shop, own, mailing).run()
    assert sink.received(address) == []
    assert (await shop.patch(f"/v1/reports/schedules/{schedule_id}", {"isActive": True})).status_code == 200
    await mailer(shop, own, mailing).run()
    await own.close()
    assert len(sink.received(address)) == 1
    assert (await shop.delete(f"/v1/reports/schedules/{schedule_id}")).status_code == 204
    assert (await shop.get("/v1/reports/schedules")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "daily", "recipients": []}, 400),
        ({"kind": "hourly", "recipients": ["a@b.co"]}, 400),
        ({"kind": "daily", "recipients": ["no es un correo"]}, 400),
        ({"kind": "daily", "recipients": ["a@b.co\r\nBcc: x@y.z"]}, 400),
        ({"kind": "daily", "recipients": ["ñandú@tienda.co"]}, 422),
        ({"kind": "daily", "recipients": ["a@b.co"], "branchId": str(uuid4())}, 422),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused(shop: Shop, body: dict[str, Any], status: int) -> None:
    answer = await shop.post("/v1/reports/schedules", body)
    assert answer.status_code == status, answer.text
    assert (await shop.get("/v1/reports/schedules")).json()["items"] == []


async def books(shop: Shop, **params: Any) -> dict[str, Any]:
    today = clock.business_day(clock.now(), ZONE)
    return await report(shop, "accounting", first=today, last=today, **params)


def booked(body: dict[str, Any], account: str) -> Decimal:
    """Debits less credits of an account."""
    rows = [row for row in body["items"] if row["account"] == account]
    return sum((Decimal(row["debit"]) - Decimal(row["credit"]) for row in rows), start=Decimal(0))


async def test_a_day_is_booked_in_balance_and_agrees_with_its_reports(shop: Shop, database: Database) -> None:
    session = await shop.open_drawer()
    taxed = await shop.product(stock="20", taxClass="iva19", price="11900")
    food = await shop.product(stock="20", taxClass="inc8", price="10800")
    bag = await shop.product(stock="20", taxClass="inc-bag", price="500")
    free = await shop.product(stock="20", taxClass="excluded", price="3333")
    lines = [{"productId": one["id"], "quantity": "2"} for one in (taxed, food, bag, free)]
    sale = (await shop.sell(session, lines, "500000")).json()
    await give_back(shop, sale, "1", session)
    voided = (await shop.sell(session, lines, "500000")).json()
    answer = await shop.post(f"/v1/sales/{voided['id']}/void", {"reason": "se equivocó"})
    assert answer.status_code in {200, 201}, answer.text
    for _ in range(2):
        body = await books(shop)
        assert body["totals"]["debit"] == body["totals"]["credit"] != "0.00"
        today = clock.business_day(clock.now(), ZONE)
        totals = (await report(shop, "sales", first=today, last=today))["totals"]
        account = {concept: number for concept, (number, _) in CONCEPTS.items()}
        assert booked(body, account["cash"]) == Decimal(totals["total"])
        taxes = sum(booked(body, account[one]) for one in ("vat", "consumption-tax"))
        assert -taxes == Decimal(totals["tax"])
        assert -booked(body, account["sales-taxed"]) - booked(body, account["returns"]) == Decimal(totals["base"])
        assert booked(body, account["cost"]) == Decimal(totals["cost"]) == -booked(body, account["stock"])
        more = True
        while more:
            async with database.job_transaction(UUID(shop.tenant_id)) as work:
                more = await fold(work)
    body = await books(shop)
    for package in ("siigo", "world-office"):
        other = await books(shop, package=package)
        assert other["totals"] == body["totals"]
        assert len(other["items"]) == len(body["items"])


async def put_accounts(shop: Shop, body: dict[str, Any]) -> httpx.Response:
    return await shop.http.put("/v1/reports/accounts", json=body, headers=shop.headers)


async def test_a_company_books_in_its_own_accounts(shop: Shop) -> None:
    session = await shop.open_drawer()
    product = await shop.product(stock="20")
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "500000")
    answer = await put_accounts(shop, {"items": [{"concept": "cash", "account": "11050501"}]})
    assert answer.status_code == 200, answer.text
    assert {row["concept"] for row in answer.json()["items"] if row["isOwn"]} == {"cash"}
    assert booked(await books(shop), "11050501") > 0
    for items in ([{"concept": "nada", "account": "110505"}], [{"concept": "cash", "account": "110505"}] * 2):
        assert (await put_accounts(shop, {"items": items})).status_code == 422
    assert (await put_accounts(shop, {"items": [{"concept": "cash", "account": "11-05"}]})).status_code == 400
    assert booked(await books(shop), "11050501") > 0
    assert (await put_accounts(shop, {"items": []})).status_code == 200
    assert booked(await books(shop), "110505") > 0
