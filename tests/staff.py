"""The operator's staff as tests meet them: made as the command line makes them, logged in, with a password of their own."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from uuid_utils.compat import uuid7

from app.db.session import Database
from app.domain.provider.staff import add_staff
from app.domain.provider.staff_schemas import CreateStaff, NewStaffOut, StaffRole
from app.domain.support.models import SupportAccess
from app.lib import clock
from tests.shop import forget_tries

PASSWORD = "tres caballos pastan de noche"


@dataclass
class StaffPerson:
    """Somebody of the operator's, logged in."""

    http: httpx.AsyncClient
    id: str
    email: str
    token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=self.headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        sent = self.headers | {"Idempotency-Key": key or uuid4().hex}
        return await self.http.post(path, json=body if body is not None else {}, headers=sent)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.http.patch(path, json=body, headers=self.headers)

    async def open(self, tenant_id: str, minutes: int = 30, reason: str = "caso 4512") -> "Visitor":
        """Look into a company."""
        answer = await self.post(
            "/v1/provider/support-accesses", {"tenantId": tenant_id, "reason": reason, "minutes": minutes}
        )
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return Visitor(self.http, body["accessId"], body["accessToken"])


@dataclass
class Visitor:
    """Support in a company."""

    http: httpx.AsyncClient
    access_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        sent = self.headers | {"Idempotency-Key": uuid4().hex}
        return await self.http.post(path, json=body if body is not None else {}, headers=sent)


async def new_staff(database: Database, role: StaffRole) -> NewStaffOut:
    """An account with its first password."""
    async with database.person_transaction() as work:
        return await add_staff(work, CreateStaff(email=f"{uuid4().hex}@operador.test", name="Marta Ruiz", role=role))


async def staff(http: httpx.AsyncClient, database: Database, role: StaffRole = "admin") -> StaffPerson:
    """Somebody of the staff who has chosen a password."""
    made = await new_staff(database, role)
    assert made.password is not None
    # All tests come from one address.
    await forget_tries(database.settings)
    person = await log_in(http, made.email, made.password)
    changed = await person.post("/v1/provider/me/password", {"currentPassword": made.password, "password": PASSWORD})
    assert changed.status_code == 204, changed.text
    return person


async def log_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD, **body: Any) -> StaffPerson:
    answer = await http.post("/v1/auth/provider/login", json={"email": email, "password": password} | body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return StaffPerson(http, found["user"]["id"], email, found["accessToken"], found["refreshToken"])


async def open_access(database: Database, tenant_id: str) -> UUID:
    """An open access of somebody of support to a company, past the API."""
    person, access_id, now = await new_staff(database, "support"), uuid7(), clock.now()
    async with database.job_transaction(UUID(tenant_id)) as work:
        work.session.add(
            SupportAccess(
                tenant_id=UUID(tenant_id),
                id=access_id,
                staff_id=person.id,
                staff_name=person.name,
                reason="caso de la prueba",
                opened_at=now,
                expires_at=now + timedelta(minutes=60),
            )
        )
    return access_id
