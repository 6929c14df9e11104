"""Backups of the platform while what they need is killed, fills up, or stops to answer: no object that looks finished, somebody
is told, and the next one is fine."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import psutil
import pytest

from app.db.session import Database
from app.domain.backups.platform import desk, runs
from app.domain.backups.state import last_good, problem
from app.integrations.storage import store
from app.integrations.storage.store import Storage
from app.lib import clock
from app.settings import read_settings
from tests.bench.client import ROOT
from tests.domain.backups.house import Admin, backed_up, number, objects
from worker.backup_looks import BackupLooks

pytestmark = pytest.mark.timeout(240)

MEBIBYTES = 24
"""Of bytes that do not compress: several parts of an upload."""


@pytest.fixture
async def ballast(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """No backup yet, no company's that failed, and a database that takes a moment to dump."""
    await admin.execute("DELETE FROM backup_drill; DELETE FROM backup_run; DROP TABLE IF EXISTS ballast")
    await admin.execute("DELETE FROM company_backup WHERE status = 'failed'")
    await admin.execute("CREATE TABLE ballast (id int PRIMARY KEY, bytes bytea NOT NULL)")
    await admin.execute("GRANT SELECT ON ballast TO mostrador_backup")
    await admin.execute(
        "INSERT INTO ballast SELECT n, (SELECT string_agg(sha512((n || ':' || m)::bytea), ''::bytea) "
        f"FROM generate_series(1, 16384) m) FROM generate_series(1, {MEBIBYTES}) n"
    )
    yield
    await admin.execute("DROP TABLE ballast; DELETE FROM backup_drill; DELETE FROM backup_run")


async def told(environ: dict[str, str]) -> str:
    """What is said of backups now; empty when all is well."""
    connection = await asyncpg.connect(environ["DATABASE_PLATFORM_URL"])
    try:
        return problem(await last_good(connection), clock.now(), 6) or ""
    finally:
        await connection.close()


def keep_in(
    database: Database, monkeypatch: pytest.MonkeyPatch, url: str, options: dict[str, str] | None = None
) -> None:
    settings = msgspec.structs.replace(database.settings, backup_storage_url=url, backup_storage_options=options or {})
    monkeypatch.setattr(database, "settings", settings)


async def judge(
    admin: Admin, environ: dict[str, str], run_id: UUID, reason: str, finished: Callable[[], Awaitable[list[str]]]
) -> str:
    """It failed, for this reason, left nothing, and somebody is told."""
    row = await admin.fetchrow("SELECT status, error, object_name, finished_at FROM backup_run WHERE id = $1", run_id)
    assert row["status"] == "failed"
    assert row["finished_at"] is not None
    assert row["object_name"] is None
    assert reason in row["error"], row["error"]
    assert await finished() == []
    assert (await told(environ)).startswith("El último respaldo falló")
    alert = await BackupLooks(read_settings(environ)).backup()
    assert alert is not None
    assert str(alert).startswith("La última copia de seguridad falló"), alert
    return str(row["error"])


async def next_is_fine(
    database: Database, environ: dict[str, str], finished: Callable[[], Awaitable[list[str]]]
) -> None:
    assert await desk.back_up(database, await backed_up(database))
    assert len(await finished()) == 2
    assert await told(environ) == ""
    assert await BackupLooks(read_settings(environ)).backup() is None


class Proxy:
    """Between us and a store: passes on, answers 500, answers nothing, or hangs up in the middle of a part."""

    def __init__(self, target: str) -> None:
        self.host, self.port = urlsplit(target).hostname, urlsplit(target).port
        self.mode, self.after, self.broken = "pass", 0, 0
        self.url = ""
        self._seen = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self
        server.close()

    def fail(self, mode: str, after: int) -> None:
        """From the so-many-th connection on."""
        self.mode, self.after, self._seen, self.broken = mode, after, 0, 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._seen += 1
        try:
            if self.mode == "pass" or self._seen <= self.after:
                await self._pass_on(reader, writer, limit=None)
                return
            self.broken += 1
            if self.mode == "500":
                await reader.read(65_536)
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await writer.drain()
            elif self.mode == "hang":
                while await reader.read(65_536):
                    continue
            else:
                await self._pass_on(reader, writer, limit=100_000)
        except (OSError, asyncio.IncompleteReadError):
            # A side that went away is what this is about.
            return
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        theirs, ours = await asyncio.open_connection(self.host, self.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, most: int | None) -> None:
            passed = 0
            with suppress(OSError):
                while piece := await source.read(65_536):
                    passed += len(piece)
                    if most is not None and passed > most:
                        break
                    target.write(piece)
                    await target.drain()
            target.close()

        await asyncio.gather(pump(reader, ours, limit), pump(theirs, writer, None))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A real HTTP implementation of S3, in a process of its own."""
    command = [sys.executable, "-c", _MOTO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


_MOTO = """
import socket, time
from moto.server import ThreadedMotoServer
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0)); port = probe.getsockname()[1]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False); server.start()
print(f"http://127.0.0.1:{port}", flush=True); time.sleep(3600)
"""


@pytest.mark.parametrize(("mode", "after"), [("500", 0), ("500", 2), ("hang", 0), ("hang", 2), ("cut", 2)])
async def test_a_store_that_fails(
    mode: str,
    after: int,
    moto: str,
    database: Database,
    admin: asyncpg.Connection,
    environ: dict[str, str],
    ballast: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "_SECONDS", timedelta(seconds=2))
    monkeypatch.setattr(store, "_PATIENCE", timedelta(seconds=5))
    bucket = f"respaldos-{uuid4().hex[:8]}"
    async with httpx.AsyncClient() as client:
        assert (await client.put(f"{moto}/{bucket}")).status_code == 200
    keys = {"access_key_id": "x", "secret_access_key": "y", "region": "us-east-1"}

    async def finished() -> list[str]:
        direct = Storage(f"s3://{bucket}/casa", {"endpoint": moto, **keys})
        return [one.name for one in await direct.names("plataforma")]

    async with Proxy(moto).open() as proxy:
        keep_in(database, monkeypatch, f"s3://{bucket}/casa", {"endpoint": proxy.url, **keys})
        proxy.fail(mode, after)
        run_id = await backed_up(database)
        assert not await desk.back_up(database, run_id)
        assert proxy.broken
        error = await judge(admin, environ, run_id, "StorageFailed", finished)
        print(f"\n{mode} after {after}: {error[:150]}")
        proxy.fail("pass", 0)
        await next_is_fine(database, environ, finished)


async def dumping(parent: int) -> psutil.Process:
    """The `pg_dump` of a process that really dumps."""
    for _ in range(2_000):
        for each in psutil.Process(parent).children(recursive=True):
            with suppress(psutil.Error):
                if "--snapshot=" in " ".join(each.cmdline()) and each.name().startswith("pg_dump"):
                    return each
        await asyncio.sleep(0.01)
    raise AssertionError("pg_dump never began")


async def test_a_dump_that_is_killed(
    database: Database,
    admin: asyncpg.Connection,
    environ: dict[str, str],
    ballast: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_in(database, monkeypatch, (tmp_path / "store").as_uri())

    async def finished() -> list[str]:
        return objects(tmp_path / "store")

    run_id = await backed_up(database)
    working = asyncio.create_task(desk.back_up(database, run_id))
    (await dumping(os.getpid())).kill()
    assert not await working
    await judge(admin, environ, run_id, "pg_dump was killed by signal 9", finished)
    await next_is_fine(database, environ, finished)


async def test_a_worker_that_is_killed(
    database: Database,
    admin: asyncpg.Connection,
    environ: dict[str, str],
    ballast: None,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    environment = {"PATH": os.environ["PATH"], **environ, "BACKUP_STORAGE_URL": folder.as_uri()}

    async def finished() -> list[str]:
        return objects(folder) if folder.exists() else []

    def work() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.cli", "worker", "--queue", "long"]
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    run_id = await runs.ask_backup(database, "prueba")
    worker = work()
    try:
        dump = await dumping(worker.pid)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    for _ in range(1_000):
        if not dump.is_running() or dump.status() == psutil.STATUS_ZOMBIE:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("pg_dump lives on without its worker")
    open_snapshots = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mostrador-backup' AND pid <> pg_backend_pid()"
    )
    for _ in range(1_000):
        if not await number(admin, open_snapshots):
            break
        await asyncio.sleep(0.01)
    assert await number(admin, open_snapshots) == 0
    assert await finished() == []
    # What it had begun takes room until it is cleared away.
    parts = [path for path in folder.rglob("*#*") if path.is_file()]
    assert await Storage(folder.as_uri()).clear_parts(timedelta(days=1)) == 0
    assert await Storage(folder.as_uri()).clear_parts(timedelta()) == len(parts)
    # A minute and a half of silence, at once.
    await admin.execute("UPDATE backup_run SET progress_at = progress_at - interval '3 minutes'")
    assert "no da señales de vida" in await told(environ)
    worker = work()
    try:
        for _ in range(1_000):
            if await admin.fetchval("SELECT status FROM backup_run WHERE id = $1", run_id) == "failed":
                break
            await asyncio.sleep(0.05)
        await judge(admin, environ, run_id, "El proceso que lo hacía murió", finished)
        again = await runs.ask_backup(database, "prueba")
        for _ in range(1_000):
            if await admin.fetchval("SELECT status FROM backup_run WHERE id = $1", again) not in {"waiting", "running"}:
                break
            await asyncio.sleep(0.05)
        assert await told(environ) == ""
        assert len(await finished()) == 2
    finally:
        worker.terminate()
        worker.wait()


def mounted(*words: str) -> bool:
    """Whether `mount` or `umount` did it."""
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


async def test_a_disk_that_is_full(
    database: Database,
    admin: asyncpg.Connection,
    environ: dict[str, str],
    ballast: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)):
        pytest.skip("this machine lets us mount nothing")
    try:
        keep_in(database, monkeypatch, (disk / "store").as_uri())

        async def finished() -> list[str]:
            return objects(disk / "store")

        run_id = await backed_up(database)
        assert not await desk.back_up(database, run_id)
        await judge(admin, environ, run_id, "No space left on device", finished)
        for _ in range(100):
            if not [path for path in disk.rglob("*") if path.is_file()]:
                break
            await asyncio.sleep(0.05)
        assert [path for path in disk.rglob("*") if path.is_file()] == [], "what was begun keeps the disk full"
        assert mounted("mount", "-o", "remount,size=100m", str(disk))
        await next_is_fine(database, environ, finished)
    finally:
        mounted("umount", "-l", str(disk))
