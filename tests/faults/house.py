"""A whole installation whose parts can be stopped, frozen, emptied and killed, watched by a real monitor every two seconds."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.dev.processes import descendants, free_port, send
from app.dev.server import EmbeddedServer
from app.domain.tenants.service import TenantService
from app.lib.jobs import Bell
from app.settings import read_settings
from tests.bench.house import House, Server
from tests.faults.receivers import Receivers

EVERY = 2
"""Seconds between two looks."""
ALLOWED = 2 * EVERY + 10
"""Seconds to a message: two intervals and ten."""


class FaultHouse(House):
    """Real servers, real processes."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.receivers = Receivers()
        self.mail = data / "mail"
        self.mail.mkdir(parents=True, exist_ok=True)
        self.small_disk = data / "small-disk"
        self.small_disk.mkdir(exist_ok=True)
        self.has_small_disk = False
        self._smtp_port, self._api_port = free_port(), free_port()
        self.smtp: Server | None = None
        self.worker: Server | None = None
        self.web: Server | None = None
        self.monitors: list[Server] = []

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "SMTP_PORT": str(self._smtp_port),
            "SMTP_TLS": "none",
            "MAIL_FROM": "Mostrador <no-responder@mostrador.test>",
            "PUBLIC_URL": f"http://127.0.0.1:{self._api_port}",
            "METRICS_TOKEN": "",
            "ALERT_EMAIL": "guardia@operador.test",
            "SLACK_WEBHOOK_URL": self.receivers.url("slack"),
            "ALERT_WEBHOOK_URL": self.receivers.url("webhook"),
            "ALERT_WEBHOOK_SECRET": self.receivers.secret.decode(),
            "DEADMAN_URL": self.receivers.url("ping"),
            "ALERT_SPOOL_DIR": str(self.data / "spool"),
            "MONITOR_SECONDS": str(EVERY),
            "MONITOR_DISKS": str(self.small_disk) if self.has_small_disk else "",
            "RELEASE": "faltas-1",
        }

    async def open(self) -> None:
        """Start everything but the monitor, with one company and backups as they should be."""
        await self.receivers.open()
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(self.small_disk)]
        mounted = await asyncio.to_thread(subprocess.run, mount, capture_output=True, check=False)
        self.has_small_disk = mounted.returncode == 0
        await self.migrate()
        settings = read_settings(self.environment())
        redis = Redis.from_url(settings.redis_url)
        database = Database(settings, Bell(redis))
        self.tenant_id = uuid7()
        async with database.job_transaction(self.tenant_id) as work:
            await TenantService(work).create(name="Tienda", nit="900123456", dv="8", email="tienda@tienda.test")
        await database.close()
        await redis.aclose()
        await self._make_backups()
        self.start_smtp()
        self.start_worker()
        await self.start_web()

    def close(self) -> None:
        self.receivers.close()
        if self.has_small_disk:
            subprocess.run(["umount", str(self.small_disk)], check=False)

    async def _make_backups(self) -> None:
        """Tables of backups, where there are none yet, with a good one of each."""
        columns = "id uuid PRIMARY KEY, status text, error text, finished_at timestamptz"
        await self.postgres_do(
            "mostrador",
            f"CREATE TABLE IF NOT EXISTS backup_run ({columns}, reason text, requested_by text, object_name text)",
            f"CREATE TABLE IF NOT EXISTS backup_drill ({columns}, requested_by text)",
            "GRANT SELECT ON backup_run, backup_drill TO mostrador_platform",
            "INSERT INTO backup_drill (id, status, finished_at, requested_by) "
            "VALUES (gen_random_uuid(), 'good', now(), 'prueba')",
        )
        await self.backup("good", None)

    async def backup(self, status: str, error: str | None) -> None:
        told = "NULL" if error is None else f"'{error}'"
        await self.postgres_do(
            "mostrador",
            "INSERT INTO backup_run (id, status, error, finished_at, reason, requested_by, object_name) "
            f"VALUES (gen_random_uuid(), '{status}', {told}, clock_timestamp(), 'schedule', 'prueba', 'x')",
        )

    def start_smtp(self) -> None:
        words = ["app.dev.smtp", str(self._smtp_port), str(self.mail)]
        self.smtp = self.serve("smtp", words, self.environment(), self._smtp_port)

    def start_worker(self) -> None:
        self.worker = self.serve("worker", ["tests.faults.worker"], self.environment(), 0)

    async def start_web(self) -> None:
        words = ["app.cli", "api", "--port", str(self._api_port)]
        self.web = self.serve("api", words, self.environment(), self._api_port)
        await self.web.answering("/health/ready")

    def start_monitor(self) -> Server:
        number = len(self.monitors) + 1
        words = ["tests.faults.monitor", str(self.data / f"monitor-{number}.txt")]
        self.monitors.append(self.serve(f"monitor-{number}", words, self.environment(), 0))
        return self.monitors[-1]

    def delay(self) -> float:
        """Seconds by which a look of the running monitor was late, at worst."""
        file = self.data / "monitor-1.txt"
        return float(file.read_text() or 0) if file.exists() else 0.0

    def kill(self, server: Server) -> None:
        send([server.pid, *descendants(server.pid)], signal.SIGKILL)
        self.stop(server)

    async def rest(self) -> None:
        """Stop the monitors and forget what they found, so that each fault is the first."""
        for monitor in self.monitors:
            await asyncio.to_thread(self.stop, monitor)
        self.monitors.clear()
        await self.postgres_do("mostrador", "TRUNCATE monitor_alert, alert_delivery")
        for file in (self.data / "spool").glob("*.json"):
            file.unlink()
        for mail in self.mail.glob("*.eml"):
            mail.unlink()
        self.receivers.taken.clear()
        self.receivers.pings.clear()
        self.receivers.slack_fails = False

    async def freeze(self, server: EmbeddedServer | Server) -> Callable[[], None]:
        """Hold a server still; the answer lets go."""
        assert server.pid is not None
        pids = [server.pid, *descendants(server.pid)]
        send(pids, signal.SIGSTOP)
        return lambda: send(pids[::-1], signal.SIGCONT)

    async def block_worker(self, seconds: float) -> None:
        connection = await asyncpg.connect(self.postgres.admin_url("mostrador"))
        await connection.execute(
            "INSERT INTO outbox (tenant_id, id, queue, kind, payload) VALUES ($1, $2, 'short', 'test.block', $3)",
            self.tenant_id,
            uuid7(),
            msgspec.json.encode({"seconds": seconds}).decode(),
        )
        await connection.close()

    def messages(self) -> list[tuple[str, str, str, float]]:
        """Channel, event, what of, monotonic seconds; of Slack and mail by their headline."""
        found: list[tuple[str, str, str, float]] = []
        for channel, at, body in self.receivers.taken:
            if channel == "webhook":
                found.append((channel, body["event"], body["fingerprint"], at))
            else:
                found.append((channel, *_meaning(body["text"].splitlines()[0]), at))
        for file in self.mail.glob("*.eml"):
            mail: Any = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
            at = file.stat().st_mtime - time.time() + time.monotonic()
            found.append(("mail", *_meaning(" ".join(mail["Subject"].split()).removeprefix("[Mostrador] ")), at))
        return sorted(found, key=lambda one: one[3])


_EVENTS = {
    "ALERTA": "opened",
    "Resuelto": "resolved",
    "Sigue": "repeated",
    "ESCALADA": "escalated",
    "Inestable": "digest",
}


def _meaning(headline: str) -> tuple[str, str]:
    head, _, title = headline.partition(": ")
    return _EVENTS[head], title.partition(" (duró")[0]
