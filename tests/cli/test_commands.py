"""The command as an operator types it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from app.cli import main
from tests.shop import Shop

ROOT = Path(__file__).parents[2]
BARE = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def mostrador(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *words]
    return subprocess.run(command, env=BARE | (environ or {}), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["api", "worker", "monitor", "migrate"])
def test_every_missing_variable_is_told_at_once(command: str) -> None:
    done = mostrador(command)
    assert done.returncode == 2
    assert done.stdout == ""
    for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL", "REDIS_URL", "TOKEN_SIGNING_KEY", "SECRET_KEY"):
        assert f"{name} is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sell"],
        ["api", "--port", "70000"],
        ["worker", "--queue", "none"],
        ["replay", "x.csv"],
        ["up", "--port", "x"],
    ],
    ids=["nothing", "unknown", "port", "queue", "no-url", "no-number"],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_document_is_written_without_any_service(tmp_path: Path) -> None:
    out = tmp_path / "openapi.json"
    done = mostrador("openapi", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert "/v1/sales" in json.loads(out.read_bytes())["paths"]
    assert json.loads(mostrador("openapi").stdout) == json.loads(out.read_bytes())


def test_tables_that_are_as_the_models_say_check_clean(environ: dict[str, str]) -> None:
    done = mostrador("migrate", "--check", environ=environ)
    assert (done.returncode, done.stdout) == (0, "0 differences between tables and models\n"), done.stderr


def test_migrating_twice_changes_nothing(environ: dict[str, str]) -> None:
    done = mostrador("migrate", environ=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tables are at ")


async def test_a_trail_is_verified_and_a_changed_entry_found(
    shop: Shop, admin: asyncpg.Connection, environ: dict[str, str]
) -> None:
    words = ("audit", "verify", "--company", shop.tenant_id)
    done = await asyncio.to_thread(mostrador, *words, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("every chain is intact\n")
    await admin.execute(
        "UPDATE audit_entry SET content = content || ' ' WHERE tenant_id = $1 AND seq = 1", shop.tenant_id
    )
    done = await asyncio.to_thread(mostrador, *words, environ=environ)
    assert done.returncode == 1
    assert "changed at 1" in done.stdout


def test_serving_loads_no_command_but_its_own() -> None:
    script = (
        "import sys, app.cli.api; print([m for m in sys.modules if m.startswith(('app.', 'litestar', 'sqlalchemy'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(json.loads(done.stdout.replace("'", '"'))) == [
        "app.cli",
        "app.cli.api",
        "app.db",
        "app.db.plain",
        "app.lib",
        "app.lib.leaving",
        "app.settings",
    ]
