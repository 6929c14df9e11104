"""The demo shop beside a DIAN simulator: what it sold today carries documents, and DIAN takes them."""

import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar

from app.db.jobs import JobContext
from app.db.lane import Lane
from app.db.session import Database
from app.dev.demo import fill
from app.dev.demo.issuing import TICKETS, today_until
from app.dev.demo.people import EMAIL
from app.dev.demo.removing import remove
from app.domain.invoicing.transmit import Transmission
from app.lib import clock
from app.settings import Settings
from tests.dev.test_demo import Demo
from tests.dian import DianProcess

DAYS = 2
BOGOTA = timedelta(hours=-5)


async def demo_shop(app: Litestar, settings: Settings, http: httpx.AsyncClient, database: Database) -> Demo:
    password = secrets.token_urlsafe(12)
    lane = Lane(settings)
    try:
        tickets = await fill(database, lane, app.state.tokens, password, lambda _line: None, count=DAYS)
    finally:
        await lane.close()
    login = await http.post("/v1/auth/login", json={"email": EMAIL, "password": password})
    assert login.status_code == 200, login.text
    return Demo(http, login.json()["accessToken"], tickets)


async def test_the_last_forty_tickets_are_of_today_and_dian_accepts_them(
    app: Litestar, settings: Settings, http: httpx.AsyncClient, dian_process: DianProcess
) -> None:
    issuing = msgspec.structs.replace(settings, dian_url=dian_process.desk.url)
    database = Database(issuing, app.state.database.bell)
    try:
        for again in (False, True):
            demo = await demo_shop(app, issuing, http, database)
            today = clock.business_day(clock.now(), "America/Bogota").isoformat()
            sales = sorted(await demo.all("/v1/sales"), key=lambda sale: sale["sequence"])
            assert [sale["businessDay"] == today for sale in sales] == [False] * (len(sales) - TICKETS) + [
                True
            ] * TICKETS
            documents = await demo.all("/v1/dian/documents")
            assert {each["saleId"] for each in documents} == {sale["id"] for sale in sales[-TICKETS:]}
            assert {each["status"] for each in documents} == {"pending"}
            assert Counter(each["kind"] for each in documents).keys() == {"01", "20"}
            assert all(session["status"] == "closed" for session in await demo.all("/v1/cash/sessions"))
            books = await demo.get("/v1/audit/reconciliation")
            assert books["isClean"], books["differences"]
            tenant_id = UUID((await demo.get("/v1/company"))["id"])
            for each in documents:
                context = JobContext(database=database, tenant_id=tenant_id, job_id=tenant_id, attempt=1, request_id="")
                await Transmission(context, UUID(each["id"])).run()
            states = Counter(each["status"] for each in await demo.all("/v1/dian/documents"))
            assert states == {"accepted": TICKETS}, again
    finally:
        await remove(database)
        await database.close()


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 24, 12, tzinfo=UTC),
        datetime(2026, 11, 24, 5, 0, 2, tzinfo=UTC),
        datetime(2026, 11, 24, 4, 59, tzinfo=UTC),
    ],
    ids=["morning", "just past midnight", "just before midnight"],
)
def test_today_is_one_day_of_bogota_and_in_the_past(now: datetime) -> None:
    day = today_until(now, 90)
    assert len(day.sales) == TICKETS
    assert {(sale.at + BOGOTA).date() for sale in day.sales} == {(now + BOGOTA).date()} == {day.date}
    assert all(day.opens < sale.at < day.closes == now for sale in day.sales)
    assert day == today_until(now, 90)
