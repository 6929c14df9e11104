"""DIAN is away for hours while the shops sell on: the circuit, the alert, the sale's speed, and the way back."""

import asyncio
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.domain.invoicing.model import BOGOTA
from tests.proofs.dian_house import DianHouse, Issuer, at_bogota, dian_house
from worker.check import Finding
from worker.checks import all_checks
from worker.looks import Looks
from worker.monitor import run_monitor

CONTINGENCY = {"01": "04", "20": "08"}
MINUTE, QUICK = timedelta(minutes=1), timedelta(seconds=5)
OPENS = timedelta(seconds=80)
DEADLINE = timedelta(hours=48)


class Outage(msgspec.Struct, frozen=True):
    """Minutes by the moved clock."""

    begin: datetime
    before: int
    away: int
    after: int
    declared: int
    """From its beginning on, the operator takes so long to declare the contingency."""
    slower: float
    """How many times slower a sale's p95 may be meanwhile."""
    watches: bool = False
    """The real monitor looks too."""


async def sell(issuer: Issuer, n: int, spent: list[float]) -> None:
    """A sale, POS and invoice in turn; each tenth is voided."""
    await issuer.stay()
    wanted = "invoice" if n % 2 else "pos"
    lines = [{"productId": issuer.shop.extra["product"], "quantity": "1"}]
    began = time.perf_counter()
    sold = await issuer.shop.sell(issuer.session_id, lines, "20000", document=wanted)
    spent.append(time.perf_counter() - began)
    assert sold.status_code == 201, sold.text
    if n % 10 == 3:
        void = await issuer.shop.post(f"/v1/sales/{sold.json()['id']}/void", {"reason": "se equivocó"})
        assert void.status_code == 201, void.text


class Story:
    """One outage, from an ordinary hour before to the last document accepted after it."""

    def __init__(self, house: DianHouse, outage: Outage) -> None:
        self.house = house
        self.outage = outage
        self.sold = 0
        self.before: list[float] = []
        self.during: list[float] = []
        self.start = self.end = outage.begin
        self.alert: str | None = None
        self.contingency = ""

    async def open(self) -> None:
        house = self.house
        self.declares, self.waits = await house.issuer(), await house.issuer()
        self.automatic = await house.issuer(contingencyAfter=5)
        self.issuers = {"declared": self.declares, "none": self.waits, "automatic": self.automatic}
        for issuer in self.issuers.values():
            issuer.shop.extra["product"] = (await issuer.shop.product(stock="10000"))["id"]
        await house.worker.start()

    async def step(self, by: timedelta, spent: list[float]) -> None:
        """Everybody sells while the worker does what the last step made due; then the clock goes on."""
        for issuer in self.issuers.values():
            await sell(issuer, self.sold, spent)
        self.sold += 1
        await self.house.idle()
        await self.house.clock.forward(by)

    async def run(self) -> None:
        await self.open()
        for _ in range(self.outage.before):
            await self.step(MINUTE, self.before)
        await self.house.idle()
        await self.fall()
        for minute in range(2, self.outage.away):
            await self.change(minute)
            await self.step(MINUTE, self.during)
            self.alert = self.alert or await self.seen()
        if self.outage.watches:
            await self.watched()
        await self.rise()
        ordinary: list[float] = []
        for _ in range(self.outage.after):
            await self.step(MINUTE, ordinary)
        async with asyncio.timeout(600):
            while await self.left():
                await self.house.idle()
                await self.house.clock.forward(MINUTE)

    async def seen(self) -> str | None:
        """What the monitor would say of DIAN now."""
        answer = await Looks(self.house.settings).dian()
        return answer.detail if isinstance(answer, Finding) else answer

    async def fall(self) -> None:
        """503 from now on; the circuits must open by themselves."""
        house = self.house
        self.start = house.clock.now()
        await asyncio.to_thread(house.dian.desk.break_, "status", status=503, times=0)
        for _ in range(24):
            await self.step(QUICK, self.during)
        circuits = await house.rows("SELECT failing_since, opened_at FROM dian_circuit")
        assert len(circuits) == len(self.issuers)
        self.opened = max(row["opened_at"] - row["failing_since"] for row in circuits)

    async def change(self, minute: int) -> None:
        """DIAN finds other ways to be away; the operator declares."""
        house, dian = self.house, self.house.dian
        if minute == self.outage.declared:
            await self.declares.renew()
            answer = await self.declares.shop.post(
                "/v1/dian/contingencies", {"reason": "La DIAN lo anunció", "startedAt": self.start.isoformat()}
            )
            assert answer.status_code == 201, answer.text
            self.contingency = answer.json()["id"]
        if minute == self.outage.away // 3:
            await asyncio.to_thread(dian.stop)
        if minute == 2 * self.outage.away // 3:
            await asyncio.to_thread(dian.start)
            await asyncio.to_thread(house.dian.desk.break_, "timeout-before-processing", times=0, seconds=600.0)

    async def watched(self) -> None:
        """The monitor's own alert, with two looks."""
        stop = asyncio.Event()
        check = next(each for each in all_checks(self.house.settings) if each.name == "dian")
        monitor = asyncio.create_task(run_monitor(self.house.settings, stop, [check]))
        async with asyncio.timeout(120):
            while not await self.house.rows("SELECT 1 FROM monitor_alert WHERE fingerprint = 'dian'"):
                await asyncio.sleep(0.5)
        stop.set()
        await monitor

    async def rise(self) -> None:
        house = self.house
        self.end = house.clock.now()
        window = {"start": self.start.isoformat(), "end": self.end.isoformat()}
        await asyncio.to_thread(house.dian.desk.add, contingencies=[window])
        await asyncio.to_thread(house.dian.desk.mend)
        await self.declares.renew()
        ended = await self.declares.shop.post(f"/v1/dian/contingencies/{self.contingency}/end")
        assert ended.status_code == 200, ended.text
        # It ended a moment after DIAN had said so; by the same second.
        await house.admin.execute("UPDATE dian_contingency SET ended_at = $1 WHERE NOT is_automatic", self.end)

    async def left(self) -> int:
        return int(await self.house.value("SELECT count(*) FROM document_state WHERE status <> 'accepted'"))

    async def judge(self) -> None:
        (window,) = await self.house.rows("SELECT started_at, ended_at FROM dian_contingency WHERE is_automatic")
        # It ends with the last probe that failed, as far as a clock that jumps by minutes can tell.
        assert self.start <= window["started_at"] < window["ended_at"] <= self.end + timedelta(seconds=2)
        periods = {
            "declared": (self.start, self.end),
            "none": None,
            "automatic": (window["started_at"], window["ended_at"]),
        }
        latest = timedelta()
        for name, issuer in self.issuers.items():
            documents = await issuer.documents()
            assert Counter(row["status"] for row in documents) == {"accepted": len(documents)}
            for row in documents:
                period = periods[name]
                inside = period is not None and period[0] <= row["issued_at"] <= period[1]
                wanted = CONTINGENCY.get(row["printed_kind"], row["printed_kind"]) if inside else row["printed_kind"]
                assert row["kind"] == wanted, (name, row["number"], row["issued_at"], period)
                if row["kind"] in CONTINGENCY.values() or same_day(row["issued_at"], row["decided_at"]):
                    # What was printed is what is valid.
                    assert row["uuid"] == row["printed_uuid"], (name, row["number"])
                else:
                    assert row["uuid"] != row["printed_uuid"], (name, row["number"])
                latest = max(latest, row["decided_at"] - self.end)
            numbers: dict[str, list[int]] = {}
            for row in documents:
                numbers.setdefault(row["prefix"], []).append(row["consecutive"])
            for taken in numbers.values():
                assert sorted(taken) == list(range(min(taken), min(taken) + len(taken)))
            valid = {
                (each["number"], each["uuid"]) for each in self.house.dian.desk.valid() if each["issuer"] == issuer.nit
            }
            assert valid == {(row["number"], row["uuid"]) for row in documents}
            inside = [row for row in documents if self.start <= row["issued_at"] <= self.end]
            redated = sum(row["uuid"] != row["printed_uuid"] for row in documents)
            kinds = dict(sorted(Counter(row["kind"] for row in inside).items()))
            print(
                f"  {name}: {len(inside)} of {len(documents)} documents issued meanwhile, as {kinds}; dated anew {redated}"
            )
        before, during = p95(self.before), p95(self.during)
        print(f"  circuit opened {self.opened.total_seconds():.0f} s after the first 503; «{self.alert}»")
        print(f"  last document accepted {latest} after the end; every number once")
        print(
            f"  sale p95 {before * 1000:.1f} ms before, {during * 1000:.1f} ms meanwhile: {during / before:.2f} times"
        )
        assert self.opened <= OPENS
        assert self.alert is not None
        assert "La DIAN no responde desde hace" in self.alert
        assert latest <= DEADLINE
        assert during <= self.outage.slower * before


def same_day(one: datetime, other: datetime) -> bool:
    return one.astimezone(BOGOTA).date() == other.astimezone(BOGOTA).date()


def p95(spent: list[float]) -> float:
    return sorted(spent)[int(len(spent) * 0.95)]


async def outage_over(environ: dict[str, str], folder: Path, outage: Outage) -> None:
    async with dian_house(environ, folder, outage.begin, patience=1.0) as house:
        story = Story(house, outage)
        await story.run()
        hours = story.end - story.start
        print(f"\noutage of {hours} across midnight: 503, then no process, then silence; {3 * story.sold} sales")
        await story.judge()


async def test_a_short_outage_across_midnight(environ: dict[str, str], tmp_path: Path) -> None:
    begin = at_bogota(23) + timedelta(minutes=35)
    # Few sales on a machine that does other things: only a sale that waits for DIAN would be this much slower.
    await outage_over(environ, tmp_path, Outage(begin, before=8, away=20, after=2, declared=4, slower=5))


@pytest.mark.proof
@pytest.mark.timeout(3_600)
async def test_eight_hours_without_dian(environ: dict[str, str], tmp_path: Path) -> None:
    begin = at_bogota(17)
    outage = Outage(begin, before=40, away=480, after=15, declared=30, slower=1.5, watches=True)
    await outage_over(environ, tmp_path, outage)
