"""WAL archiving with pgBackRest, as docs/RESPALDOS.md sets it up: a server lost with its disk, and a moment before a mistake.

Needs Debian's packages `pgbackrest` and `postgresql`, and root to become the user `postgres`; skipped elsewhere.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from app.dev.processes import free_port

PROGRAMS: Final = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nonexistent"))
TIMEOUT: Final = int(os.environ.get("MOSTRADOR_ARCHIVE_TIMEOUT", "60"))
"""Seconds of `archive_timeout`, as the document has it."""
ROWS: Final = 300_000
pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("pgbackrest") is None or not PROGRAMS.exists() or os.geteuid() != 0,
        reason="needs pgbackrest, a PostgreSQL of the machine, and root",
    ),
]


class Cluster:
    """A cluster of the machine's own PostgreSQL with pgBackRest, in a folder of the user `postgres`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.port = folder, folder / "main", free_port()
        self.password = secrets.token_hex(8)
        self.conf = folder / "pgbackrest.conf"
        entry = pwd.getpwnam("postgres")
        self._user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid]}
        os.chown(folder, entry.pw_uid, entry.pw_gid)

    def run(self, *command: str) -> str:
        """As `postgres`. Raises `AssertionError` with what it said."""
        environment = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, env=environment, **self._user
        )  # type: ignore[call-overload]
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def backrest(self, *words: str) -> str:
        return self.run("pgbackrest", f"--config={self.conf}", "--stanza=mostrador", *words)

    def make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self.run("initdb", f"--pgdata={self.data}", "--username=postgres", f"--pwfile={secret}", "--auth=scram-sha-256")
        for name in ("repo", "log", "spool", "lock"):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, "postgres", "postgres")
        self.conf.write_text(
            "[global]\n"
            f"repo1-path={self.folder}/repo\nlog-path={self.folder}/log\n"
            f"spool-path={self.folder}/spool\nlock-path={self.folder}/lock\n"
            f"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={secrets.token_hex(16)}\n"
            "repo1-retention-full=4\nstart-fast=y\ncompress-type=zst\n"
            "[mostrador]\n"
            f"pg1-path={self.data}\npg1-port={self.port}\npg1-socket-path={self.folder}\npg1-user=postgres\n"
        )
        shutil.chown(self.conf, "postgres", "postgres")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.folder}'\n"
                f"archive_mode = on\narchive_timeout = {TIMEOUT}\n"
                f"archive_command = 'pgbackrest --config={self.conf} --stanza=mostrador archive-push %p'\n"
            )

    def start(self) -> None:
        self.run("pg_ctl", "start", "-w", "-t", "120", f"--pgdata={self.data}", f"--log={self.folder}/server.log")

    def kill(self) -> None:
        """SIGKILL the whole server, as a machine that loses power."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        family = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
        for each in (pid, *map(int, family)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.password, database="postgres"
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(Path(tempfile.mkdtemp(prefix="mostrador-pitr-", dir="/var/tmp")))
    made.make()
    made.start()
    yield made
    with suppress(AssertionError):
        made.run("pg_ctl", "stop", "-m", "immediate", f"--pgdata={made.data}")
    shutil.rmtree(made.folder, ignore_errors=True)


async def test_a_lost_server_comes_back_to_a_minute_ago_and_to_any_moment(cluster: Cluster) -> None:
    connection = await cluster.connect()
    cluster.backrest("stanza-create")
    cluster.backrest("check")
    await connection.execute(
        "CREATE TABLE sale (no bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), x text)"
    )
    await connection.execute(
        f"INSERT INTO sale (x) SELECT md5(n::text) || repeat(md5((n * 7)::text), 20) FROM generate_series(1, {ROWS}) n"
    )
    begun = time.perf_counter()
    cluster.backrest("backup", "--type=full")
    full = time.perf_counter() - begun
    size: Any = await connection.fetchval("SELECT pg_database_size('postgres')")

    # A sale every tenth of a second for three intervals; then a mistake, more sales, and the machine is gone.
    selling = time.monotonic()
    while time.monotonic() - selling < 2.5 * TIMEOUT:
        await connection.execute("INSERT INTO sale (x) VALUES ('venta')")
        await asyncio.sleep(0.1)
    before: Any = await connection.fetchval("SELECT clock_timestamp()")
    sold: Any = await connection.fetchval("SELECT max(no) FROM sale")
    await asyncio.sleep(0.2)
    await connection.execute("DELETE FROM sale WHERE x = 'venta'")
    await connection.execute("SELECT pg_switch_wal()")
    while time.monotonic() - selling < 4 * TIMEOUT:
        await connection.execute("INSERT INTO sale (x) VALUES ('después')")
        await asyncio.sleep(0.1)
    killed_at: Any = await connection.fetchval("SELECT clock_timestamp()")
    cluster.kill()
    shutil.rmtree(cluster.data)

    async def back(*words: str) -> tuple[asyncpg.Connection, float]:
        shutil.rmtree(cluster.data, ignore_errors=True)
        cluster.data.mkdir(mode=0o700)
        shutil.chown(cluster.data, "postgres", "postgres")
        begun = time.perf_counter()
        cluster.backrest("restore", *words)
        cluster.start()
        restored = await cluster.connect()
        while await restored.fetchval("SELECT pg_is_in_recovery()"):
            await asyncio.sleep(0.1)
        return restored, time.perf_counter() - begun

    restored, took = await back()
    last: Any = await restored.fetchval("SELECT max(at) FROM sale")
    lost = (killed_at - last).total_seconds()
    await restored.close()
    cluster.run("pg_ctl", "stop", "-m", "fast", f"--pgdata={cluster.data}")
    moment, took_moment = await back(
        "--type=time", f"--target={before:%Y-%m-%d %H:%M:%S.%f+00}", "--target-action=promote"
    )
    there: Any = await moment.fetchval("SELECT max(no) FROM sale")
    count: Any = await moment.fetchval("SELECT count(*) FROM sale WHERE x = 'venta'")
    await moment.close()
    print(
        f"\npgBackRest, archive_timeout {TIMEOUT} s, {size / 1e6:.0f} MB: full backup {full:.1f} s; server killed and its folder "
        f"deleted: back in {took:.1f} s, {lost:.1f} s of work lost; to the moment before a mistake in {took_moment:.1f} s, "
        f"{count} sales there again, the last one {there} of {sold}"
    )
    assert lost <= TIMEOUT + 5
    assert there == sold
    assert count == sold - ROWS
