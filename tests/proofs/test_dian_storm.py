"""Documents through a DIAN that fails in every way, with workers killed: none twice, none lost, none stuck, no number missing."""

import asyncio
import os
import random
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.proofs.dian_house import DianHouse, Issuer, at_bogota, dian_house

LOST = ("timeout-after-processing", "timeout-before-processing", "hang-up")
SPOILT = ("garbage", "truncated", "doctype", "in-process", "internal")
STATUSES = (500, 503, 507, 403)


class Storm(msgspec.Struct, frozen=True):
    """How much of everything."""

    companies: int
    sales: int
    """Of each company; every fifth is an invoice, every tenth comes back."""
    faults: int
    asked: int
    """Faults of GetStatus."""
    kill_every: float
    """Real seconds."""
    pace: float
    minutes: int = 15
    """Simulated, from the last sale on."""
    killing: int = 10
    """Minutes of these in which workers are killed: one that is killed wakes nothing up for two minutes."""
    watched: timedelta = timedelta(minutes=15)
    """How long it is looked at once everything is decided: what a killed worker left behind comes back late."""


SMALL = Storm(
    companies=2, sales=20, faults=20, asked=5, kill_every=5, pace=30, minutes=60, watched=timedelta(minutes=3)
)
FULL = Storm(companies=20, sales=91, faults=1000, asked=200, kill_every=15, pace=3)


async def plant(house: DianHouse, storm: Storm, calls: int) -> Counter[str]:
    """Scatter faults over the calls to come."""
    chance = random.Random(15)
    planted: Counter[str] = Counter()

    def one(operation: str, within: int) -> None:
        kind = chance.choice((*LOST, *SPOILT, "status", "status", "status", "processed"))
        more: dict[str, Any] = {"seconds": 600.0}
        if kind in {"status", "processed"}:
            more = {"status": chance.choice(STATUSES), "processed": kind == "processed"}
        kind = "status" if kind == "processed" else kind
        planted[f"HTTP {more['status']}" if kind == "status" else kind] += 1
        house.dian.desk.break_(kind, operation=operation, after=chance.randrange(within), **more)

    for _ in range(storm.faults):
        one("SendBillSync", calls)
    for _ in range(storm.asked):
        one("GetStatus", storm.faults)
    for place in range(3):
        # Fifty megabytes each: a few are enough.
        house.dian.desk.break_("huge", operation="SendBillSync", after=(place + 1) * calls // 5)
        planted["50 MB"] += 1
    return planted


async def sell(issuer: Issuer, count: int) -> None:
    product = await issuer.shop.product(stock="10000", cost="1000")
    for n in range(count):
        await issuer.stay()
        wanted = "invoice" if n % 5 == 0 else "auto"
        lines = [{"productId": product["id"], "quantity": str(1 + n % 3)}]
        sold = await issuer.shop.sell(issuer.session_id, lines, "100000", document=wanted)
        assert sold.status_code == 201, sold.text
        if n % 10 == 0:
            void = await issuer.shop.post(f"/v1/sales/{sold.json()['id']}/void", {"reason": "se equivocó"})
            assert void.status_code == 201, void.text


async def kill_often(house: DianHouse, storm: Storm, ends: asyncio.Event) -> None:
    chance = random.Random(9)
    while not ends.is_set():
        await asyncio.sleep(storm.kill_every * chance.uniform(0.5, 1.5))
        await house.worker.kill()
        await house.worker.start()


async def storm_over(environ: dict[str, str], folder: Path, storm: Storm) -> None:
    # Silence of fifty seconds, as the clock goes.
    async with dian_house(environ, folder, at_bogota(9), patience=50 / storm.pace) as house:
        issuers = [await house.issuer() for _ in range(storm.companies)]
        planted = await plant(house, storm, storm.companies * storm.sales)
        await house.worker.start()
        ends = asyncio.Event()
        killing = asyncio.create_task(kill_often(house, storm, ends))
        began = time.monotonic()
        selling = asyncio.gather(*(sell(each, storm.sales) for each in issuers))
        await selling
        sold_after = time.monotonic() - began
        running = asyncio.create_task(house.clock.run(storm.pace))
        end = house.clock.now() + timedelta(minutes=storm.minutes)
        documents: list[Any] = []
        settled_at = None
        while house.clock.now() < end:
            if killing.done():
                killing.result()
            if house.clock.now() > end - timedelta(minutes=storm.minutes - storm.killing):
                ends.set()
            await asyncio.sleep(0.5)
            documents = [(each, row) for each in issuers for row in await each.documents()]
            left = sum(row["status"] != "accepted" for _, row in documents)
            if not left:
                settled_at = settled_at or house.clock.now()
                if house.clock.now() - settled_at > storm.watched:
                    break
        for task in (killing, running):
            task.cancel()
        await asyncio.gather(killing, running, return_exceptions=True)
        documents = [(each, row) for each in issuers for row in await each.documents()]
        settled = None if settled_at is None else settled_at - (end - timedelta(minutes=storm.minutes))
        await tell(house, planted, documents, sold_after, settled)
        await judge(house, issuers)


async def tell(
    house: DianHouse, planted: Counter[str], documents: list[Any], sold_after: float, settled: timedelta | None
) -> None:
    report = house.dian.desk.ask("GET", "documents")
    steps = {
        row["kind"]: row["n"] for row in await house.rows("SELECT kind, count(*) AS n FROM document_event GROUP BY 1")
    }
    opened = await house.rows("SELECT count(*) AS n FROM audit_entry WHERE action = 'dian.away'")
    print(
        f"\nstorm: {len(documents)} documents, issued in {sold_after:.0f} s; kill -9 of the worker: {house.worker.kills}"
    )
    print(f"  planted: {dict(planted)}; left over: {len(house.dian.desk.ask('GET', 'faults'))}")
    print(f"  steps: {steps}; circuit opened {opened[0]['n']} times")
    print(
        f"  arrivals at DIAN: {sum(report['sent'].values())}, more than once: {sum(n > 1 for n in report['sent'].values())}"
    )
    print(f"  states: {dict(Counter(row['status'] for _, row in documents))}; all decided after {settled}")


async def judge(house: DianHouse, issuers: list[Issuer]) -> None:
    """Nothing twice, nothing lost, nothing stuck; numbers follow each other; workers left no dead job."""
    valid = house.dian.desk.valid()
    for issuer in issuers:
        documents = await issuer.documents()
        stuck = [(row["number"], row["status"], row["message"]) for row in documents if row["status"] != "accepted"]
        assert stuck == []
        ours = sorted((row["number"], row["uuid"]) for row in documents)
        theirs = sorted((each["number"], each["uuid"]) for each in valid if each["issuer"] == issuer.nit)
        assert ours == theirs
        numbers: dict[str, list[int]] = {}
        for row in documents:
            numbers.setdefault(row["prefix"], []).append(row["consecutive"])
        for prefix, taken in numbers.items():
            assert sorted(taken) == list(range(min(taken), min(taken) + len(taken))), prefix
        sales = await house.rows(
            "SELECT count(*) AS n, count(d.id) AS documented FROM sale s LEFT JOIN document d "
            "ON d.tenant_id = s.tenant_id AND d.sale_id = s.id WHERE s.tenant_id = $1",
            issuer.tenant_id,
        )
        assert sales[0]["n"] == sales[0]["documented"]
    assert sum(1 for each in valid if each["issuer"] in {issuer.nit for issuer in issuers}) == len(valid)
    # One signed file a version, whatever was killed between.
    twice = await house.rows(
        "SELECT document_id FROM document_file WHERE kind = 'xml' GROUP BY document_id, version HAVING count(*) > 1"
    )
    assert twice == []
    dead = await house.rows("SELECT kind, last_error FROM outbox WHERE status = 'dead' AND kind LIKE 'invoicing.%'")
    assert [dict(row) for row in dead] == []


async def test_a_small_storm_with_killed_workers(environ: dict[str, str], tmp_path: Path) -> None:
    await storm_over(environ, tmp_path, SMALL)


@pytest.mark.proof
@pytest.mark.timeout(3_600)
async def test_two_thousand_documents_through_a_storm(environ: dict[str, str], tmp_path: Path) -> None:
    companies = int(os.environ.get("MOSTRADOR_STORM_COMPANIES", FULL.companies))
    await storm_over(environ, tmp_path, msgspec.structs.replace(FULL, companies=companies))
