"""Every route of the operator's staff with every role, with nobody's and everybody's tokens, and with hostile bodies."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text as sql

from app.db.platform import MonitorAlert
from app.db.session import Database
from app.lib import clock
from app.lib.matrix import read_staff_markdown, staff_rows_of
from app.lib.nit import check_digit
from app.lib.staff import STAFF_PERMISSIONS, STAFF_ROLES
from tests.contract.company import Company
from tests.contract.routes import Call, Route, of_staff, routes_of
from tests.contract.test_hostile import Target, attack
from tests.shop import forget_tries, sign_up
from tests.staff import PASSWORD, StaffPerson, staff

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "PERMISOS.md"
TABLE: Final = read_staff_markdown(DOCUMENT.read_text(encoding="utf-8"))


class World:
    """A company, and somebody of each role."""

    def __init__(self, http: httpx.AsyncClient, database: Database, people: dict[str, StaffPerson]) -> None:
        self.http = http
        self.database = database
        self.people = people

    async def tenant(self) -> str:
        return (await sign_up(self.http)).tenant_id

    async def colleague(self) -> str:
        body = {"email": f"{uuid4().hex}@operador.test", "name": "Luis", "role": "ops"}
        return str((await self.people["admin"].post("/v1/provider/staff", body)).json()["id"])

    async def access(self, person: StaffPerson) -> str:
        return (await person.open(await self.tenant())).access_id


Make = Callable[[World, StaffPerson], Awaitable[Call]]
CALLS: dict[Route, Make] = {}


def call(method: str, path: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        CALLS[method, path] = make
        return make

    return add


async def _nothing(_world: World, _person: StaffPerson) -> Call:
    return Call()


for _path in (
    *("me", "staff", "trail", "tenants", "support-accesses"),
    *("alerts", "alerts/channels", "alerts/silences", "jobs", "schedules", "schedules/runs"),
):
    CALLS["GET", f"/v1/provider/{_path}"] = _nothing


@call("POST", "/v1/provider/me/password")
async def _password(world: World, _person: StaffPerson) -> Call:
    await forget_tries(world.database.settings)
    return Call(body={"currentPassword": PASSWORD, "password": f"{uuid4().hex} pasta {uuid4().hex}"})


@call("POST", "/v1/provider/me/totp")
async def _totp(world: World, _person: StaffPerson) -> Call:
    await forget_tries(world.database.settings)
    return Call(body={"currentPassword": PASSWORD})


@call("POST", "/v1/provider/me/totp/confirm")
async def _confirm(world: World, _person: StaffPerson) -> Call:
    await forget_tries(world.database.settings)
    return Call(body={"code": "000000"})


@call("POST", "/v1/provider/staff")
async def _create(_world: World, _person: StaffPerson) -> Call:
    return Call(body={"email": f"{uuid4().hex}@operador.test", "name": "Luis", "role": "support"})


@call("PATCH", "/v1/provider/staff/{staff_id}")
async def _change(world: World, _person: StaffPerson) -> Call:
    return Call({"staff_id": await world.colleague()}, {"name": "Otro", "role": "billing", "active": True})


@call("POST", "/v1/provider/staff/{staff_id}/reset")
async def _reset(world: World, _person: StaffPerson) -> Call:
    return Call({"staff_id": await world.colleague()})


@call("POST", "/v1/provider/tenants")
async def _found(_world: World, _person: StaffPerson) -> Call:
    nit = str(900_000_000 + uuid4().int % 99_999_999)
    return Call(
        body={
            "company": {"name": "Tienda", "nit": f"{nit}-{check_digit(nit)}"},
            "owner": {"name": "Ana", "email": f"{uuid4().hex}@tienda.test"},
            "plan": "pro",
            "id": str(uuid4()),
        }
    )


@call("GET", "/v1/provider/tenants/{tenant_id}")
async def _read(world: World, _person: StaffPerson) -> Call:
    return Call({"tenant_id": await world.tenant()})


@call("POST", "/v1/provider/tenants/{tenant_id}/suspend")
@call("POST", "/v1/provider/tenants/{tenant_id}/close")
async def _move(world: World, _person: StaffPerson) -> Call:
    return Call({"tenant_id": await world.tenant()}, {"reason": "no paga"})


@call("POST", "/v1/provider/tenants/{tenant_id}/reactivate")
async def _back(world: World, _person: StaffPerson) -> Call:
    tenant_id = await world.tenant()
    await world.people["admin"].post(f"/v1/provider/tenants/{tenant_id}/suspend", {"reason": "no paga"})
    return Call({"tenant_id": tenant_id}, {"reason": "pagó", "status": "active"})


@call("POST", "/v1/provider/tenants/{tenant_id}/owner-invitation/resend")
async def _resend(world: World, person: StaffPerson) -> Call:
    made = await world.people["admin"].post("/v1/provider/tenants", (await _found(world, person)).body)
    return Call({"tenant_id": made.json()["id"]})


@call("POST", "/v1/provider/support-accesses")
async def _open(world: World, _person: StaffPerson) -> Call:
    body = {"tenantId": await world.tenant(), "reason": "caso 1", "minutes": 5, "id": str(uuid4())}
    return Call(body=body)


@call("POST", "/v1/provider/support-accesses/{support_access_id}/end")
async def _end(world: World, _person: StaffPerson) -> Call:
    return Call({"support_access_id": await world.access(world.people["admin"])})


@call("POST", "/v1/provider/support-accesses/{support_access_id}/token")
async def _renew(world: World, person: StaffPerson) -> Call:
    # One's own, where one may have any.
    opener = person if person in (world.people["admin"], world.people["support"]) else world.people["admin"]
    return Call({"support_access_id": await world.access(opener)})


CALLS["POST", "/v1/provider/alerts/test"] = _nothing


@call("GET", "/v1/provider/alerts/{alert_id}")
async def _alert(world: World, _person: StaffPerson) -> Call:
    alert_id = uuid4()
    async with world.database.platform_transaction() as session:
        session.add(
            MonitorAlert(
                id=alert_id,
                fingerprint=f"prueba-{alert_id}",
                severity="warning",
                detail="De la prueba.",
                opened_at=clock.now(),
                last_seen_at=clock.now(),
            )
        )
    return Call({"alert_id": str(alert_id)})


@call("POST", "/v1/provider/alerts/{alert_id}/acknowledge")
async def _acknowledge(world: World, person: StaffPerson) -> Call:
    return Call((await _alert(world, person)).path, {"note": "la miro"})


@call("POST", "/v1/provider/alerts/silences")
async def _silence(_world: World, _person: StaffPerson) -> Call:
    return Call({}, {"fingerprint": "clock", "reason": "se cambia el equipo", "minutes": 30})


@call("DELETE", "/v1/provider/alerts/silences/{silence_id}")
async def _end_silence(world: World, person: StaffPerson) -> Call:
    made = await world.people["admin"].post("/v1/provider/alerts/silences", (await _silence(world, person)).body)
    return Call({"silence_id": made.json()["id"]})


@call("POST", "/v1/provider/jobs/{tenant_id}/{job_id}/retry")
async def _retry(world: World, _person: StaffPerson) -> Call:
    tenant_id = await world.tenant()
    async with world.database.job_transaction(UUID(tenant_id)) as work:
        job_id = work.ask("test.dead", {}, "long")
    async with world.database.platform_transaction() as session:
        await session.execute(
            sql("UPDATE outbox SET status = 'dead', finished_at = now() WHERE tenant_id = :t AND id = :id"),
            {"t": UUID(tenant_id), "id": job_id},
        )
    return Call({"tenant_id": tenant_id, "job_id": str(job_id)})


@call("POST", "/v1/provider/jobs/{tenant_id}/{job_id}/discard")
async def _discard(world: World, person: StaffPerson) -> Call:
    return Call((await _retry(world, person)).path, {"reason": "ya no hace falta"})


ALL = list(CALLS)
NO_BODY = {
    route
    for route in ALL
    if route[0] == "DELETE" or route[1].endswith(("/reset", "/resend", "/end", "/token", "/test", "/retry"))
}
BODIES = [route for route in ALL if route[0] != "GET" and route not in NO_BODY]
WITH_PATH = [route for route in ALL if "{" in route[1]]


@pytest.fixture(scope="module")
async def world(http: httpx.AsyncClient, database: Database) -> World:
    return World(http, database, {role: await staff(http, database, role) for role in STAFF_ROLES})  # type: ignore[arg-type]


async def send(world: World, route: Route, wanted: Call, token: str, *, with_key: bool = True) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if with_key:
        headers["Idempotency-Key"] = uuid4().hex
    content = {} if wanted.body is None else {"json": wanted.body}
    return await world.http.request(route[0], route[1].format(**wanted.path), headers=headers, **content)


def test_every_route_of_the_staff_is_tried_and_in_the_committed_table(app: Litestar) -> None:
    routes = {route for route in routes_of(app) if of_staff(route)}
    assert routes == set(CALLS) == TABLE.keys()


def test_every_permission_of_the_staff_decides_something_and_the_administrator_has_all(app: Litestar) -> None:
    assert {row.permission for row in staff_rows_of(app.routes)} - {None} == STAFF_PERMISSIONS.keys()
    assert STAFF_ROLES["admin"] == STAFF_PERMISSIONS.keys()
    assert all(held < STAFF_PERMISSIONS.keys() for role, held in STAFF_ROLES.items() if role != "admin")


@pytest.mark.parametrize("route", ALL, ids=" ".join)
async def test_each_role_is_answered_as_the_table_says(world: World, route: Route) -> None:
    for role, let_in in TABLE[route].items():
        person = world.people[role]
        wanted = await CALLS[route](world, person)
        if route[1] == "/v1/provider/me/password":
            # Everybody's password stays what the other routes need.
            wanted.body["currentPassword"] = "no es esta"
        answer = await send(world, route, wanted, person.token)
        said = f"{role}: {answer.status_code} {answer.text[:300]}"
        if let_in:
            assert answer.is_success or answer.json()["code"] in {"wrong-password", "totp-invalid"}, said
            continue
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), said
        nonsense = Call({name: str(uuid4()) for name in wanted.path}, {"nonsense": True} if route in BODIES else None)
        first = await send(world, route, nonsense, person.token)
        assert first.status_code == 403, "neither a wrong body nor an unknown id comes before the refusal"


@pytest.mark.parametrize("route", ALL, ids=" ".join)
async def test_nobody_elses_token_opens_it(app: Litestar, world: World, route: Route) -> None:
    shop = await sign_up(world.http)
    visitor = await world.people["support"].open(shop.tenant_id)
    admin = world.people["admin"]
    path = {part[1:-1]: str(uuid4()) for part in route[1].split("/") if part.startswith("{")}
    wrong = Call(path, {"nonsense": True} if route in BODIES else None)
    forged = app.state.tokens.issue(user_id=UUID(admin.id), tenant_id=UUID(int=0), session_id=uuid4(), kind="staff")
    for token in ("", "x.y.z", admin.token[:-6] + "AAAAAA", shop.token, visitor.token, forged, admin.refresh_token):
        answer = await send(world, route, wrong, token, with_key=False)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), answer.text


@pytest.mark.parametrize("route", WITH_PATH, ids=" ".join)
async def test_an_unknown_id_is_not_found_after_the_body_was_looked_at(world: World, route: Route) -> None:
    admin = world.people["admin"]
    wanted = await CALLS[route](world, admin)
    nowhere = {name: str(uuid4()) for name in wanted.path}
    assert (await send(world, route, Call(nowhere, wanted.body), admin.token)).status_code == 404
    if route in BODIES:
        wrong = await send(world, route, Call(nowhere, wanted.body | {"nonsense": True}), admin.token)
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/nonsense")


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
async def test_a_hostile_body_is_refused_with_its_place(world: World, company: Company, route: Route) -> None:
    admin = world.people["admin"]
    wanted = await CALLS[route](world, admin)

    class OfStaff:
        shop: Any = admin

    target = Target(OfStaff, route[0], route[1].format(**wanted.path), wanted.body)  # type: ignore[arg-type]
    assert await attack(target) >= 17
