"""The role that the application connects as: plain, or the application does not start."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.engine import make_url

from app.asgi import create_litestar
from app.db.plain import check_role
from app.settings import Settings, SettingsError, read_settings
from tests.cli.test_commands import BARE, ROOT
from tests.db.catalogue import Admin


@dataclass
class Role:
    name: str
    settings: Settings


@pytest.fixture
async def role(environ: dict[str, str], admin: Admin) -> AsyncIterator[Role]:
    """A plain role of the test's own, which the test makes less plain."""
    name = f"role_{uuid4().hex[:8]}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret-of-a-test'")
    url = make_url(environ["DATABASE_URL"]).set(username=name, password="secret-of-a-test")
    yield Role(name, read_settings(environ | {"DATABASE_URL": url.render_as_string(hide_password=False)}))
    await admin.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


async def fault(settings: Settings) -> str:
    try:
        await check_role(settings)
    except SettingsError as error:
        return str(error)
    return ""


async def test_the_plain_role_is_accepted(settings: Settings, role: Role) -> None:
    assert await fault(settings) == ""
    assert await fault(role.settings) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} BYPASSRLS", "bypasses row level security"),
        ("ALTER ROLE {} CREATEROLE", "creates roles"),
        ("CREATE TABLE of_{0} (tenant_id uuid); ALTER TABLE of_{0} OWNER TO {0}", "owns tables"),
        ("GRANT mostrador_backup TO {}", "is a member of another role"),
        ("GRANT CREATE ON SCHEMA public TO {}", "creates tables"),
    ],
    ids=["superuser", "bypass", "createrole", "owner", "member", "create"],
)
async def test_a_role_that_the_fence_does_not_bind_is_refused_by_name(
    role: Role, admin: Admin, change: str, said: str
) -> None:
    await admin.execute(change.format(role.name))
    try:
        message = await fault(role.settings)
    finally:
        await admin.execute(f"DROP TABLE IF EXISTS of_{role.name}")
    assert "DATABASE_URL" in message
    assert role.name in message
    assert said in message


async def test_the_api_does_not_start_as_the_administrator(environ: dict[str, str]) -> None:
    wrong = create_litestar(read_settings(environ | {"DATABASE_URL": environ["DATABASE_ADMIN_URL"]}))
    with pytest.raises(BaseException) as refused:  # noqa: PT011 - a task group may wrap it
        async with wrong.lifespan():
            raise AssertionError("it serves")
    assert "is a superuser" in str(flat(refused.value))


async def test_a_wrong_role_stops_the_server_at_once_with_the_reason(environ: dict[str, str]) -> None:
    """The command itself asks, before there is a worker that would be started again and again."""
    wrong = BARE | environ | {"DATABASE_URL": environ["DATABASE_ADMIN_URL"]}
    words = [sys.executable, "-m", "app.cli", "api", "--port", "0"]
    done = await asyncio.to_thread(
        subprocess.run, words, env=wrong, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "DATABASE_URL: the role" in done.stderr
    assert "is a superuser" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Starting" not in done.stdout


async def test_the_api_starts_while_the_database_is_away_and_says_so(environ: dict[str, str]) -> None:
    nowhere = {
        name: make_url(environ[name]).set(port=1).render_as_string(hide_password=False)
        for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL")
    }
    app = create_litestar(read_settings(environ | nowhere))
    async with app.lifespan():
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            health = await client.get("/health")
    assert health.status_code == 503
    assert health.json()["services"]["database"]["status"] == "disconnected"


async def test_a_wrong_role_found_later_ends_the_process(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database comes up after the API: what was not known at the start is asked again."""
    ended = asyncio.Event()
    monkeypatch.setattr("app.db.roles.signal.raise_signal", lambda _signal: ended.set())
    monkeypatch.setattr("app.db.roles._AGAIN", 0.05)
    async with _Door(environ) as door:
        app = create_litestar(read_settings(environ | {"DATABASE_URL": door.url}))
        async with app.lifespan():
            assert not ended.is_set()
            door.opened = True
            await asyncio.wait_for(ended.wait(), 30)


class _Door:
    """A port before the database that refuses until it is opened."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._target = make_url(environ["DATABASE_ADMIN_URL"])
        self.opened = False
        self.url = ""
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "_Door":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.opened:
            writer.close()
            return
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._pipes |= {asyncio.create_task(_pour(reader, back)), asyncio.create_task(_pour(there, writer))}


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


def flat(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [inner for member in error.exceptions for inner in flat(member)]
    return [error]
