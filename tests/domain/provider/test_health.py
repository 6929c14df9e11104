"""What uptime monitors, orchestrators and Prometheus read."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text as sql
from sqlalchemy.engine import make_url

from app.asgi import create_litestar
from app.build import release
from app.db.migrate import head_revision
from app.db.session import Database
from app.dev.redis import EmbeddedRedis
from app.domain.provider.health import Health, Probe, older_revisions
from app.lib.edge import Edge
from app.settings import read_settings
from tests.db.catalogue import Admin
from tests.shop import Shop

MILLISECONDS = re.compile(r"\d+ms")


async def _beat(database: Database) -> None:
    async with database.platform_transaction() as session:
        for queue in ("short", "long"):
            await session.execute(
                sql(
                    "INSERT INTO worker_heartbeat (queue, worker, beat_at) VALUES (:queue, 'test', now()) "
                    "ON CONFLICT (queue, worker) DO UPDATE SET beat_at = now()"
                ),
                {"queue": queue},
            )


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    async with EmbeddedRedis(tmp_path / "redis") as server:
        yield server
    await asyncio.to_thread(server.remove)


async def test_health_has_exactly_the_agreed_shape(http: httpx.AsyncClient, database: Database) -> None:
    await _beat(database)
    answer = await http.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["status", "timestamp", "uptime", "environment", "version", "services", "warnings"]
    assert (body["status"], body["warnings"], body["version"]) == ("ok", [], release())
    assert (type(body["uptime"]), body["environment"], body["timestamp"][-1]) == (int, "test", "Z")
    services = body["services"]
    assert list(services) == ["database", "redis", "queues", "healthCheckResponseTime"]
    for name in ("database", "redis"):
        assert list(services[name]) == ["status", "responseTime"]
        assert services[name]["status"] == "connected"
        assert MILLISECONDS.fullmatch(services[name]["responseTime"])
    assert MILLISECONDS.fullmatch(services["healthCheckResponseTime"])
    assert list(services["queues"]) == ["short", "long"]
    for queue in services["queues"].values():
        assert list(queue) == ["status", "waiting", "active", "delayed", "failed"]


async def test_live_and_ready_until_the_shutdown_begins(settings_app: Litestar) -> None:
    async with _client(settings_app) as http:
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200
        settings_app.state.health.begin_shutdown()
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 503


def _client(app: Litestar) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=Edge(app, ())), base_url="http://shop.test")  # type: ignore[arg-type]


@pytest.fixture
async def settings_app(environ: dict[str, str]) -> AsyncIterator[Litestar]:
    made = create_litestar(read_settings(environ | {"METRICS_TOKEN": "the scraper's own"}))
    yield made
    await _end(made)


async def _end(made: Litestar) -> None:
    made.state.health.close()
    await made.state.database.close()
    await made.state.redis.aclose()


async def test_without_redis_the_shop_still_sells_and_says_what_waits(
    environ: dict[str, str], redis: EmbeddedRedis
) -> None:
    made = create_litestar(read_settings(environ | {"REDIS_URL": redis.url()}))
    async with _client(made) as http:
        await redis.stop_in_loop(0)
        answer = await http.get("/health")
    await _end(made)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "degraded")
    assert body["services"]["redis"]["status"] == "disconnected"
    assert {queue["status"] for queue in body["services"]["queues"].values()} == {"disconnected"}
    assert "Redis" in body["warnings"][0]


async def test_without_its_database_it_is_in_error_and_not_ready_but_alive(environ: dict[str, str]) -> None:
    nowhere = "postgresql://mostrador_app:x@127.0.0.1:9/mostrador"
    made = create_litestar(read_settings(environ | {"DATABASE_URL": nowhere, "DATABASE_PLATFORM_URL": nowhere}))
    async with _client(made) as http:
        answer, ready, live = [await http.get(path) for path in ("/health", "/health/ready", "/health/live")]
    await _end(made)
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert answer.json()["services"]["database"]["status"] == "disconnected"
    assert (ready.status_code, live.status_code) == (503, 200)


@pytest.mark.parametrize("broken", ["port", "password"])
async def test_a_role_that_cannot_connect_is_a_database_that_is_away(environ: dict[str, str], broken: str) -> None:
    """The platform's own URL works: it is the application's that sells."""
    url = make_url(environ["DATABASE_URL"])
    url = url.set(port=9) if broken == "port" else url.set(password="not the password")
    wrong = environ | {"DATABASE_URL": url.render_as_string(hide_password=False)}
    made = create_litestar(read_settings(wrong))
    async with _client(made) as http:
        answer = await http.get("/health")
    await _end(made)
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert answer.json()["services"]["database"]["status"] == "disconnected"


async def test_before_its_migrations_it_is_connected_and_not_ready(environ: dict[str, str]) -> None:
    settings = read_settings(
        environ
        | {
            name: make_url(environ[name]).set(database="postgres").render_as_string(hide_password=False)
            for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL")
        }
    )
    made = create_litestar(settings)
    async with _client(made) as http:
        body, ready = (await http.get("/health")).json(), await http.get("/health/ready")
    await _end(made)
    assert (body["services"]["database"]["status"], ready.status_code) == ("connected", 503)


def test_every_revision_but_the_newest_is_an_older_one() -> None:
    older = older_revisions()
    assert head_revision() not in older
    assert "0001" in older


async def test_a_question_that_hangs_is_answered_without_and_not_asked_twice() -> None:
    asked = 0
    let_go = asyncio.Event()

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await let_go.wait()
        return "yes"

    probe = Probe("hanging", ask, 0.01)
    assert [await probe.answer() for _ in range(3)] == [(None, 10)] * 3
    assert asked == 1
    let_go.set()
    await asyncio.sleep(0.05)
    assert (await probe.answer())[0] == "yes"


class Wire:
    """Between the API and PostgreSQL; cut, its old connections say nothing more, not even that they are over."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._cut: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = asyncio.Event()
        self._cut.append(cut)
        theirs, ours = await asyncio.open_connection(self._host, self._port)
        for source, drain in ((reader, ours), (theirs, writer)):
            task = asyncio.create_task(self._carry(source, drain, cut))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while data := await source.read(65_536):
            if not cut.is_set():
                drain.write(data)
        if not cut.is_set():
            drain.close()

    def cut(self) -> None:
        for one in self._cut:
            one.set()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


async def test_a_connection_that_is_dead_without_knowing_it_is_given_up(
    environ: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.provider.health.GIVEN_UP", 1.0)
    url = make_url(environ["DATABASE_URL"])
    wire = Wire(url.host or "", url.port or 0)
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    through = {
        name: make_url(environ[name]).set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL")
    }
    made = create_litestar(read_settings(environ | through))
    health: Health = made.state.health
    assert (await health.report()).status != "error"
    wire.cut()
    await asyncio.sleep(1.1)
    assert (await health.report()).status == "error"
    async with asyncio.timeout(15):
        while (await health.report()).status == "error":
            await asyncio.sleep(0.2)
    await _end(made)
    server.close()
    wire.end()


async def test_a_crowd_asking_for_health_is_one_question(environ: dict[str, str], database: Database) -> None:
    made = create_litestar(read_settings(environ))
    health: Health = made.state.health
    reports = await asyncio.gather(*(health.report() for _ in range(50)))
    await _end(made)
    assert all(report is reports[0] for report in reports)


async def test_many_dead_letters_are_a_warning(shop: Shop, environ: dict[str, str], database: Database) -> None:
    async with database.job_transaction(UUID(shop.tenant_id)) as work:
        for _ in range(11):
            work.ask("test.many-dead", {}, "long")
    async with database.platform_transaction() as session:
        others = await session.scalar(sql("SELECT count(*) FROM outbox WHERE status = 'dead' AND queue = 'long'"))
        await session.execute(
            sql("UPDATE outbox SET status = 'dead', finished_at = now() WHERE kind = 'test.many-dead'")
        )
    made = create_litestar(read_settings(environ))
    report = await made.state.health.report()
    await _end(made)
    async with database.platform_transaction() as session:
        await session.execute(sql("DELETE FROM outbox WHERE kind = 'test.many-dead'"))
    assert (report.status, report.services.queues["long"].failed) == ("degraded", 11 + (others or 0))
    assert any("long" in warning for warning in report.warnings)


async def test_a_queue_without_any_sign_of_life_is_told_to_prometheus(
    settings_app: Litestar, admin: Admin, database: Database
) -> None:
    await _beat(database)
    await admin.execute("DELETE FROM worker_heartbeat WHERE queue = 'long'")
    async with _client(settings_app) as http:
        answer = await http.get("/metrics", headers={"Authorization": "Bearer the scraper's own"})
    ages = re.findall(r'^mostrador_worker_heartbeat_age_seconds{queue="(\w+)".*} (\S+)$', answer.text, re.MULTILINE)
    assert dict(ages)["long"] == "+Inf"
    assert float(dict(ages)["short"]) < 60
    await _beat(database)


async def test_metrics_are_for_whoever_holds_the_token(settings_app: Litestar, http: httpx.AsyncClient) -> None:
    assert (await http.get("/metrics")).status_code == 404
    unknown = uuid4().hex
    async with _client(settings_app) as scraper:
        assert (await scraper.get("/metrics")).status_code == 401
        assert (await scraper.get("/metrics", headers={"Authorization": "Bearer no"})).status_code == 401
        await scraper.get("/health/live")
        await scraper.get(f"/{unknown}")
        answer = await scraper.get("/metrics", headers={"Authorization": "Bearer the scraper's own"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    assert re.search(
        r'mostrador_request_seconds_count\{route="/health/live",method="GET",status="200",process="\d+"\} \d', text
    )
    assert 'le="+Inf"' in text
    assert unknown not in text
    for name in ("sales_posted_total", "bell_failures_total", "pool_in_use", "jobs", "database_up"):
        assert f"# TYPE mostrador_{name} " in text
