"""`mostrador verify`: green on a right installation, and each planted fault found by its name, alone."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from app.asgi import create_litestar, dressed
from app.build import commit, release
from app.db.migrate import migrate
from app.dev.postgres import EmbeddedPostgres
from app.dev.redis import EmbeddedRedis
from app.ops import verify as package
from app.ops.verify import CHECKS, context_of, machine, verify
from app.ops.verify.check import Check, Context, Result, answer
from app.settings import read_settings
from tests.ops.house import APP, BACKUP, PLATFORM, SMTP, Outside, Secured, json_of, key, mail_server
from tests.servers import postgres_in, redis_in
from tests.shop import sign_up

STRIPE_EVENTS = ["invoice.paid", "invoice.payment_failed", "customer.subscription.deleted"]


@dataclass
class House:
    """A right installation and its doors."""

    environ: dict[str, str]
    outside: Outside
    stripe: Secured
    front: Secured
    ending: Secured
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    folder: Path
    evidence: Path
    lock: Path

    def context(self, changes: Mapping[str, str | None] | None = None, **options: Any) -> Context:
        environ = {**self.environ, **(changes or {})}
        kept = {name: value for name, value in environ.items() if value is not None}
        given: dict[str, Any] = {"evidence": self.evidence, "lock": self.lock, "least_free": 1, "is_running": True}
        return context_of(kept, **given | options)

    async def run(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.environ["DATABASE_ADMIN_URL"])
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("verify")
    postgres, redis = postgres_in(folder / "postgresql", {}), redis_in(folder / "redis")
    await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(redis.start)
    mail = mail_server()
    outside, stripe, front, ending = Outside(), Secured(folder, 61), Secured(folder, 60), Secured(folder, 5)
    (folder / "checkpoints").mkdir()
    evidence, lock = folder / "green.json", folder / "requirements.txt"
    evidence.write_bytes(json_of({"commit": commit(), "at": "2026-11-24T12:00:00Z", "audit": "clean"}))
    lock.write_text("# pinned\n")
    outside.answers = {
        "/slack": (400, b"no_text"),
        "/alert": (204, b""),
    }
    stripe.answers = {
        "/v1/webhook_endpoints": (
            200,
            json_of(
                {
                    "data": [
                        {
                            "url": f"{front.url}/billing/webhooks/stripe",
                            "status": "enabled",
                            "enabled_events": STRIPE_EVENTS,
                        }
                    ]
                }
            ),
        ),
    }
    for server in (front, ending):
        server.answers = {
            "/health": (200, json_of({"status": "ok", "warnings": [], "version": release()})),
            "/health/live": (200, b"{}"),
            "/metrics": (401, b""),
        }
    authorities = folder / "authorities.pem"
    authorities.write_bytes(b"".join(server.authority.read_bytes() for server in (stripe, front, ending)))
    environ = {
        "ENVIRONMENT": "production",
        "DATABASE_ADMIN_URL": postgres.admin_url("mostrador"),
        "DATABASE_URL": postgres.url("mostrador_app", APP, "mostrador"),
        "DATABASE_PLATFORM_URL": postgres.url("mostrador_platform", PLATFORM, "mostrador"),
        "DATABASE_BACKUP_URL": postgres.url("mostrador_backup", BACKUP, "mostrador"),
        "REDIS_URL": redis.url(),
        "TOKEN_SIGNING_KEY": key(),
        "SECRET_KEY": key(),
        "PUBLIC_URL": front.url,
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "CORS_ORIGINS": "https://app.tienda.test",
        "METRICS_TOKEN": key(),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail.port),
        "SMTP_TLS": "none",
        "SMTP_USER": "mostrador",
        "SMTP_PASS": SMTP,
        "MAIL_FROM": "Mostrador <no-responder@tienda.test>",
        "ALERT_EMAIL": "guardia@tienda.test",
        "SLACK_WEBHOOK_URL": f"{outside.url}/slack",
        "ALERT_WEBHOOK_URL": f"{outside.url}/alert",
        "AUDIT_CHECKPOINT_DIR": str(folder / "checkpoints"),
        "STRIPE_SECRET_KEY": "sk_live_of_a_right_installation",
        "STRIPE_WEBHOOK_SECRET": "whsec_of_a_right_installation",
        "STRIPE_URL": stripe.url,
        "BACKUP_STORAGE_URL": (folder / "copies").as_uri(),
    }
    built = House(environ, outside, stripe, front, ending, postgres, redis, folder, evidence, lock)
    admin = await asyncpg.connect(postgres.admin_url())
    await admin.execute("CREATE DATABASE mostrador")
    await admin.close()
    await migrate(read_settings(environ))
    await built.run(*WORKING, kept("backup_run", "good", "1 hour"), kept("backup_drill", "good", "1 day"))
    authority = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(authorities)
    yield built
    os.environ.pop("SSL_CERT_FILE")
    if authority is not None:
        os.environ["SSL_CERT_FILE"] = authority
    for closing in (outside, stripe, front, ending):
        closing.shutdown()
        closing.server_close()
    mail.stop()
    for embedded in (redis, postgres):
        await asyncio.to_thread(embedded.stop)
        await asyncio.to_thread(embedded.remove)


def kept(table: str, status: str, ago: str, error: str | None = None) -> str:
    """That adds a backup, or a drill, that ended so long ago."""
    more = (", reason, object_name", ", 'demand', 'x'") if table == "backup_run" else ("", "")
    said = "NULL" if error is None else f"'{error}'"
    return (
        f"INSERT INTO {table} (id, status, finished_at, error, requested_by{more[0]}) "
        f"VALUES (gen_random_uuid(), '{status}', now() - interval '{ago}', {said}, 'test'{more[1]})"
    )


WORKING = (
    "INSERT INTO worker_heartbeat (queue, worker, beat_at) VALUES ('short', 'test', now() + interval '1 day'), "
    "('long', 'test', now() + interval '1 day')",
)


def names(results: list[Result], state: str = "red") -> set[str]:
    return {result.name for result in results if result.state == state}


async def test_a_right_installation_is_green(house: House) -> None:
    results = await verify(house.context())
    assert [(result.name, result.seen) for result in results if result.state == "red"] == []
    assert names(results, "warning") <= {"development-packages", "DEADMAN_URL"}
    # Whatever was not asked has its reason, and there is little of it.
    assert names(results, "skipped") <= {"pooler", "dian-companies"}
    assert len(names(results, "ok")) >= 28


@dataclass(frozen=True)
class Planted:
    """A fault: what is changed, and the name it must be found by."""

    name: str
    changes: dict[str, str | None] | None = None
    plant: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()


FENCE = "nullif(current_setting('app.tenant_id', true), '')::uuid"
PLANTED = {
    "a key is missing": Planted("SECRET_KEY", {"SECRET_KEY": None}),
    "a key is not random": Planted("SECRET_KEY", {"SECRET_KEY": "QUFB" * 10 + "QUE="}),
    "a key is no key": Planted("TOKEN_SIGNING_KEY", {"TOKEN_SIGNING_KEY": "secreto"}),
    "a number is none": Planted("API_WORKERS", {"API_WORKERS": "dos"}),
    "a URL is of something else": Planted("REDIS_URL", {"REDIS_URL": "http://127.0.0.1/0"}),
    "the example's password": Planted("SMTP_PASS", {"SMTP_PASS": "CHANGE-ME", "SMTP_USER": None}),
    "the example's domain": Planted("ALERT_EMAIL", {"ALERT_EMAIL": "guardia@example.co"}),
    "not production": Planted("ENVIRONMENT", {"ENVIRONMENT": "development"}),
    "a misspelt variable": Planted(
        "ALERT_WEBHOK_URL", {"ALERT_WEBHOK_URL": "https://x.test", "ALERT_WEBHOOK_URL": None}
    ),
    "a short token": Planted("METRICS_TOKEN", {"METRICS_TOKEN": "corto"}),
    "no https": Planted("PUBLIC_URL", {"PUBLIC_URL": "http://127.0.0.1:9"}),
    "everybody's proxy": Planted("TRUSTED_PROXIES", {"TRUSTED_PROXIES": "0.0.0.0/0"}),
    "no proxy": Planted("TRUSTED_PROXIES", {"TRUSTED_PROXIES": None}),
    "everybody's pages": Planted("CORS_ORIGINS", {"CORS_ORIGINS": "*"}),
    "nobody is told": Planted(
        "alert-channels", {"ALERT_EMAIL": None, "SLACK_WEBHOOK_URL": None, "ALERT_WEBHOOK_URL": None}
    ),
    "alerts are off": Planted("ALERTS_ENABLED", {"ALERTS_ENABLED": "false"}),
    "a pooler without a way past it": Planted("DATABASE_DIRECT_URL", {"DATABASE_BEHIND_POOLER": "true"}),
    "a role above the fence": Planted(
        "role:mostrador_app", None, ("ALTER ROLE mostrador_app BYPASSRLS",), ("ALTER ROLE mostrador_app NOBYPASSRLS",)
    ),
    "a role that owns tables": Planted(
        "role:mostrador_app",
        None,
        ("CREATE SCHEMA other", "CREATE TABLE other.mine ()", "ALTER TABLE other.mine OWNER TO mostrador_app"),
        ("DROP SCHEMA other CASCADE",),
    ),
    "a platform role that makes roles": Planted(
        "role:mostrador_platform",
        None,
        ("ALTER ROLE mostrador_platform CREATEROLE",),
        ("ALTER ROLE mostrador_platform NOCREATEROLE",),
    ),
    "a backup role that sees nothing": Planted(
        "role:mostrador_backup",
        None,
        ("ALTER ROLE mostrador_backup NOBYPASSRLS",),
        ("ALTER ROLE mostrador_backup BYPASSRLS",),
    ),
    "a backup role that writes": Planted(
        "role:mostrador_backup",
        None,
        ("GRANT DELETE ON sale TO mostrador_backup",),
        ("REVOKE DELETE ON sale FROM mostrador_backup",),
    ),
    "a table without its fence": Planted(
        "row-security",
        None,
        ("ALTER TABLE sale DISABLE ROW LEVEL SECURITY",),
        ("ALTER TABLE sale ENABLE ROW LEVEL SECURITY",),
    ),
    "a fence its owner may pass": Planted(
        "row-security",
        None,
        ("ALTER TABLE customer NO FORCE ROW LEVEL SECURITY",),
        ("ALTER TABLE customer FORCE ROW LEVEL SECURITY",),
    ),
    "a fence that lets everything be written": Planted(
        "row-security",
        None,
        (
            "DROP POLICY tenant_fence ON product",
            f"CREATE POLICY tenant_fence ON product TO mostrador_app USING (tenant_id = {FENCE}) WITH CHECK (true)",
        ),
        (
            "DROP POLICY tenant_fence ON product",
            f"CREATE POLICY tenant_fence ON product TO mostrador_app USING (tenant_id = {FENCE}) "
            f"WITH CHECK (tenant_id = {FENCE})",
        ),
    ),
    "a second door": Planted(
        "policies", None, ("CREATE POLICY help ON sale USING (true)",), ("DROP POLICY help ON sale",)
    ),
    "older tables": Planted(
        "migrations",
        None,
        (
            "CREATE TABLE kept AS SELECT * FROM alembic_version",
            "UPDATE alembic_version SET version_num = '0001_tenants'",
        ),
        ("UPDATE alembic_version SET version_num = (SELECT version_num FROM kept)", "DROP TABLE kept"),
    ),
    "a column made by hand": Planted(
        "drift", None, ("ALTER TABLE product ADD COLUMN by_hand text",), ("ALTER TABLE product DROP COLUMN by_hand",)
    ),
    "an index by halves": Planted(
        "indexes",
        None,
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audit_entry_at'::regclass",),
        ("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'ix_audit_entry_at'::regclass",),
    ),
    "acknowledged before it is written": Planted(
        "synchronous_commit",
        None,
        ("ALTER ROLE mostrador_app SET synchronous_commit = off",),
        ("ALTER ROLE mostrador_app RESET synchronous_commit",),
    ),
    "more processes than connections": Planted("connections", {"API_WORKERS": "30", "DATABASE_POOL_SIZE": "20"}),
    "a password that is not the role's": Planted("DATABASE_PLATFORM_URL", {"DATABASE_PLATFORM_URL": "wrong"}),
    "Redis is not there": Planted("redis", {"REDIS_URL": "redis://:a-password-long-enough@127.0.0.1:9/0"}),
    "Redis has another password": Planted("redis", {"REDIS_URL": "other"}),
    "mail does not let us in": Planted("smtp-login", {"SMTP_PASS": "another"}),
    "mail is not there": Planted("smtp", {"SMTP_PORT": "9"}),
    "mail from nowhere": Planted("MAIL_FROM", {"MAIL_FROM": "mostrador@localhost"}),
    "Slack's link was taken back": Planted("slack", {"SLACK_WEBHOOK_URL": "/gone"}),
    "the webhook is gone": Planted("alert-webhook", {"ALERT_WEBHOOK_URL": "/gone"}),
    "a test key in production": Planted("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "sk_test_51"}),
    "no secret of Stripe's events": Planted("STRIPE_WEBHOOK_SECRET", {"STRIPE_WEBHOOK_SECRET": "sk_live_wrong"}),
    "a folder that is none": Planted("checkpoint-folder", {"AUDIT_CHECKPOINT_DIR": "/proc/nothing"}),
    "a certificate near its end": Planted("tls", {"PUBLIC_URL": "ending"}),
}


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_planted_fault_is_found_by_its_name(house: House, fault: str) -> None:
    planted = PLANTED[fault]
    changes = {name: _meant(house, value) for name, value in (planted.changes or {}).items()}
    await house.run(*planted.plant)
    try:
        checks = tuple(check for check in CHECKS if check.name != "drift" or planted.name == "drift")
        results = await verify(house.context(changes), checks)
    finally:
        await house.run(*planted.mend)
    # A certificate's other address is not the one Stripe knows.
    beside = {"stripe-endpoint"} if "PUBLIC_URL" in changes else set()
    if "PUBLIC_URL" in changes and planted.name == "PUBLIC_URL":
        beside.add("api")
    assert planted.name in names(results), [(one.name, one.seen) for one in results if one.state == "red"]
    assert names(results) - beside == {planted.name}
    found = next(result for result in results if result.name == planted.name)
    assert found.seen
    assert found.cure


def _meant(house: House, value: str | None) -> str | None:
    match value:
        case "/gone":
            return f"{house.outside.url}/gone"
        case "wrong":
            return house.postgres.url("mostrador_platform", "not-the-password-of-it", "mostrador")
        case "other":
            return house.redis.url().replace(house.redis.password, "another-password-of-it")
        case "ending":
            return house.ending.url
        case _:
            return value


async def test_postgresql_that_is_not_there(house: House) -> None:
    nowhere = "postgresql://someone:a-password-long-enough@127.0.0.1:9/mostrador"
    gone: dict[str, str | None] = {}
    for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_BACKUP_URL", "DATABASE_ADMIN_URL"):
        gone[name] = nowhere
    results = await verify(house.context(gone))
    assert {"postgresql", "DATABASE_URL"} <= names(results)
    skipped = [result.seen for result in results if result.name == "row-security"]
    assert skipped == ["depende de postgresql"]


async def test_redis_that_throws_away(house: House) -> None:
    client: Redis = Redis.from_url(house.redis.url())
    await client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert names(await verify(house.context(), _only("redis-policy"))) == {"redis-policy"}
    finally:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.aclose()


async def test_a_clock_that_is_wrong(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "time", SimpleNamespace(time=lambda: time.time() + 30))
    assert names(await verify(house.context(), _only("clock"))) == {"clock"}


async def test_a_disk_that_is_full(house: House) -> None:
    assert names(await verify(house.context(least_free=10**18), _only("disk"))) == {"disk"}


async def test_tests_of_another_commit(house: House, tmp_path: Path) -> None:
    other = tmp_path / "green.json"
    other.write_bytes(json_of({"commit": "0" * 40, "at": "", "audit": "clean"}))
    assert names(await verify(house.context(evidence=other), _only("tested"))) == {"tested"}
    assert names(await verify(house.context(evidence=tmp_path / "none"), _only("tested"))) == {"tested"}
    other.write_bytes(json_of({"commit": commit(), "at": "", "audit": "requests 2.0: CVE-2026-0001"}))
    assert names(await verify(house.context(evidence=other), _only("tested"))) == {"dependency-audit"}


async def test_packages_that_were_not_tested(house: House, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text('redis[hiredis]==0.1 \\\n    --hash=sha256:00\nabsent-on-linux==1.0 ; sys_platform == "win32"\n')
    results = await verify(house.context(lock=lock), _only("packages"))
    assert names(results) == {"packages"}
    assert "redis" in results[0].seen


async def test_what_runs_is_of_another_release(house: House) -> None:
    house.front.answers["/health"] = (200, json_of({"status": "ok", "warnings": [], "version": "0.0.9+old"}))
    try:
        assert names(await verify(house.context(), _only("api"))) == {"api-release"}
    finally:
        house.front.answers["/health"] = (200, json_of({"status": "ok", "warnings": [], "version": release()}))


async def test_a_worker_that_is_silent(house: House) -> None:
    await house.run("DELETE FROM worker_heartbeat WHERE queue = 'long'")
    try:
        assert names(await verify(house.context(), _only("workers"))) == {"workers"}
    finally:
        await house.run("DELETE FROM worker_heartbeat", *WORKING)


async def test_stripe_that_tells_somebody_else(house: House) -> None:
    right = house.stripe.answers["/v1/webhook_endpoints"]
    try:
        for endpoint in (
            {"url": "https://other.test", "status": "enabled", "enabled_events": ["*"]},
            {"url": f"{house.front.url}/billing/webhooks/stripe", "status": "disabled", "enabled_events": ["*"]},
            {
                "url": f"{house.front.url}/billing/webhooks/stripe",
                "status": "enabled",
                "enabled_events": ["invoice.paid"],
            },
        ):
            house.stripe.answers["/v1/webhook_endpoints"] = (200, json_of({"data": [endpoint]}))
            assert names(await verify(house.context(), _only("stripe-endpoint"))) == {"stripe-endpoint"}
        house.stripe.answers["/v1/webhook_endpoints"] = (401, b"{}")
        assert names(await verify(house.context(), _only("stripe-endpoint"))) == {"STRIPE_SECRET_KEY"}
    finally:
        house.stripe.answers["/v1/webhook_endpoints"] = right


async def test_a_company_that_issues_and_cannot_go_on_is_named(house: House) -> None:
    app = create_litestar(read_settings(house.environ | {"ENVIRONMENT": "test"}))
    async with app.lifespan():
        transport = httpx.ASGITransport(app=dressed(app, app.state.settings))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
            shop = await sign_up(http)
    await house.run(
        f"INSERT INTO dian_setting (tenant_id, is_enabled, software_id, software_pin) VALUES ('{shop.tenant_id}', true, 'x', 'x')"
    )
    results = await verify(house.context(), _only("dian-companies"))
    assert [result.state for result in results] == ["warning"]
    assert shop.tenant_id in results[0].seen
    assert "certificado" in results[0].seen


@pytest.mark.parametrize(("table", "check"), [("backup_run", "backup"), ("backup_drill", "restore-drill")])
async def test_backups_that_are_old_or_failed(house: House, table: str, check: str) -> None:
    try:
        await house.run(f"DELETE FROM {table}")
        assert names(await verify(house.context(), _only(check))) == {check}
        await house.run(kept(table, "good", "20 days"))
        assert names(await verify(house.context(), _only(check))) == {check}
        await house.run(kept(table, "good", "1 hour"))
        assert names(await verify(house.context(), _only(check))) == set()
        await house.run(kept(table, "failed", "1 minute", "disk full"))
        results = await verify(house.context(), _only(check))
        assert names(results) == {check}
        assert any("disk full" in result.seen for result in results)
    finally:
        await house.run(f"DELETE FROM {table}", kept(table, "good", "1 hour"))


async def test_a_check_that_breaks_is_red_and_stops_no_other(house: House) -> None:
    async def breaks(_context: Context) -> list[Any]:
        raise ZeroDivisionError("planted")

    check = Check(name="breaks", area="x", title="x", ask=breaks)
    results = await verify(house.context(), (check, *_only("clock")))
    assert (results[0].name, results[0].state) == ("breaks", "red")
    assert results[-1].state == "ok"
    after = Check(name="after", area="x", title="x", ask=breaks, needs=("breaks",))
    assert (await answer(after, house.context(), frozenset({"breaks"})))[0].state == "skipped"


def test_the_command_says_it_all_and_its_code_too(house: House) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE", "HOME") if name in os.environ}
    words = [sys.executable, "-m", "app.cli", "verify", "--evidence", str(house.evidence), "--lock", str(house.lock)]
    words += ["--least-free-gb", "1"]
    good = subprocess.run([*words, "--json"], env=kept | house.environ, capture_output=True, text=True, check=False)
    told = json.loads(good.stdout)
    assert (good.returncode, told["ok"], told["release"]) == (0, True, release()), good.stdout + good.stderr
    bad = subprocess.run(
        words, env=kept | house.environ | {"METRICS_TOKEN": "corto"}, capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1
    assert "ROJO   METRICS_TOKEN" in bad.stdout
    assert "→ " in bad.stdout


def test_no_two_checks_have_one_name_and_needs_come_first() -> None:
    seen: list[str] = []
    for check in CHECKS:
        assert check.name not in seen
        assert set(check.needs) <= set(seen)
        seen.append(check.name)
    assert package.__doc__


def _only(name: str) -> tuple[Check, ...]:
    return tuple(
        Check(name=check.name, area=check.area, title=check.title, ask=check.ask)
        for check in CHECKS
        if check.name == name
    )


def test_thirty_faults_are_planted() -> None:
    assert len(PLANTED) >= 40
    assert len({planted.name for planted in PLANTED.values()}) >= 30
