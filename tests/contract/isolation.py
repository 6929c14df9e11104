"""A stranger's attacks on every route of the OpenAPI document, in a world whose fences can be taken down one by one."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt
from asyncpg.connection import Connection
from litestar import Litestar

from app.asgi import create_litestar
from app.db.session import Database
from app.domain.accounts.sessions import Sessions
from app.lib import clock
from app.lib.edge import Edge
from app.lib.openapi import document_of
from app.settings import Settings, read_settings
from tests.conftest import copy_template, in_database
from tests.contract.cases import CASES
from tests.contract.company import Company, new_company
from tests.contract.routes import WITHOUT_COMPANY, Call, Case, Route, ids_in, kind_of, of_staff, send, with_value

METHODS = {"get", "post", "put", "patch", "delete"}


# What the document says.


def operations(document: dict[str, Any]) -> dict[Route, dict[str, Any]]:
    """Every operation of the document with its parameters and body."""
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def uuids_of_body(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """JSON pointers of the ids that a body may name; the resource's own `id` is the client's choice."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return {pointer for pointer in _uuids(document, schema, "", ()) if pointer != "/id"}


def _uuids(document: dict[str, Any], schema: dict[str, Any], pointer: str, way: tuple[str, ...]) -> Iterator[str]:
    if reference := schema.get("$ref"):
        if reference not in way:
            name = reference.rpartition("/")[2]
            yield from _uuids(document, document["components"]["schemas"][name], pointer, (*way, reference))
        return
    if schema.get("format") == "uuid":
        yield pointer
    for kind in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(kind, []):
            yield from _uuids(document, inner, pointer, way)
    for name, inner in schema.get("properties", {}).items():
        yield from _uuids(document, inner, f"{pointer}/{name}", way)
    if isinstance(items := schema.get("items"), dict):
        yield from _uuids(document, items, f"{pointer}/0", way)


def uuids_of(operation: dict[str, Any], document: dict[str, Any], place: str) -> set[str]:
    """Names of the ids among the parameters of a place: `path` or `query`."""
    named = document["components"].get("parameters", {})
    found = [named[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in operation.get("parameters", [])]
    return {p["name"] for p in found if p["in"] == place and "uuid" in json.dumps(p.get("schema", {}))}


def unknown_ids(document: dict[str, Any]) -> list[str]:
    """Ids that the document lets a client send and that no case of `cases.py` tries with another company's."""
    found: list[str] = []
    for route, operation in operations(document).items():
        if route in WITHOUT_COMPANY or of_staff(route):
            continue
        if route not in CASES:
            found.append(f"{' '.join(route)}: no case")
            continue
        case = CASES[route]
        untried = uuids_of_body(document, operation) - set(case.references) - set(case.named)
        found += [f"{case.name}: {pointer} of the body is in no `references` or `named`" for pointer in untried]
        untried = uuids_of(operation, document, "query") - set(case.queries)
        found += [f"{case.name}: ?{name}= is in no `queries`" for name in untried]
    return found


# Fences.

_OF_COMPANY = re.compile(r"(?:\b\w+\.)?\btenant_id = (\$\d+)(?:::UUID)?(?! *,)", re.IGNORECASE)
STRIPPED: Counter[str] = Counter()
"""Database to how many prepared statements lost their predicate."""


def strip(statement: str) -> str:
    """A statement without its conditions on the company; its parameters stay, and so do joins and what is written."""
    return _OF_COMPANY.sub(r"(\1::uuid IS NULL OR true)", statement)


@asynccontextmanager
async def predicates_stripped(database: str, spared: str) -> AsyncIterator[None]:
    """Every statement of the application's role in a database runs without naming the company, on engine and lane alike.

    Except those that name `spared`, if that is a name.
    """
    own = Connection._get_statement

    async def get_statement(self: Any, query: str, *rest: Any, **named: Any) -> Any:
        parameters = self._params
        if parameters.user == "mostrador_app" and parameters.database == database:
            bare = query if spared and spared in query else strip(query)
            STRIPPED[database] += bare != query
            query = bare
        return await own(self, query, *rest, **named)

    Connection._get_statement = get_statement
    try:
        yield
    finally:
        Connection._get_statement = own


_FENCED = (
    "SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'id' "
    "AND a.atttypid = 'uuid'::regtype) AS has_id FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid "
    "WHERE p.polname = 'tenant_fence' ORDER BY 1"
)
_POLICIES = "SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'"


@dataclass
class World:
    """Two companies in a database of their own, with the fences that are wanted."""

    app: Litestar
    database: Database
    admin: asyncpg.Connection  # pyright: ignore[reportInvalidTypeArguments]
    company: Company
    stranger: Company
    settings: Settings
    tables: dict[str, bool]
    """Those of companies, and whether they have an id."""
    tokens: dict[str, str] = field(default_factory=dict)

    async def state(self, company: Company) -> str:
        """A print of all of a company's rows."""
        prints = " UNION ALL ".join(
            f"SELECT '{table} ' || count(*) || ' ' || coalesce(bit_xor(hashtextextended(t::text, 0)), 0) AS print "
            f"FROM {table} t WHERE tenant_id = $1"
            for table in self.tables
        )
        return str(
            await self.admin.fetchval(
                f"SELECT string_agg(print, ', ' ORDER BY print) FROM ({prints}) p", UUID(company.shop.tenant_id)
            )
        )

    async def secrets(self, company: Company) -> set[str]:
        """Ids of all of a company's rows, and texts that only it wrote."""
        ids = " UNION ALL ".join(
            f"SELECT id FROM {table} WHERE tenant_id = $1" for table, has_id in self.tables.items() if has_id
        )
        rows = await self.admin.fetch(ids, UUID(company.shop.tenant_id))
        return {str(row["id"]) for row in rows} | set(company.names) | {company.shop.tenant_id}


@asynccontextmanager
async def world(
    environ: dict[str, str], name: str, *, policies: bool, predicates: bool, spared: str = ""
) -> AsyncIterator[World]:
    """Two companies behind the fences that are wanted: row level security, and the predicates of the statements."""
    await copy_template(environ["DATABASE_ADMIN_URL"], name)
    settings = read_settings(in_database(environ, name))
    assert settings.database_admin_url
    admin = await asyncpg.connect(settings.database_admin_url)
    tables = {row["relname"]: row["has_id"] for row in await admin.fetch(_FENCED)}
    if not policies:
        for row in await admin.fetch(_POLICIES):
            await admin.execute(f'DROP POLICY "{row["policyname"]}" ON "{row["tablename"]}"')
            await admin.execute(f'ALTER TABLE "{row["tablename"]}" DISABLE ROW LEVEL SECURITY')
    app = create_litestar(settings)
    done = asyncio.Event()
    living = asyncio.create_task(_live(app, done))
    transport = httpx.ASGITransport(app=Edge(app, settings.trusted_proxies))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
        try:
            database: Database = app.state.database
            company, stranger = await new_company(http, database), await new_company(http, database)
            made = World(app, database, admin, company, stranger, settings, tables)
            made.tokens = await _tokens(made)
            if predicates:
                yield made
            else:
                STRIPPED[name] = 0
                # What was prepared with its predicates must not serve again.
                await database.engine.dispose()
                await app.state.lane.close()
                async with predicates_stripped(name, spared):
                    yield made
        finally:
            done.set()
            await living
            await admin.close()


async def _live(app: Litestar, done: asyncio.Event) -> None:
    async with app.lifespan():
        await done.wait()


async def _tokens(made: World) -> dict[str, str]:
    """Tokens that do not count, each for its own reason, all of the attacked company but the last two."""
    company, issuer = made.company.shop, made.app.state.tokens
    user, tenant = UUID(company.user["id"]), UUID(company.tenant_id)
    own = jwt.decode(company.token, options={"verify_signature": False})
    async with made.database.person_transaction(user_id=user) as work:
        await work.pin(tenant_id=tenant, user_id=user)
        ended = await Sessions(work).begin(user, tenant, "", "")
        await Sessions(work).end(ended.session_id, user)
    outsider = UUID(made.stranger.shop.user["id"])
    outside = UUID(jwt.decode(made.stranger.shop.token, options={"verify_signature": False})["sid"])
    return {
        "no token": "",
        "expired": issuer.issue(
            user_id=user, tenant_id=tenant, session_id=UUID(own["sid"]), at=clock.now() - timedelta(hours=1)
        ),
        "wrong type": jwt.encode(own | {"typ": "refresh"}, issuer._private, algorithm="EdDSA"),
        "a refresh token": company.refresh_token,
        "another key": jwt.encode(own, uuid4().hex * 2, algorithm="HS256"),
        "no signature": jwt.encode(own, "", algorithm="none"),
        "revoked": issuer.issue(user_id=user, tenant_id=tenant, session_id=ended.session_id),
        "not a member": issuer.issue(user_id=outsider, tenant_id=tenant, session_id=outside),
        "another's session": issuer.issue(user_id=user, tenant_id=tenant, session_id=outside),
    }


# Attacks.


@dataclass(frozen=True)
class Attack:
    """One request that must reveal and change nothing."""

    what: str
    call: Call
    token: str | None
    statuses: frozenset[int]
    query: dict[str, str] | None = None
    refused: bool = True
    """Whether nothing of anybody's may change; otherwise only nothing of the attacked company."""


NOBODY = frozenset({401, 403})
NOT_FOUND = frozenset({404})
UNKNOWN = frozenset({422})
ANYTHING = frozenset({200, 201, 204, 400, 404, 409, 422})
FINE = frozenset({200, 201, 202, 204})


async def attacks(made: World, case: Case) -> AsyncIterator[Attack]:
    """Everything that is tried on a route: no valid token, another company's ids, and what lists show by themselves."""
    company, stranger = made.company, made.stranger
    theirs = await case.make(company)
    for what, token in made.tokens.items():
        yield Attack(what, theirs, token, NOBODY)
    own = await case.make(stranger)
    for name in ids_in(own.path):
        foreign = {**own.path, name: company.ids[kind_of(name)]}
        yield Attack(f"foreign {name}", Call(foreign, own.body, own.content), None, NOT_FOUND)
    if ids_in(own.path):
        yield Attack("the other's own request", theirs, None, NOT_FOUND)
    for pointer, kind in case.references.items():
        body = with_value(own.body, pointer, company.ids[kind])
        yield Attack(f"foreign {pointer}", Call(own.path, body), None, UNKNOWN)
    for pointer, kind in case.named.items():
        body = with_value(own.body, pointer, company.ids[kind])
        yield Attack(f"named {pointer}", Call(own.path, body), None, ANYTHING, refused=False)
    for name, kind in case.queries.items():
        yield Attack(
            f"foreign ?{name}", own, None, FINE | NOT_FOUND | UNKNOWN, {name: company.ids[kind]}, refused=False
        )
    if not own.path:
        yield Attack("its own request", own, None, FINE, refused=False)


@dataclass
class Findings:
    """What attacks came to."""

    routes: int = 0
    requests: int = 0
    faults: list[str] = field(default_factory=list)
    leaking: set[Route] = field(default_factory=set)
    changing: set[Route] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    """Ids that the stranger could write down in their own company, where they may read them again."""
    breaking: set[Route] = field(default_factory=set)
    """Found more than one row where one was meant."""


async def attack_all(made: World) -> Findings:
    """Attack every route of the document."""
    document = json.loads(document_of(made.app))
    found = Findings()
    for route in operations(document):
        if route not in WITHOUT_COMPANY and not of_staff(route):
            found.routes += 1
            await _attack(made, CASES[route], found)
    return found


async def _attack(made: World, case: Case, found: Findings) -> None:
    # Of the attacked company's rows as they are now; later ones were not there to be told.
    secrets: set[str] | None = None
    async for attack in attacks(made, case):
        if secrets is None:
            secrets = await made.secrets(made.company)
        before = await made.state(made.company), await made.state(made.stranger)
        answer = await send(made.stranger, case.route, attack.call, token=attack.token, query=attack.query)
        after = await made.state(made.company), await made.state(made.stranger)
        found.requests += 1
        asked = f"{attack.call.path} {attack.call.body} {attack.query}"
        told = [secret for secret in secrets - found.sent if secret in answer.text and secret not in asked]
        if attack.what.startswith("named ") and answer.is_success:
            found.sent |= {made.company.ids[kind] for kind in case.named.values()}
        fault = None
        if answer.status_code not in attack.statuses:
            fault = f"answered {answer.status_code} {answer.text[:300]}"
        elif before[0] != after[0] or (attack.refused and before != after):
            fault = "changed something"
        elif told:
            fault = f"told {told[:3]}"
        if told or (answer.is_success and attack.refused):
            found.leaking.add(case.route)
        if before[0] != after[0]:
            found.changing.add(case.route)
        if fault:
            found.faults.append(f"{case.name}, {attack.what}: {fault}")


async def raid(made: World) -> Findings:
    """Another company's ids alone, in a world without fences: what that breaks on the way is noted and passed over."""
    found = Findings()
    for case in CASES.values():
        found.routes += 1
        secrets = await made.secrets(made.company)
        try:
            own = await case.make(made.stranger)
        except Exception:
            own = Call(dict.fromkeys(re.findall(r"{(\w+)}", case.route[1]), ""))
        path = own.path | {name: made.company.ids[kind_of(name)] for name in ids_in(own.path)}
        asked = f"{path} {own.body}"
        before = await made.state(made.company)
        try:
            answer = await send(made.stranger, case.route, Call(path, own.body, own.content))
        except Exception:
            # A stream that broke off: its first rows were sent.
            found.breaking.add(case.route)
            continue
        found.requests += 1
        told = any(secret in answer.text and secret not in asked for secret in secrets)
        if told or (answer.is_success and path and case.route[0] == "GET"):
            found.leaking.add(case.route)
        if answer.status_code == 500:
            found.breaking.add(case.route)
        if before != await made.state(made.company):
            found.changing.add(case.route)
    return found
