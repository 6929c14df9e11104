"""Roll-ups made anew: from the tickets themselves, while tills sell, in the time that a long history takes."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.jobs import JobContext
from app.db.session import Database, Work
from app.domain.reports import jobs
from app.domain.reports.folding import fold, rebuild
from app.domain.reports.reconcile import differences
from app.lib.jobs import NoPayload
from tests.domain.reports.counter import give_back, report
from tests.shop import Shop


async def folded(shop: Shop, database: Database) -> None:
    more = True
    while more:
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            more = await fold(work)


async def proven(shop: Shop, database: Database) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        assert await differences(work) == []


async def test_tickets_whose_audit_entries_lie_in_an_archive_alone_are_kept(
    shop: Shop, database: Database, admin: Any
) -> None:
    product, session = await shop.product(), await shop.open_drawer()
    sold = [
        (await shop.sell(session, [{"productId": product["id"], "quantity": "2"}], "50000")).json() for _ in range(3)
    ]
    await give_back(shop, sold[0], "1", session)
    await folded(shop, database)
    before = (await report(shop, "sales"))["totals"]
    gone = await admin.execute(
        "DELETE FROM audit_entry WHERE tenant_id = $1 AND action IN ('sale.posted', 'sale.returned')",
        UUID(shop.tenant_id),
    )
    assert gone == "DELETE 4"
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await work.session.execute(text("UPDATE report_sales SET total = total + 1"))
        await rebuild(work)
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "50000")
    after = (await report(shop, "sales"))["totals"]
    assert Decimal(after["total"]) == Decimal(before["total"]) + 11900
    assert after["tickets"] == before["tickets"] + 1
    await folded(shop, database)
    assert (await report(shop, "sales"))["totals"] == after
    await proven(shop, database)


async def test_tills_sell_while_roll_ups_are_made_anew(shop: Shop, database: Database) -> None:
    product, session = await shop.product(stock="20000"), await shop.open_drawer()
    done = asyncio.Event()

    async def sell() -> int:
        count = 0
        while not done.is_set():
            answer = await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
            assert answer.status_code == 201, answer.text
            count += 1
            await asyncio.sleep(0.02)
        return count

    tills = [asyncio.create_task(sell()) for _ in range(3)]
    for n in range(6):
        async with database.job_transaction(UUID(shop.tenant_id)) as work:
            await rebuild(work)
        if n % 3 == 0:
            await folded(shop, database)
    done.set()
    count = sum(await asyncio.gather(*tills))
    assert (await report(shop, "sales"))["totals"]["total"] == f"{count * 11900}.00"
    await proven(shop, database)
    await folded(shop, database)
    await proven(shop, database)


async def test_the_nightly_comparison_has_more_time_than_a_request(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def look(work: Work) -> list[Any]:
        seen.append(str(await work.session.scalar(text("SHOW statement_timeout"))))
        return await differences(work)

    monkeypatch.setattr(jobs, "differences", look)
    product, session = await shop.product(), await shop.open_drawer()
    await shop.sell(session, [{"productId": product["id"], "quantity": "1"}], "20000")
    await folded(shop, database)
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        await work.session.execute(text("UPDATE report_tax SET base = base + 1"))
    tenant = UUID(shop.tenant_id)
    await jobs.mend_nightly.run(
        JobContext(database=database, tenant_id=tenant, job_id=uuid4(), attempt=1, request_id=""), NoPayload()
    )
    assert seen == ["10min"]
    await proven(shop, database)
