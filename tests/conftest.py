"""Real PostgreSQL and Redis for every test: one pair of servers a run, one database a parallel worker."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from sqlalchemy.engine import make_url

from app.asgi import create_litestar, dressed
from app.db.migrate import migrate
from app.db.session import Database
from app.dev.dian_desk import DianDesk
from app.dev.processes import free_port
from app.lib.log import set_up_logging
from app.settings import Settings, read_settings
from tests.dian import DianProcess
from tests.shop import Shop, sign_up
from tests.sink import Sink, open_sink
from tests.stripe import SECRET, StripeProcess

# Before the first test module imports it: its assertions speak like those of the tests.
pytest.register_assert_rewrite("tests.proofs.till")

TEMPLATE = "mostrador_template"
_SERVERS = "MOSTRADOR_TEST_SERVERS"
"""Where the run's servers listen: set by the controller before its workers start."""

_KEEP_ALIVE: list[Any] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, in the process that the parallel workers come from."""
    set_up_logging("tests")
    if hasattr(config, "workerinput") or os.environ.get(_SERVERS) or config.option.collectonly:
        return
    from tests.servers import postgres_in, redis_in

    folder = Path(tempfile.mkdtemp(prefix="mostrador-test-"))
    # Durability is the crash suite's subject; everywhere else it only costs time.
    postgres = postgres_in(folder / "postgresql", {"fsync": "off", "full_page_writes": "off"})
    redis = redis_in(folder / "redis")
    postgres.start()
    redis.start()
    _KEEP_ALIVE.extend([postgres, redis, folder])
    environ = {
        "ENVIRONMENT": "test",
        "DATABASE_ADMIN_URL": postgres.admin_url(TEMPLATE),
        "DATABASE_URL": postgres.url("mostrador_app", "app-of-tests", TEMPLATE),
        "DATABASE_PLATFORM_URL": postgres.url("mostrador_platform", "platform-of-tests", TEMPLATE),
        "DATABASE_BACKUP_URL": postgres.url("mostrador_backup", "backup-of-tests", TEMPLATE),
        "REDIS_URL": redis.url(),
        "TOKEN_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
        "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        "SIGNUPS_PER_HOUR": "1000000",
        "RATE_LIMIT_PER_MINUTE": "10000000",
        "RATE_LIMIT_BURST": "10000000",
        "RATE_LIMIT_USER_PER_MINUTE": "10000000",
        "RATE_LIMIT_HEAVY_PER_MINUTE": "10000000",
        "DATABASE_POOL_SIZE": "8",
        "POSTGRES_PROGRAMS": str(Path(postgres.tool("pg_dump")).parent),
        "BACKUP_STORAGE_URL": (folder / "respaldos").as_uri(),
        "REPORTS_LIVE_SECONDS": "0",
    }
    asyncio.run(_make_template(postgres.admin_url("postgres"), environ))
    os.environ[_SERVERS] = json.dumps(environ)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not _KEEP_ALIVE:
        return
    postgres, redis, folder = _KEEP_ALIVE
    redis.stop()
    postgres.stop()
    postgres.remove()
    shutil.rmtree(folder, ignore_errors=True)
    _KEEP_ALIVE.clear()
    os.environ.pop(_SERVERS, None)


async def _make_template(admin_url: str, environ: dict[str, str]) -> None:
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await migrate(read_settings(environ))


def in_database(environ: dict[str, str], name: str) -> dict[str, str]:
    """The same servers with another database."""
    return {
        key: make_url(value).set(database=name).render_as_string(hide_password=False)
        if key.startswith("DATABASE_") and key.endswith("URL")
        else value
        for key, value in environ.items()
    }


@pytest.fixture(scope="session")
def environ(worker_id: str) -> Iterator[dict[str, str]]:
    """This worker's environment: a copy of the migrated template, a Redis database of its own."""
    shared: dict[str, str] = json.loads(os.environ[_SERVERS])
    name = f"mostrador_{worker_id}"
    asyncio.run(copy_template(shared["DATABASE_ADMIN_URL"], name))
    number = 0 if worker_id == "master" else 1 + int(worker_id.removeprefix("gw"))
    redis = make_url(shared["REDIS_URL"]).set(database=str(number)).render_as_string(hide_password=False)
    stripe = {
        "STRIPE_SECRET_KEY": "sk_test_of_tests",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_URL": f"http://127.0.0.1:{free_port()}",
    }
    yield in_database(shared, name) | {"REDIS_URL": redis} | stripe


async def copy_template(admin_url: str, name: str) -> None:
    url = make_url(admin_url).set(database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        # Two copies of one template cannot be made at once; they take turns.
        await connection.execute("SELECT pg_advisory_lock(1)")
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def settings(environ: dict[str, str]) -> Settings:
    return read_settings(environ)


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    litestar = create_litestar(settings)
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        # One task enters and leaves: the framework's task group does not cross tasks, a fixture does.
        async with litestar.lifespan():
            started.set()
            await done.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    yield litestar
    done.set()
    await living


@pytest.fixture(scope="session")
async def http(app: Litestar, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API without a socket: the same application that granian serves, its edge included."""
    transport = httpx.ASGITransport(app=dressed(app, settings))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        yield client


@pytest.fixture(scope="session")
def database(app: Litestar) -> Database:
    found: Database = app.state.database
    return found


@pytest.fixture
async def admin(environ: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """The database's owner, past every fence: to look at what the API does not show."""
    connection = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def shop(http: httpx.AsyncClient) -> Shop:
    """A new company with its owner logged in: nothing to clean up, nobody to share with."""
    return await sign_up(http)


@pytest.fixture
async def other_shop(http: httpx.AsyncClient) -> Shop:
    """The stranger: another company, to try the first one's ids."""
    return await sign_up(http)


@pytest.fixture
async def sink(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Sink]:
    """A real SMTP server, and what came to it."""
    async with open_sink(environ, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def dian_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DianProcess]:
    """A DIAN of this worker, in a process of its own."""
    process = DianProcess(tmp_path_factory.mktemp("dian"))
    yield process
    process.close()


@pytest.fixture
def dian(dian_process: DianProcess) -> DianDesk:
    """The desk of a DIAN that knows nobody yet: `dian.url` is its service, `dian.enrol` makes a company that may issue."""
    dian_process.start()
    dian_process.desk.reset()
    return dian_process.desk


@pytest.fixture(scope="session")
def stripe_process(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeProcess]:
    """A Stripe of this worker, in a process of its own."""
    process = StripeProcess(tmp_path_factory.mktemp("stripe"), int(environ["STRIPE_URL"].rpartition(":")[2]))
    yield process
    process.close()


@pytest.fixture
def stripe(stripe_process: StripeProcess) -> Iterator[StripeProcess]:
    """A Stripe that works; clocks run again afterwards, events of before are nobody's."""
    stripe_process.start()
    stripe_process.control("fault", kind=None)
    stripe_process.run_again()
    stripe_process.fresh_events()
    yield stripe_process
    stripe_process.start()
    stripe_process.control("fault", kind=None)
    stripe_process.run_again()
