"""Long files: written in the background, fetched by a link, gone when they are not wanted; live figures."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.reports.live import events
from app.domain.reports.writing import ExportWriter, Stopped
from app.lib import clock
from tests.domain.reports.counter import at
from tests.shop import Shop


async def sold(shop: Shop, tickets: int = 3) -> Decimal:
    product = await shop.product(name="+1 Jabón")
    session = await shop.open_drawer()
    total = Decimal(0)
    for _ in range(tickets):
        answer = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
        total += Decimal(answer.json()["total"])
    return total


async def ask(shop: Shop, form: str = "csv", report: str = "lines") -> str:
    today = str(clock.business_day(clock.now(), "America/Bogota"))
    answer = await shop.post("/v1/reports/exports", {"report": report, "format": form, "from": today, "to": today})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def writer(shop: Shop, database: Database, export_id: str) -> ExportWriter:
    context = JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")
    return ExportWriter(context, UUID(export_id))


async def parts(shop: Shop, database: Database) -> int:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        return int(await work.session.scalar(text("SELECT count(*) FROM report_export_part")) or 0)


@pytest.mark.parametrize("report", ["lines", "documents"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_a_file_has_every_row_and_a_link_without_login(
    shop: Shop, database: Database, http: httpx.AsyncClient, form: str, report: str
) -> None:
    total = await sold(shop)
    export_id = await ask(shop, form, report)
    await writer(shop, database, export_id).run()
    await writer(shop, database, export_id).run()
    told = (await shop.get(f"/v1/reports/exports/{export_id}")).json()
    assert (told["status"], told["progress"], told["rowsDone"], told["rowCount"]) == ("ready", 100, 3, 3)
    link = httpx.URL(told["url"]).path
    answer = await http.get(link)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == told["size"]
    if form == "csv":
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    else:
        sheet: Any = load_workbook(io.BytesIO(answer.content)).active
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    place = rows[0].index("Total")
    assert sum(Decimal(str(row[place])) for row in rows[1:]) == total
    if report == "lines":
        assert rows[1][rows[0].index("Producto")] == "'+1 Jabón"
    assert (await http.get(link[:-3] + "AAA")).status_code == 404
    with at(clock.now() + timedelta(minutes=16)):
        assert (await http.get(link)).status_code == 404


async def test_what_is_stopped_leaves_nothing(shop: Shop, database: Database) -> None:
    await sold(shop)
    export_id = await ask(shop)
    run = writer(shop, database, export_id)
    row = await run._begin()
    assert row is not None
    await run._keep(b"a piece")
    assert await parts(shop, database) == 1
    assert (await shop.delete(f"/v1/reports/exports/{export_id}")).status_code == 204
    assert await parts(shop, database) == 0
    await run.run()
    assert await parts(shop, database) == 0
    assert (await shop.get(f"/v1/reports/exports/{export_id}")).status_code == 404


async def test_a_run_thought_dead_adds_nothing_to_its_successors_file(shop: Shop, database: Database) -> None:
    await sold(shop)
    export_id = await ask(shop)
    slow = writer(shop, database, export_id)
    assert await slow._begin() is not None
    await writer(shop, database, export_id).run()
    before = await parts(shop, database)
    with pytest.raises(Stopped):
        await slow._keep(b"late")
    assert await parts(shop, database) == before


async def test_only_a_few_are_written_at_once(shop: Shop) -> None:
    for _ in range(5):
        await ask(shop)
    today = str(clock.business_day(clock.now(), "America/Bogota"))
    answer = await shop.post("/v1/reports/exports", {"report": "lines", "format": "csv", "from": today, "to": today})
    assert answer.status_code == 429


async def test_live_figures_follow_the_till_and_end_for_whoever_is_put_out(
    shop: Shop, database: Database, admin: Any
) -> None:
    product = await shop.product()
    session = await shop.open_drawer()
    one = await shop.get("/v1/reports/live")
    assert one.headers["content-type"].startswith("text/event-stream")
    assert one.text.count("event: dashboard") == 1
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        actor = msgspec.structs.replace(
            work.actor,
            user_id=UUID(shop.user["id"]),
            session_id=await admin.fetchval("SELECT id FROM auth_session WHERE user_id = $1", UUID(shop.user["id"])),
            permissions=frozenset({"reports:read"}),
        )
    stream = events(database, actor, 60, every=0.01)
    assert (await anext(stream)).startswith(b"retry")
    first = await anext(stream)
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
    while not (following := await anext(stream)).startswith(b"event"):
        pass
    assert b'"total":"0.00"' in first
    shown = msgspec.json.decode(following.split(b"data: ")[1])
    assert shown["today"]["figures"]["total"] == "11900.00"
    await admin.execute("UPDATE auth_session SET revoked_at = now() WHERE user_id = $1", UUID(shop.user["id"]))
    async for left in stream:
        assert left.startswith(b":")
