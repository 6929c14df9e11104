"""The life of an alert in simulated time, with a real PostgreSQL, a real SMTP server and a real webhook receiver."""

import asyncio
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.alerts.channels import Channels
from app.domain.alerts.checks import CHECKS
from app.integrations.webhook.signing import signed_headers
from app.lib import clock
from app.settings import read_settings
from tests.sink import Sink, text_of
from tests.worker.house import House, eventually
from tests.worker.test_monitor import Inbox, inbox
from worker.alarm import Alarm
from worker.backup_looks import BackupLooks
from worker.check import Check, Finding
from worker.checks import all_checks
from worker.leader import Leadership
from worker.looks import Looks
from worker.post import Post
from worker.probes import judge, read_buckets, subtract
from worker.spool import Spool
from worker.store import Store

__all__ = ["inbox"]
BASE = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
WRONG = "Le duele."
NOWHERE = "postgresql://mostrador_platform:x@127.0.0.1:9/mostrador"


async def _unused() -> str | None:
    return None


def _check(name: str = "patient", severity: Any = "critical", muted_by: frozenset[str] = frozenset()) -> Check:
    return Check(name=name, title="El paciente", severity=severity, ask=_unused, muted_by=muted_by, next_step="Llame.")


class Watch:
    """A monitor's alarm whose looks and whose time are the test's."""

    def __init__(self, house: House, environ: dict[str, str], spool: Path, checks: tuple[Check, ...]) -> None:
        self.house = house
        self.settings = read_settings(house.environ | {"ALERT_SPOOL_DIR": str(spool), "SMTP_HOST": ""} | environ)
        self.checks = checks
        self.store = Store(self.settings)
        self.spool = Spool(self.settings)
        self.leadership = Leadership(self.settings)
        self.post = Post(self.store, self.spool, Channels(self.settings))
        self.alarm = Alarm(
            self.settings, checks, store=self.store, spool=self.spool, leadership=self.leadership, post=self.post
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Watch"]:
        self.spool.open()
        await self.leadership.look()
        await self.alarm.sync()
        stop = asyncio.Event()
        running = asyncio.create_task(self.post.run(stop))
        try:
            yield self
        finally:
            stop.set()
            await running
            await self.post.close()
            self.spool.close()
            if self.leadership._connection is not None:
                self.leadership._connection.terminate()

    async def fails(self, check: Check | None = None, times: int = 2) -> None:
        for _ in range(times):
            await self.alarm.note(check or self.checks[0], WRONG)

    async def recovers(self, check: Check | None = None) -> None:
        for _ in range(2):
            await self.alarm.note(check or self.checks[0], None)

    async def told(self, *events: str, channel: str = "webhook") -> None:
        """Wait until exactly these were sent."""

        async def so() -> bool:
            return await self.sent(channel) == list(events)

        try:
            await eventually(so, 10)
        except TimeoutError:
            assert await self.sent(channel) == list(events)

    async def sent(self, channel: str = "webhook") -> list[str]:
        rows = await self.house.admin.fetch(
            "SELECT event FROM alert_delivery WHERE channel = $1 AND status = 'sent' ORDER BY created_at, id", channel
        )
        return [row["event"] for row in rows]

    async def skipped(self) -> list[str]:
        rows = await self.house.admin.fetch(
            "SELECT reason FROM alert_delivery WHERE channel = 'webhook' AND status = 'skipped' ORDER BY created_at, id"
        )
        return [row["reason"] for row in rows]


@pytest.fixture(autouse=True)
def _clock() -> Any:
    yield
    clock.stand_at(None)


def at(**later: float) -> None:
    clock.stand_at(BASE + timedelta(**later))


Open = Callable[..., Any]


@pytest.fixture
def watch(house: House, inbox: Inbox, tmp_path: Path) -> Open:
    at()

    def make(*checks: Check, **environ: str) -> Any:
        return Watch(
            house, {"ALERT_WEBHOOK_URL": inbox.url} | environ, tmp_path / "spool", checks or (_check(),)
        ).open()

    return make


async def test_an_alert_repeats_and_is_escalated_until_somebody_acknowledges_it(watch: Open, house: House) -> None:
    async with watch() as one:
        await one.fails()
        await one.told("opened")
        at(minutes=29)
        await one.alarm.tick()
        await one.told("opened")
        at(minutes=31)
        await one.alarm.tick()
        await one.told("opened", "escalated")
        at(hours=5)
        await one.alarm.tick()
        await one.told("opened", "escalated", "repeated")
        await house.admin.execute(
            "UPDATE monitor_alert SET acknowledged_at = $1, acknowledged_by = 'Marta'", clock.now()
        )
        at(hours=12)
        await one.alarm.tick()
        await one.recovers()
        await one.told("opened", "escalated", "repeated", "resolved")


async def test_what_is_silenced_is_told_when_the_silence_ends_and_the_record_says_why_not_before(
    watch: Open, house: House
) -> None:
    async with watch() as one:
        await house.admin.execute(
            "INSERT INTO alert_silence (id, fingerprint, reason, created_by, created_at, ends_at) "
            "VALUES (gen_random_uuid(), 'patient', 'mudanza', 'Marta', $1, $2)",
            BASE,
            BASE + timedelta(hours=1),
        )
        await one.alarm.sync()
        await one.fails()

        async def written() -> bool:
            return len(await one.skipped()) == 1

        await eventually(written, 10)
        (reason,) = await one.skipped()
        await one.told()
        assert reason.startswith("Silenciada por Marta hasta 2026-11-24 16:00 UTC: mudanza")
        at(minutes=61)
        await one.alarm.tick()
        await one.told("opened")


async def test_sixty_flips_an_hour_are_two_messages_an_hour_and_a_digest(watch: Open, house: House) -> None:
    async with watch() as one:
        for minute in range(150):
            at(minutes=minute)
            await (one.fails() if minute % 2 == 0 else one.recovers())
            await one.alarm.tick()
        await one.told("opened", "resolved", "digest", "digest")
        rows = await house.admin.fetch(
            "SELECT created_at FROM alert_delivery WHERE status = 'sent' AND channel = 'webhook'"
        )
        instants = sorted(row["created_at"] for row in rows)
        assert max(sum(begin <= one_at < begin + timedelta(hours=1) for one_at in instants) for begin in instants) <= 2
        assert any("Cambia demasiado" in reason for reason in await one.skipped())
        # At rest at last: what people heard last is what is.
        at(minutes=166)
        await one.alarm.note(one.checks[0], None)
        await one.alarm.tick()
        assert await one.sent() == ["opened", "resolved", "digest", "digest"]


async def test_a_second_outage_soon_after_the_first_is_told_once_it_stays(watch: Open) -> None:
    async with watch() as one:
        await one.fails()
        at(minutes=1)
        await one.recovers()
        at(minutes=2)
        await one.fails()
        await one.told("opened", "resolved")
        at(minutes=5, seconds=1)
        await one.alarm.tick()
        await one.told("opened", "resolved", "opened")


async def test_mail_that_was_off_for_an_hour_arrives_within_five_minutes_and_the_others_were_on_time(
    watch: Open, house: House, sink: Sink, inbox: Inbox
) -> None:
    mail = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sink.settings.smtp_port),
        "SMTP_TLS": "none",
        "ALERT_EMAIL": "guardia@operador.test",
        "RELEASE": "v7",
    }
    sink.fail("error")
    async with watch(**mail) as one:
        await one.fails()
        await one.told("opened")
        await house.admin.execute(
            "UPDATE monitor_alert SET acknowledged_at = $1, acknowledged_by = 'Marta'", clock.now()
        )
        await one.alarm.sync()
        for minute in range(1, 61):
            at(minutes=minute)
            await asyncio.sleep(0.25 if minute < 4 else 0.05)
        assert sink.received("guardia@operador.test") == []
        sink.fail(None)
        for minute in range(60, 66):
            at(minutes=minute)
            await asyncio.sleep(0.5)
        await one.told("opened", channel="mail")
        at(minutes=66)
        await one.recovers()
        await one.told("opened", "resolved", channel="mail")
        await one.told("opened", "resolved")
    mails = sink.received("guardia@operador.test")
    assert [mail["Subject"].partition(":")[0] for mail in mails] == ["[Mostrador] ALERTA", "[Mostrador] Resuelto"]
    text = text_of(mails[0])
    for said in (
        "Qué: El paciente",
        "Desde: 2026-11-24 10:00:00",
        "A quién afecta:",
        f"Evidencia: {WRONG}",
        "v7",
        "Llame.",
        "#patient",
    ):
        assert said in text
    assert "1 h 6 min" in " ".join(mails[1]["Subject"].split())
    row = await house.admin.fetchrow("SELECT * FROM alert_delivery WHERE channel = 'mail' AND event = 'opened'")
    assert row["attempts"] > 3
    assert row["status"] == "sent"


async def test_without_postgresql_an_alert_survives_the_monitor_on_its_own_disk(
    watch: Open, house: House, inbox: Inbox, tmp_path: Path
) -> None:
    gone = dict.fromkeys(("DATABASE_PLATFORM_URL", "DATABASE_DIRECT_URL"), NOWHERE)
    async with watch(**gone) as one:
        await one.fails()

        async def came() -> bool:
            return [body["event"] for body in inbox.bodies] == ["opened"]

        await eventually(came)
    assert len(list((tmp_path / "spool").glob("alert-*.json"))) == 1
    async with watch(**gone) as two:
        at(minutes=3)
        await two.fails()
        await two.recovers()

        async def ended() -> bool:
            return [body["event"] for body in inbox.bodies] == ["opened", "resolved"]

        await eventually(ended)
    async with watch() as three:

        async def kept() -> bool:
            await three.alarm.sync()
            rows = await house.admin.fetch(
                "SELECT event, status FROM alert_delivery WHERE channel = 'webhook' ORDER BY id"
            )
            return bool([tuple(row) for row in rows] == [("opened", "sent"), ("resolved", "sent")])

        await eventually(kept)
    row = await house.admin.fetchrow("SELECT * FROM monitor_alert")
    assert row["resolved_at"] - row["opened_at"] == timedelta(minutes=3)
    assert list((tmp_path / "spool").glob("*.json")) == []


async def test_the_record_names_what_explains_an_alert_that_was_not_told(watch: Open, house: House) -> None:
    cause, effect = _check("cause"), _check("effect", muted_by=frozenset({"cause"}))
    async with watch(cause, effect) as one:
        await one.fails(cause)
        await one.fails(effect)
        await one.told("opened")

        async def written() -> bool:
            return bool(await one.skipped() == ["La explica otra alerta: El paciente."])

        await eventually(written, 10)
        await one.recovers(cause)
        at(seconds=5)
        await one.fails(effect)
        await one.told("opened", "resolved")
        at(seconds=40)
        await one.alarm.note(cause, None)
        await one.fails(effect)
        await one.told("opened", "resolved", "opened")


async def test_a_warning_goes_by_mail_only_where_that_is_wanted(watch: Open, house: House, sink: Sink) -> None:
    mail = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sink.settings.smtp_port),
        "SMTP_TLS": "none",
        "ALERT_EMAIL": "guardia@operador.test",
    }
    async with watch(_check(severity="warning"), **mail) as one:
        await one.fails()
        await one.told("opened")
        assert await one.sent("mail") == []
        await one.alarm.note(one.checks[0], Finding("Ya es grave.", severity="critical"))
        await one.told("escalated", channel="mail")
        await one.recovers()
        await one.told("escalated", "resolved", channel="mail")
    async with watch(_check("other", "warning"), ALERT_EMAIL_WARNINGS="true", **mail) as two:
        await two.fails()
        await two.told("escalated", "resolved", "opened", channel="mail")


async def test_backups_are_asked_for_honestly(house: House) -> None:
    looks = BackupLooks(house.settings)
    assert await looks.backup() is None, "the first day is there to set them up"
    await house.admin.execute("UPDATE tenant SET created_at = now() - interval '3 days'")
    said = await looks.backup()
    assert isinstance(said, str)
    assert said.startswith("Nunca se ha hecho una copia de seguridad")


async def test_the_clock_is_compared_with_others(house: House) -> None:
    looks = Looks(house.settings)
    assert await looks.clock(None) is None
    assert "otra máquina" in str(await looks.clock(60.0))


def test_errors_and_slowness_of_the_api_are_read_from_its_metrics() -> None:
    def page(good: int, bad: int, slow: int) -> str:
        lines = []
        for status, quick, late in (("200", good, slow), ("500", bad, 0)):
            for edge, count in (("0.1", quick), ("2.5", quick + late), ("+Inf", quick + late)):
                labels = f'route="/v1/sales",method="POST",status="{status}",le="{edge}",process="7"'
                lines.append(f"mostrador_request_seconds_bucket{{{labels}}} {count}")
        return "\n".join(lines)

    def between(before: str, now: str) -> Any:
        return judge(subtract(read_buckets(now)[1], read_buckets(before)[1]))

    assert between(page(0, 0, 0), page(100, 1, 0)) is None
    assert between(page(0, 0, 0), page(20, 20, 0)) is None, "too few to say"
    assert between(page(100, 1, 0), page(200, 5, 0)).severity == "warning"
    assert between(page(100, 1, 0), page(200, 101, 0)).severity == "critical"
    assert "más lento" in between(page(0, 0, 0), page(90, 0, 10)).detail


def test_what_explains_a_check_is_a_check(house_environ: dict[str, str]) -> None:
    settings = read_settings(house_environ | {"SMTP_HOST": "x", "METRICS_TOKEN": "x", "PUBLIC_URL": "https://x.test"})
    checks = all_checks(settings)
    for check in checks:
        assert check.muted_by <= {one.name for one in checks}
    assert {one.name for one in checks} == CHECKS


@pytest.fixture
def house_environ(environ: dict[str, str]) -> dict[str, str]:
    return environ


def test_a_signature_is_that_of_standard_webhooks() -> None:
    headers = signed_headers([b"key"], "msg_1", 1_790_000_000, b"{}")
    signed = b"msg_1.1790000000.{}"
    assert headers["webhook-signature"] == "v1," + b64encode(hmac.digest(b"key", signed, "sha256")).decode()
