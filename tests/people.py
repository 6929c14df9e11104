"""People of a shop as tests meet them: invited, come in, each with a token."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.db.session import Database
from app.domain.members.invitations import InvitationService, invitation_token
from tests.shop import Shop, forget_tries

PASSWORD = "otra clave larga y propia"


@dataclass
class Person:
    """Somebody of a shop, logged in."""

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

    async def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.patch(path, json=body, headers=self.headers | headers)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.http.put(path, json=body, headers=self.headers)

    async def delete(self, path: str) -> httpx.Response:
        return await self.http.delete(path, headers=self.headers)


def owner_of(shop: Shop) -> Person:
    """The shop's first owner."""
    return Person(shop.http, shop.user["id"], shop.email, shop.token, shop.refresh_token)


async def invited(shop: Shop, role: str = "cashier", email: str | None = None, **body: Any) -> dict[str, Any]:
    """An invitation made by the owner."""
    wanted = {"email": email or f"{uuid4().hex}@tienda.test", "name": "Persona de Prueba", "role": role} | body
    answer = await shop.post("/v1/invitations", wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def mailed_token(database: Database, tenant_id: str, invitation_id: str) -> str:
    """The token that the invitation's newest mail carries."""
    async with database.job_transaction(UUID(tenant_id)) as work:
        return invitation_token(work, await InvitationService(work).find(UUID(invitation_id)))


async def hire(shop: Shop, database: Database, role: str = "cashier", name: str = "Persona de Prueba") -> Person:
    """Invite somebody new and let them in."""
    invitation = await invited(shop, role, name=name)
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    # All tests come from one address.
    await forget_tries(database.settings)
    answer = await shop.http.post("/v1/auth/accept-invitation", json={"token": token, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return Person(shop.http, body["user"]["id"], body["user"]["email"], body["accessToken"], body["refreshToken"])


async def with_pin(person: Person, pin: str = "740286", password: str = PASSWORD) -> Person:
    """The same person, who has set a PIN."""
    answer = await person.put("/v1/me/pin", {"password": password, "pin": pin})
    assert answer.status_code == 204, answer.text
    return person
