"""The embedded PostgreSQL and Redis: nothing acknowledged is lost, nothing is left behind."""

import asyncio
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from redis import AuthenticationError, Redis

from app.dev.account import server_account
from app.dev.installation import Installation
from app.dev.postgres import EmbeddedPostgres
from app.dev.processes import spawn
from app.dev.redis import EmbeddedRedis

ROWS_BEFORE_THE_KILL = 200


def query(server: EmbeddedPostgres, statement: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(server.admin_url())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def client(server: EmbeddedRedis) -> Redis:
    return Redis.from_url(server.url(), decode_responses=True)


def test_a_second_start_finds_the_rows(data: Path) -> None:
    with EmbeddedPostgres(data) as first:
        query(first, "CREATE TABLE sale AS SELECT 7 AS total")
    with EmbeddedPostgres(data) as second:
        assert query(second, "SELECT total FROM sale") == 7


def test_the_database_is_durable_checksummed_and_sorts_without_icu(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        settings = {
            name: query(server, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "data_checksums", "listen_addresses")
        }
        provider = query(
            server, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'template0'"
        )
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
    }
    assert provider == "bC.UTF-8"


def test_a_caller_may_trade_durability_for_speed(data: Path) -> None:
    with EmbeddedPostgres(data, {"fsync": "off"}) as server:
        assert query(server, "SHOW fsync") == "off"


def test_postgresql_refuses_a_wrong_password(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        address = server.url("postgres", "adivinada", "postgres")
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(asyncpg.connect(address))


def test_redis_keeps_its_keys_and_wants_a_password(data: Path) -> None:
    with EmbeddedRedis(data) as first:
        client(first).set("bell", "rung")
    with EmbeddedRedis(data) as second:
        assert client(second).get("bell") == "rung"
        assert client(second).config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with pytest.raises(AuthenticationError):
            Redis(port=second.port, password="adivinada").ping()


def test_no_password_stands_on_a_command_line(data: Path) -> None:
    with EmbeddedPostgres(data / "postgresql") as postgres, EmbeddedRedis(data / "redis") as redis:
        for server in (postgres, redis):
            assert server.pid is not None
            assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_servers_never_run_as_root_and_a_closed_folder_stays_closed(data: Path) -> None:
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "postgresql") as postgres, EmbeddedRedis(closed / "redis") as redis:
        query(postgres, "CREATE TABLE sale AS SELECT 7 AS total")
        for server in (postgres, redis):
            assert server.pid is not None
            assert all(uid != 0 for uid in psutil.Process(server.pid).uids())
            assert server.home.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_mode & 0o777 == 0o700
    with EmbeddedPostgres(closed / "postgresql") as again:
        assert query(again, "SELECT total FROM sale") == 7


def test_rows_follow_when_their_folder_is_closed_afterwards(data: Path) -> None:
    with EmbeddedPostgres(data / "shop") as first:
        query(first, "CREATE TABLE sale AS SELECT 7 AS total")
    (data / "shop").chmod(0o700)
    with EmbeddedPostgres(data / "shop") as second:
        assert query(second, "SELECT total FROM sale") == 7


def test_a_deleted_folder_starts_empty_at_the_same_path(data: Path) -> None:
    with EmbeddedPostgres(data / "shop") as first:
        query(first, "CREATE TABLE sale AS SELECT 7 AS total")
    subprocess.run(["rm", "-rf", data / "shop"], check=True)
    with EmbeddedPostgres(data / "shop") as second:
        assert query(second, "SELECT to_regclass('sale')::text") is None


def test_a_lock_file_whose_process_id_is_now_another_program_does_not_stop_the_start(data: Path) -> None:
    with EmbeddedPostgres(data) as first:
        lock = first.lock.read_text().splitlines()
    stranger = spawn(["/bin/sleep", "60"], log=data / "stranger.log", account=server_account(first.home))
    try:
        first.lock.write_text("\n".join([str(stranger.pid), *lock[1:]]))
        with EmbeddedPostgres(data) as second:
            assert query(second, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_server_starts_again_on_its_port(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    try:
        assert server.pid is not None
        port = server.port
        query(server, "CREATE TABLE sale AS SELECT 7 AS total")
        os.kill(server.pid, 9)
        server.start()
        assert (server.port, query(server, "SELECT total FROM sale")) == (port, 7)
    finally:
        server.stop()


def test_a_parent_killed_while_selling_leaves_no_process_and_loses_no_row(data: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-m", "tests.dev.seller", str(data)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    servers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    family = servers + [child for server in servers for child in server.children(recursive=True)]
    acknowledged = [int(line) for line in itertools.islice(parent.stdout, ROWS_BEFORE_THE_KILL)]
    parent.kill()
    acknowledged += [int(line) for line in parent.stdout if line.endswith("\n")]
    parent.wait()
    _, there = psutil.wait_procs(family, timeout=30)
    assert [process for process in there if process.status() != psutil.STATUS_ZOMBIE] == []
    with EmbeddedPostgres(data / "postgresql") as postgres, EmbeddedRedis(data / "redis") as redis:
        assert query(postgres, "SELECT count(*) FROM sale") >= acknowledged[-1] >= ROWS_BEFORE_THE_KILL
        assert int(str(client(redis).get("last"))) >= acknowledged[-1]


def test_a_long_log_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / "api.log").open("wb") as log:
        log.truncate(10_000_001)
    (logs / "worker.log").write_text("short")
    Installation(tmp_path, 0, [])
    assert sorted(path.name for path in logs.iterdir()) == ["api.log.1", "worker.log"]
