"""The monitor sees what is gone, tells it once, and tells its end once."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from app.settings import read_settings
from tests.worker.house import House, eventually
from worker.check import Check, Finding, Unknown
from worker.checks import all_checks
from worker.leader import Leadership
from worker.looks import Looks
from worker.monitor import run_monitor


class Inbox:
    """An HTTP server that takes what the monitor posts, unless told to fail."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.failing = False
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        body = await reader.readexactly(length)
        if not self.failing:
            self.bodies.append(msgspec.json.decode(body))
        status = b"503 Away" if self.failing else b"204 Taken"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def told(self) -> list[tuple[str, str]]:
        return [(body["event"], body["fingerprint"]) for body in self.bodies]


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    made = Inbox()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"
    yield made
    server.close()


@asynccontextmanager
async def _monitor(house: House, inbox: Inbox, *checks: Check, **environ: str) -> AsyncIterator[None]:
    settings = read_settings(
        house.environ | {"ALERT_WEBHOOK_URL": inbox.url, "MONITOR_SECONDS": "1", "SMTP_HOST": ""} | environ
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_monitor(settings, stop, checks or None))
        try:
            yield
        finally:
            stop.set()


class Patient:
    """A check whose answer the test decides."""

    def __init__(self, name: str = "patient", muted_by: frozenset[str] = frozenset()) -> None:
        self.wrong: str | None = None
        self.asked = 0
        self.check = Check(name=name, title="El paciente", severity="critical", ask=self._ask, muted_by=muted_by)

    async def _ask(self) -> str | None:
        self.asked += 1
        return self.wrong

    async def looks(self, more: int = 3) -> None:
        goal = self.asked + more

        async def enough() -> bool:
            return self.asked >= goal

        await eventually(enough)


def _told(inbox: Inbox, *wanted: tuple[str, str]) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        return inbox.told() == list(wanted)

    return told


async def test_a_failure_is_told_once_and_so_is_its_end(house: House, inbox: Inbox) -> None:
    patient = Patient()
    async with _monitor(house, inbox, patient.check):
        patient.wrong = "Le duele."
        await eventually(_told(inbox, ("opened", "patient")))
        await patient.looks()
        row = await house.admin.fetchrow("SELECT * FROM monitor_alert")
        assert (row["fingerprint"], row["severity"], row["detail"], row["resolved_at"]) == (
            "patient", "critical", "Le duele.", None,
        )  # fmt: skip
        patient.wrong = None
        await eventually(_told(inbox, ("opened", "patient"), ("resolved", "patient")))
        await patient.looks()
    assert len(inbox.bodies) == 2
    assert await house.admin.fetchval("SELECT count(*) FROM monitor_alert WHERE resolved_at IS NULL") == 0


async def test_one_failure_alone_wakes_nobody(house: House, inbox: Inbox) -> None:
    answers = ["Solo una vez.", None, None, None]

    async def ask() -> str | None:
        return answers.pop(0) if answers else None

    check = Check(name="hiccup", title="Hipo", severity="warning", ask=ask)
    async with _monitor(house, inbox, check):

        async def over() -> bool:
            return not answers

        await eventually(over)
    assert inbox.bodies == []


async def test_two_monitors_tell_as_one_and_the_second_takes_over(house: House, inbox: Inbox) -> None:
    patient = Patient()
    patient.wrong = "Le duele."
    async with _monitor(house, inbox, patient.check):
        async with _monitor(house, inbox, patient.check):
            await eventually(_told(inbox, ("opened", "patient")))
            await patient.looks(6)
        await patient.looks(6)
    assert inbox.told() == [("opened", "patient")]


async def test_a_restarted_monitor_tells_the_end_and_not_the_beginning(house: House, inbox: Inbox) -> None:
    patient = Patient()
    patient.wrong = "Le duele."
    async with _monitor(house, inbox, patient.check):
        await eventually(_told(inbox, ("opened", "patient")))
    async with _monitor(house, inbox, patient.check):
        await patient.looks()
        patient.wrong = None
        await eventually(_told(inbox, ("opened", "patient"), ("resolved", "patient")))


async def test_a_check_that_hangs_or_breaks_holds_up_no_other(house: House, inbox: Inbox) -> None:
    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    async def explode() -> str | None:
        raise RuntimeError("no")

    patient = Patient()
    hanging = Check(name="hanging", title="Cuelga", severity="warning", ask=hang)
    exploding = Check(name="exploding", title="Explota", severity="warning", ask=explode)
    async with _monitor(house, inbox, hanging, exploding, patient.check):
        await patient.looks(4)
        await eventually(_told(inbox, ("opened", "exploding")))


async def test_what_another_failure_explains_is_not_told(house: House, inbox: Inbox) -> None:
    cause = Patient("cause")
    effect = Patient("effect", frozenset({"cause"}))
    async with _monitor(house, inbox, cause.check, effect.check):
        await cause.looks(1)
        cause.wrong = "Soy la causa."
        await cause.looks(1)
        effect.wrong = "Soy la consecuencia."
        await eventually(_told(inbox, ("opened", "cause")))
        await effect.looks(4)
    assert inbox.told() == [("opened", "cause")]


async def test_an_alert_waits_for_its_channel(house: House, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.post.FIRST_WAIT", 0.1)
    patient = Patient()
    patient.wrong = "Le duele."
    inbox.failing = True
    async with _monitor(house, inbox, patient.check):
        await patient.looks(4)
        inbox.failing = False
        await eventually(_told(inbox, ("opened", "patient")))


async def test_redis_is_missed_and_welcomed_back(house: House, inbox: Inbox) -> None:
    redis = next(check for check in all_checks(read_settings(house.environ)) if check.name == "redis")
    async with _monitor(house, inbox, redis):
        await house.redis.stop_in_loop(0)
        await eventually(_told(inbox, ("opened", "redis")))
        await house.redis.start_in_loop()
        await eventually(_told(inbox, ("opened", "redis"), ("resolved", "redis")))


async def test_without_postgresql_one_alert_is_told_and_the_rest_is_unknown(house: House, inbox: Inbox) -> None:
    nowhere = "postgresql://mostrador_platform:x@127.0.0.1:9/mostrador"
    gone = dict.fromkeys(("DATABASE_PLATFORM_URL", "DATABASE_URL", "DATABASE_DIRECT_URL"), nowhere)
    settings = read_settings(house.environ | gone)
    checks = [check for check in all_checks(settings) if check.name != "disk"]
    async with _monitor(house, inbox, *checks, **gone):
        await eventually(_told(inbox, ("opened", "postgresql")))
        await asyncio.sleep(3)
    assert inbox.told() == [("opened", "postgresql")]


async def test_the_worker_its_jobs_and_the_proofs_are_looked_at(house: House) -> None:
    looks = Looks(house.settings)
    assert await looks.worker() == "Ningún trabajador da señales de vida en: short, long."
    async with house.worker():

        async def beats() -> bool:
            return await looks.worker() is None

        await eventually(beats)
    assert [await looks.queue(), await looks.dead_jobs(), await looks.findings(), await looks.schedules()] == [None] * 4
    job_id = await house.ask("test.trace", name="x")
    await house.admin.execute("UPDATE outbox SET due_since = now() - interval '10 minutes', status = 'queued'")
    assert await looks.queue() == Finding("Un trabajo espera desde hace 10 minutos.")
    await house.admin.execute("UPDATE outbox SET due_since = now() - interval '31 minutes'")
    assert await looks.queue() == Finding("Un trabajo espera desde hace 31 minutos.", severity="critical")
    await house.admin.execute("UPDATE outbox SET status = 'dead', finished_at = now() WHERE id = $1", job_id)
    said = "Trabajos que fallaron definitivamente y nadie ha atendido: 1, en las últimas 24 horas {} (test.trace)."
    assert await looks.dead_jobs() == Finding(said.format(1), affected="A 1 empresas.")
    await house.admin.execute("UPDATE outbox SET finished_at = now() - interval '2 days' WHERE id = $1", job_id)
    assert await looks.dead_jobs() == Finding(said.format(0), affected="A 1 empresas.")
    await house.admin.execute("UPDATE outbox SET status = 'discarded' WHERE id = $1", job_id)
    assert await looks.dead_jobs() is None
    await house.admin.execute(
        "INSERT INTO monitor_alert (id, fingerprint, severity, detail, opened_at, last_seen_at) "
        "VALUES (gen_random_uuid(), 'audit-chain:x', 'critical', 'Rota.', now(), now())"
    )
    assert await looks.findings() == "Empresas con diferencias: 1. Rota."


async def test_what_cannot_be_seen_is_unknown_and_not_wrong(house: House) -> None:
    nowhere = "postgresql://mostrador_platform:x@127.0.0.1:9/mostrador"
    with pytest.raises(Unknown):
        await Looks(read_settings(house.environ | {"DATABASE_PLATFORM_URL": nowhere})).worker()


async def test_without_postgresql_a_key_in_redis_decides_and_without_both_all_speak(house: House) -> None:
    nowhere = "postgresql://mostrador_app:x@127.0.0.1:9/mostrador"
    settings = read_settings(house.environ | {"DATABASE_DIRECT_URL": nowhere})
    first, second = Leadership(settings), Leadership(settings)
    for one in (first, second, first):
        await one.look()
    assert (first.leads, second.leads) == (True, False)
    await house.redis.stop_in_loop(0)
    for one in (first, second):
        await one.look()
    assert (first.leads, second.leads) == (True, True)


def test_the_monitor_carries_neither_queue_nor_web_code() -> None:
    script = "import sys, worker.monitor; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "asyncpg" in loaded
    assert not {"arq", "litestar", "granian"} & set(loaded)
