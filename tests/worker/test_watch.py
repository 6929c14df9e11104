"""What hurts the watch itself: a frozen leader, answers nobody can write down, a clock that jumps, a crash in the middle."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import Database
from app.lib import clock
from app.settings import read_settings
from tests.worker.house import FAST, House, eventually
from tests.worker.test_alarm import BASE, WRONG, Open, _check, at, watch
from tests.worker.test_monitor import Inbox, inbox
from worker.check import Finding, Unknown
from worker.deadman import DeadMan
from worker.leader import Leadership
from worker.looks import Looks
from worker.monitor import deaf_to
from worker.probes import Probes
from worker.scheduler import Chore, Scheduler

__all__ = ["inbox", "watch"]


@pytest.fixture(autouse=True)
def _clock() -> Any:
    yield
    clock.stand_at(None)


class Post:
    """An SMTP server that refuses what it is told to refuse, with the bytes it is told to say."""

    def __init__(self) -> None:
        self.refuse: dict[bytes, bytes] = {}
        self.messages = 0
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 correo\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb in self.refuse:
                writer.write(self.refuse[verb] + b"\r\n")
            elif verb == b"EHLO":
                writer.write(b"250-correo\r\n250 AUTH PLAIN LOGIN\r\n")
            elif verb == b"AUTH":
                writer.write(b"235 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                self.messages += 1
                writer.write(b"250 ok\r\n")
            else:
                writer.write(b"250 ok\r\n")
            await writer.drain()
        writer.close()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


def _by_mail(post: Post) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(post.port),
        "SMTP_TLS": "none",
        "SMTP_USER": "mostrador",
        "SMTP_PASS": "clave",
        "ALERT_EMAIL": "guardia@operador.test",
    }


async def test_a_severity_that_swings_is_no_stream_of_messages(watch: Open, house: House) -> None:
    async with watch() as one:
        for minute in range(150):
            at(minutes=minute)
            await one.alarm.note(one.checks[0], Finding(WRONG, severity="critical" if minute % 2 else "warning"))
            await one.alarm.tick()
        at(minutes=151)
        await asyncio.sleep(2)
        rows = await house.admin.fetch(
            "SELECT event, created_at FROM alert_delivery WHERE status = 'sent' AND channel = 'webhook' ORDER BY created_at"
        )
    instants = [row["created_at"] for row in rows]
    assert max(sum(begin <= one_at < begin + timedelta(hours=1) for one_at in instants) for begin in instants) <= 2


async def test_a_silence_also_holds_for_what_gets_worse(watch: Open, house: House) -> None:
    async with watch() as one:
        await one.alarm.note(one.checks[0], Finding(WRONG, severity="warning"))
        await one.alarm.note(one.checks[0], Finding(WRONG, severity="warning"))
        await one.told("opened")
        await house.admin.execute(
            "INSERT INTO alert_silence (id, fingerprint, reason, created_by, created_at, ends_at) "
            "VALUES (gen_random_uuid(), 'patient', 'mudanza', 'Marta', $1, $2)",
            BASE,
            BASE + timedelta(hours=1),
        )
        await one.alarm.sync()
        await one.alarm.note(one.checks[0], Finding(WRONG, severity="critical"))
        await asyncio.sleep(1)
        await one.told("opened")
        at(minutes=61)
        await one.alarm.note(one.checks[0], Finding(WRONG, severity="critical"))
        await one.told("opened", "escalated")


_LEAD = """
import asyncio, os
from app.settings import read_settings
from worker.leader import Leadership
async def main():
    one = Leadership(read_settings(dict(os.environ)))
    await one.look()
    print(one.leads, flush=True)
    await one.run(asyncio.Event())
asyncio.run(main())
"""


async def test_a_leader_that_is_frozen_is_followed(house: House) -> None:
    environ = house.environ | {"MONITOR_SECONDS": "1"}
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LEAD, stdout=asyncio.subprocess.PIPE, env=environ | {"PATH": "/usr/bin"}
    )
    assert other.stdout is not None
    assert (await other.stdout.readline()).strip() == b"True"
    second = Leadership(read_settings(environ))
    try:
        await second.look()
        assert not second.leads
        other.send_signal(signal.SIGSTOP)

        async def leads() -> bool:
            await second.look()
            return second.leads

        await eventually(leads, 14)
    finally:
        other.kill()
        await other.wait()
        if second._connection is not None:
            second._connection.terminate()


@pytest.mark.parametrize(
    "refusal", [{b"AUTH": b"535 5.7.8 no"}, {b"MAIL": b"550 5.7.1 no"}, {b"RCPT": "550 Buzón lleno".encode("latin-1")}]
)
async def test_a_mail_server_that_refuses_for_a_while_has_the_alert_afterwards(
    watch: Open, house: House, post: Post, refusal: dict[bytes, bytes]
) -> None:
    post.refuse = refusal
    async with watch(**_by_mail(post)) as one:
        await one.fails()
        await one.told("opened")

        async def tried() -> bool:
            row = await house.admin.fetchrow("SELECT * FROM alert_delivery WHERE channel = 'mail'")
            return row is not None and row["attempts"] > 0

        await eventually(tried, 10)
        post.refuse = {}
        at(minutes=5)
        await one.told("opened", channel="mail")
    assert post.messages == 1


async def test_evidence_nobody_can_write_down_is_told_and_written_all_the_same(watch: Open, house: House) -> None:
    async with watch() as one:
        for _ in range(2):
            await one.alarm.note(one.checks[0], "La API responde 500: a\0b \udcf3.")
        await one.told("opened")
        assert await house.admin.fetchval("SELECT detail FROM monitor_alert") == "La API responde 500: ab ?."


async def test_a_spool_whose_disk_takes_no_changes_stops_nothing(watch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    async with watch() as one:
        monkeypatch.setattr(Path, "unlink", refuse)
        await one.fails()
        await one.told("opened")
        await one.recovers()
        await one.told("opened", "resolved")
        monkeypatch.undo()


async def test_a_clock_that_was_ahead_holds_no_message_up(watch: Open, inbox: Inbox) -> None:
    async with watch() as one:
        at(hours=3)
        inbox.failing = True
        await one.fails()

        async def tried() -> bool:
            return any(delivery.attempts for delivery in one.post._open.values())

        await eventually(tried, 10)
        inbox.failing = False
        at()
        await one.told("opened")


async def test_a_clock_that_was_ahead_mutes_nothing(watch: Open) -> None:
    cause, effect = _check("cause"), _check("effect", muted_by=frozenset({"cause"}))
    async with watch(cause, effect) as one:
        at(hours=3)
        await one.alarm.note(cause, WRONG)
        await one.alarm.note(cause, None)
        at(minutes=1)
        await one.alarm.note(cause, None)
        await one.fails(effect)
        await one.told("opened")


async def test_a_monitor_that_dies_as_it_begins_to_tell_leaves_the_message_to_the_next(
    watch: Open, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watch() as one:
        claim = one.store.claim_beginning

        async def claim_and_die(*values: Any) -> bool:
            # Killed right after the claim.
            await claim(*values)
            raise ZeroDivisionError

        monkeypatch.setattr(one.store, "claim_beginning", claim_and_die)
        with pytest.raises(ZeroDivisionError):
            await one.fails()
    assert await house.admin.fetchval("SELECT told_at FROM monitor_alert") is not None
    monkeypatch.setattr("worker.post.SETTLED", 0.0)
    at(minutes=2)
    async with watch() as two:
        await two.fails()
        await two.told("opened")


async def test_what_was_sent_while_postgresql_was_away_is_not_sent_again_by_another(
    watch: Open, house: House, inbox: Inbox, tmp_path: Path
) -> None:
    inbox.failing = True
    async with watch() as one, watch(ALERT_SPOOL_DIR=str(tmp_path / "other")) as two:
        await one.fails()

        async def written() -> bool:
            count = await house.admin.fetchval("SELECT count(*) FROM alert_delivery WHERE channel = 'webhook'")
            return int(count) == 1

        await eventually(written, 10)
        urls = one.store._url, two.store._url
        one.store._url = two.store._url = "postgresql://mostrador_platform:x@127.0.0.1:9/mostrador"
        inbox.failing = False
        for minute in range(1, 6):
            at(minutes=minute)
            await asyncio.sleep(0.5)

        async def came() -> bool:
            return len(inbox.bodies) == 1

        await eventually(came, 10)
        # The other one sees PostgreSQL first.
        two.store._url = urls[1]
        await asyncio.sleep(6)
        one.store._url = urls[0]
        await one.told("opened")
        await asyncio.sleep(6)
    assert len(inbox.bodies) == 1


async def test_an_alert_of_a_check_that_is_gone_ends(watch: Open, house: House) -> None:
    async with watch(_check("old"), _check()) as one:
        await one.fails()
        await one.told("opened")
    async with watch(_check("patient")) as two:
        await two.alarm.tick()
        await two.told("opened", "resolved")
    assert await house.admin.fetchval("SELECT count(*) FROM monitor_alert WHERE resolved_at IS NULL") == 0


async def test_a_chore_that_breaks_is_on_record_and_the_worker_goes_on(house: House) -> None:
    mistakes: list[Exception] = [KeyError("missing"), KeyError("missing"), TimeoutError("away")]

    async def broken(_database: Database) -> None:
        if mistakes:
            raise mistakes.pop(0)

    looks = Looks(house.settings)
    scheduler = Scheduler(house.database, [Chore(name="test.broken", every=timedelta(days=1), run=broken)], FAST)

    async def run() -> timedelta:
        """Time to the next run."""
        await house.admin.execute("UPDATE schedule SET next_run_at = now()")
        assert await scheduler.run_due() == 1
        left: timedelta = await house.admin.fetchval("SELECT next_run_at - now() FROM schedule")
        return left

    await scheduler.run_due()
    assert await run() <= timedelta(minutes=1), "a day would be long"
    assert await looks.schedules() is None, "once may be an outage, of which others tell"
    await run()
    assert "test.broken (KeyError: 'missing')" in str(await looks.schedules())
    await run()
    assert "test.broken (TimeoutError: away)" in str(await looks.schedules())
    await run()
    assert await looks.schedules() is None


async def test_a_task_that_no_worker_knows_any_more_is_no_alarm_for_ever(house: House) -> None:
    await house.admin.execute(
        "INSERT INTO schedule (name, every_seconds, next_run_at) VALUES ('old.chore', 60, now() - interval '1 day')"
    )
    assert await Looks(house.settings).schedules() is not None

    async def nothing(_database: Database) -> None: ...

    known = Scheduler(house.database, [Chore(name="test.known", every=timedelta(minutes=1), run=nothing)], FAST)
    await known.run_due()
    await house.admin.execute("UPDATE schedule SET next_run_at = now() WHERE name = 'test.known'")
    await known.run_due()
    assert await Looks(house.settings).schedules() is None


async def test_an_error_of_the_database_does_not_tell_the_values(house: House) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, its text matters
        async with house.database.platform_transaction() as session:
            await session.execute(
                text("SELECT CAST(:value AS integer), CAST(:other AS text)"), {"value": 10**12, "other": "PIN-75315"}
            )
    assert "75315" not in str(caught.value)


async def test_one_lost_call_to_the_dead_man_is_made_again_soon(house: House, inbox: Inbox) -> None:
    calls = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        status = b"503 Away" if calls == 1 else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ping"
    settings = read_settings(house.environ | {"DEADMAN_URL": url, "MONITOR_SECONDS": "3600"})
    stop = asyncio.Event()
    running = asyncio.create_task(DeadMan(settings, lambda: True).run(stop))

    async def twice() -> bool:
        return calls == 2

    await eventually(twice, 20)
    await asyncio.sleep(1.5)
    stop.set()
    await running
    server.close()
    assert calls == 2


async def test_a_site_that_nobody_answers_is_told_where_the_api_is_asked_behind_it(house: House) -> None:
    site = house.environ | {"PUBLIC_URL": "https://127.0.0.1:9"}
    behind = read_settings(site | {"MONITOR_API_URL": "http://127.0.0.1:8000"})
    said = await Probes(behind).tls()
    assert isinstance(said, Finding)
    assert said.severity == "critical"
    with pytest.raises(Unknown):
        await Probes(read_settings(site | {"MONITOR_API_URL": ""})).tls()


def test_a_watch_that_nobody_would_hear_says_so(environ: dict[str, str]) -> None:
    silent = dict.fromkeys(
        ("SLACK_WEBHOOK_URL", "ALERT_WEBHOOK_URL", "DEADMAN_URL", "METRICS_TOKEN", "ALERT_EMAIL"), ""
    )
    assert len(deaf_to(read_settings(environ | silent))) == 3
    heard = {"SLACK_WEBHOOK_URL": "http://x.test", "DEADMAN_URL": "http://x.test", "METRICS_TOKEN": "x"}
    assert deaf_to(read_settings(environ | silent | heard)) == []


async def test_a_disk_is_also_full_without_room_for_files_and_useless_when_it_takes_none(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def said(**changed: int) -> str:
        monkeypatch.setattr(os, "statvfs", lambda _folder: SimpleNamespace(**(healthy | changed)))
        found = await Probes(house.settings).disk()
        assert isinstance(found, Finding)
        assert found.severity == "critical"
        return found.detail

    healthy = {
        "f_frsize": 4096,
        "f_blocks": 10**9,
        "f_bfree": 10**8,
        "f_bavail": 10**8,
        "f_files": 0,
        "f_favail": 0,
        "f_flag": 0,
    }
    assert "no acepta escrituras" in await said(f_flag=os.ST_RDONLY)
    assert "no caben más archivos" in await said(f_files=1000, f_favail=9, f_flag=0)
    monkeypatch.undo()
    gone = read_settings(house.environ | {"MONITOR_DISKS": str(tmp_path / "gone")})
    found = await Probes(gone).disk()
    assert isinstance(found, Finding)
    assert f"{tmp_path / 'gone'}" in found.detail
