"""A company's own export, brought into an empty installation with other keys: the same rows, and the same figures over HTTP."""

import asyncio
import base64
import os
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy.engine import make_url

from app.asgi import create_litestar, dressed
from app.db.session import Database
from app.domain.backups.company.export import CompanyMade
from app.domain.backups.company.format import SEALED, CompanyManifest, member
from app.domain.backups.company.reading import open_plain
from app.domain.backups.company.restore import restore_new
from app.domain.backups.keys import BackupKeys
from app.domain.backups.platform.desk import storage_of
from app.domain.backups.stored import read_archive
from app.lib.passwords import hash_password
from app.settings import Settings, read_settings
from tests.conftest import copy_template, in_database
from tests.contract.cases import CASES
from tests.contract.company import Company, new_company
from tests.contract.routes import Call, Route, send
from tests.domain.backups.house import archive_of
from tests.shop import Shop

CHANGED_ROWS: Final = {
    "audit_entry": "one more: that it was brought in",
    "audit_head": "the end of the trail, after that entry",
    "audit_checkpoint": "signed by the installation it came from",
    "audit_archive": "likewise",
    "dian_setting": "its PIN was sealed there: switched off",
    "dian_certificate": "sealed there: retired",
    "document_range": "its technical key was sealed there",
    "person_key": "wrapped there; new entries make new keys",
    "webhook_endpoint": "its secret was sealed there: removed",
    "webhook_secret": "sealed there",
    "webhook_feed": "nobody listens",
    "webhook_delivery": "what was on its way is not sent from here",
    "document_delivery_state": "likewise",
    "api_key": "its session stayed there: revoked",
    "subscription": "paid to the operator there",
    "subscription_transition": "likewise",
    "billing_invoice": "likewise",
    "billing_notice": "likewise",
    "mrr_movement": "likewise",
    "company_alert_mail": "what was on its way is not mailed from here",
}
"""Tables that may differ between the two exports, and why. Every other one is the same to the last byte."""

OTHER_ANSWERS: Final = {
    "/v1/me": "the account: when it last came in",
    "/v1/me/sessions": "logins are of an installation",
    "/v1/me/totp": "second factors do not travel",
    "/v1/members": "when people last came in",
    "/v1/api-keys": "revoked",
    "/v1/company/onboarding": "DIAN is to be set up again",
    "/v1/dian/settings": "switched off",
    "/v1/dian/ranges": "no technical key",
    "/v1/webhooks/endpoints": "removed",
    "/v1/webhooks/endpoints/{endpoint_id}": "removed",
    "/v1/webhooks/deliveries": "their endpoint is removed",
    "/v1/webhooks/deliveries/{delivery_id}": "likewise",
    "/v1/audit/entries": "one more; personal fields were sealed under keys that stay behind",
    "/v1/audit/verify": "one more entry, and those that came along",
    "/v1/audit/export": "likewise",
    "/v1/support-accesses": "of the staff there",
    "/v1/company/notices": "that the staff there looks in",
    "/v1/dian/readiness": "DIAN is to be set up again",
    "/v1/privacy/customers/{customer_id}/export": "personal fields of the trail stay sealed under keys that stay behind",
    "/v1/privacy/members/{user_id}/export": "likewise",
    "/v1/billing/plans": "what the operator there sells",
    "/v1/demo": "a person's sample, not the company's",
    "/v1/reports/live": "a stream of the moment",
    "/v1/backups": "archives stay in their store",
    "/v1/backups/{backup_id}": "likewise",
    "/v1/backups/{backup_id}/download": "likewise",
    "/v1/backups/restores": "likewise",
    "/v1/backups/restores/{restore_id}": "likewise",
}
"""Routes that may answer otherwise, and why. Every other GET of the API answers the same, every figure to the cent."""


OF_THE_MOMENT: Final = re.compile(r"^/at: |/generatedAt: |/url: .*[?]expires=|^/nextCursor: ")
"""When an answer was made, links that each installation signs, and how far a feed was read, by its own count of changes."""


@asynccontextmanager
async def another_installation(environ: dict[str, str], folder: Path) -> AsyncIterator[tuple[Settings, Database, Any]]:
    """An empty database, other keys, an API over it."""
    name = f"{make_url(environ['DATABASE_URL']).database}_elsewhere"
    await copy_template(environ["DATABASE_ADMIN_URL"], name)
    own = {
        "SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        "TOKEN_SIGNING_KEY": base64.b64encode(os.urandom(32)).decode(),
        "BACKUP_STORAGE_URL": (folder / "respaldos").as_uri(),
    }
    settings = read_settings(in_database(environ, name) | own)
    app = create_litestar(settings)
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await done.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, asyncio.ensure_future(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    transport = httpx.ASGITransport(app=dressed(app, settings))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://elsewhere.test", timeout=60) as http:
        yield settings, app.state.database, http
    done.set()
    await living


async def plain(database: Database, made: CompanyMade, path: Path) -> Path:
    """The archive as its owner downloads it."""
    with path.open("wb") as file:

        async def sink(piece: bytes) -> None:
            file.write(piece)

        keys = BackupKeys.of(database.settings)
        await read_archive(storage_of(database.settings), made.object_name, keys, CompanyManifest, sink)
    return path


def canonical(path: Path) -> dict[str, list[bytes]]:
    """Every table's lines, sorted, each with sorted members."""
    with zipfile.ZipFile(path) as zipped:
        return {
            name: sorted(
                msgspec.json.encode(msgspec.json.decode(line), order="sorted")
                for line in zipped.read(name).splitlines()
            )
            for name in zipped.namelist()
            if name.endswith(".ndjson")
        }


async def let_in(settings: Settings, http: httpx.AsyncClient, shop: Shop) -> Shop:
    """The owner, once they have a password there: mail is another test's subject."""
    admin = await asyncpg.connect(settings.database_admin_url)
    hashed = await hash_password(shop.password)
    await admin.execute(
        "UPDATE app_user SET password_hash = $2, email_verified_at = now() WHERE email = $1", shop.email, hashed
    )
    await admin.close()
    answer = await http.post("/v1/auth/login", json={"email": shop.email, "password": shop.password})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Shop(
        http, body["accessToken"], body["tenant"], body["user"], body["refreshToken"], shop.email, shop.password
    )


def figures(body: Any) -> int:
    """How many numbers and amounts a JSON answer has."""
    if isinstance(body, dict):
        return sum(figures(value) for value in body.values())
    if isinstance(body, list):
        return sum(figures(value) for value in body)
    if isinstance(body, bool) or body is None:
        return 0
    return int(
        isinstance(body, (int, float)) or (isinstance(body, str) and body.replace(".", "", 1).lstrip("-").isdigit())
    )


def differing(was: Any, now: Any, at: str = "") -> list[str]:
    """JSON pointers of what two answers do not say alike."""
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        return [found for name in was for found in differing(was[name], now[name], f"{at}/{name}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [found for n, (a, b) in enumerate(zip(was, now, strict=True)) for found in differing(a, b, f"{at}/{n}")]
    return [] if was == now else [f"{at}: {was!r} != {now!r}"]


async def calls_of(company: Company) -> dict[Route, Call]:
    """Every GET of the API with ids of this company."""
    return {route: await case.make(company) for route, case in CASES.items() if route[0] == "GET"}


@pytest.mark.timeout(300)
async def test_an_export_lives_on_in_another_installation(
    http: httpx.AsyncClient, database: Database, environ: dict[str, str], tmp_path: Path
) -> None:
    company = await new_company(http, database)
    session, product = await company.session(), await company.shop.product()
    for quantity in ("1", "2", "3"):
        sold = await company.shop.sell(session, [{"productId": product["id"], "quantity": quantity}], "50000")
        assert sold.status_code == 201, sold.text
    tenant_id = UUID(company.shop.tenant_id)
    calls = await calls_of(company)
    first = await plain(database, await archive_of(database, tenant_id), tmp_path / "empresa.zip")
    async with another_installation(environ, tmp_path) as (settings, there, their_http):
        async with open_plain(first) as archive:
            report = await restore_new(
                there, archive, tenant_id, UUID(company.shop.user["id"]), beside=False, trail={"by": "prueba"}
            )
            rows = archive.contents.rows
        second = await plain(there, await archive_of(there, tenant_id), tmp_path / "otra.zip")
        was, now = canonical(first), canonical(second)
        assert was.keys() == now.keys()
        different = {name for name in was if was[name] != now[name]}
        assert different <= {member(table) for table in CHANGED_ROWS}, different
        assert {member(table) for table, _ in SEALED} & was.keys() == {member(table) for table, _ in SEALED}
        entries = member("audit_entry")
        assert set(was[entries]) < set(now[entries])
        assert len(now[entries]) == len(was[entries]) + 1
        shop = await let_in(settings, their_http, company.shop)
        told = compared = 0
        wrong: list[str] = []
        for route, call in sorted(calls.items()):
            here = await send(company, route, call)
            copy = await send(Company(shop, there), route, call)
            if route[1] in OTHER_ANSWERS:
                continue
            compared += 1
            if copy.status_code != here.status_code:
                wrong.append(f"{route[1]}: {here.status_code}, there {copy.status_code} {copy.text[:200]}")
            elif "json" in here.headers.get("content-type", ""):
                found = [one for one in differing(here.json(), copy.json()) if not OF_THE_MOMENT.search(one)]
                wrong += [f"{route[1]}{one}" for one in found]
                told += figures(here.json())
            elif copy.content != here.content:
                wrong.append(f"{route[1]}: other content")
        assert not wrong, "\n".join(wrong)
        print(
            f"\nexport, import elsewhere, export: {rows} rows in {len(was) - 1} tables, {report.duration_ms / 1000:.1f} s; "
            f"{len(was) - len(different)} of {len(was)} files identical, the others: {sorted(different)}; "
            f"{compared} routes answered the same, {told} figures among them"
        )
        assert compared > 60
        assert told > 300
