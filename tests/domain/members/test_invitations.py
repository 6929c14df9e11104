"""Inviting somebody, coming in with the mailed link, and everything that may go wrong on the way."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.members.company import lock_company, reserve_seat
from app.domain.members.jobs import SendInvitation, send_invitation
from app.domain.members.models import Invitation
from app.integrations.mail.templating import write_mail
from app.lib import clock
from app.lib.errors import RuleBroken
from tests.domain.inventory.race import until_blocked
from tests.domain.tenants.places import on_plan
from tests.domain.tenants.test_lifecycle import bring_to
from tests.people import PASSWORD, Person, hire, invited, mailed_token
from tests.shop import Shop, sign_up


async def accept(http: httpx.AsyncClient, token: str, password: str = PASSWORD, **body: Any) -> httpx.Response:
    return await http.post("/v1/auth/accept-invitation", json={"token": token, "password": password} | body)


async def test_an_invited_person_chooses_a_password_and_is_in(
    shop: Shop, database: Database, http: httpx.AsyncClient
) -> None:
    invitation = await invited(shop, "seller", name="Yuly Pardo")
    assert (invitation["status"], invitation["role"]) == ("pending", "seller")
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    answer = await accept(http, token)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["isNew"] is True
    assert body["user"]["emailVerified"] is True
    me = await http.get("/v1/me", headers={"Authorization": f"Bearer {body['accessToken']}"})
    assert (me.json()["role"], me.json()["tenant"]["id"]) == ("seller", shop.tenant_id)
    listed = (await shop.get("/v1/members")).json()["items"]
    assert [(m["displayName"], m["email"]) for m in listed if m["role"] == "seller"] == [
        ("Yuly Pardo", invitation["email"])
    ]
    login = await http.post("/v1/auth/login", json={"email": invitation["email"], "password": PASSWORD})
    assert login.status_code == 200
    assert (await shop.get(f"/v1/invitations/{invitation['id']}")).json()["status"] == "accepted"


async def test_the_mail_says_who_invites_where_and_as_what(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def keep(_sender: object, mail: Any) -> None:
        sent.append(mail)

    monkeypatch.setattr("app.domain.members.jobs.MailSender.send", keep)
    invitation = await invited(shop, "cashier")
    context = JobContext(database=database, tenant_id=UUID(shop.tenant_id), job_id=uuid4(), attempt=1, request_id="")
    payload = SendInvitation(invitation_id=UUID(invitation["id"]), mailing=1)
    await send_invitation.run(context, payload)
    await send_invitation.run(context, payload)
    assert [mail.to for mail in sent] == [invitation["email"]] * 2
    assert sent[0] == sent[1], "a repeated mail carries the same link"
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    assert f"invitacion?token={token}" in sent[0].text
    assert token in sent[0].html
    assert "como cajero" in sent[0].text
    assert shop.tenant["name"] in sent[0].subject
    await shop.post(f"/v1/invitations/{invitation['id']}/resend")
    await send_invitation.run(context, payload)
    assert len(sent) == 2, "a link that was replaced is not mailed"


def test_names_cannot_write_markup_or_headers_into_the_mail() -> None:
    mail = write_mail(
        "invitation",
        "a@b.co",
        name="<b>Ana</b>",
        inviter="Eva",
        company="Tienda\r\nBcc: x@y.z <script>",
        role="cajero",
        link="http://x/?a=1&b",
        days=7,
    )
    assert "<b>Ana" not in (mail.html or "")
    assert "<script>" not in (mail.html or "")
    assert not re.search(r"[\r\n]", mail.subject)


async def test_a_job_is_asked_for_in_the_same_transaction(shop: Shop, admin: asyncpg.Connection) -> None:
    invitation = await invited(shop)
    payloads = await admin.fetch(
        "SELECT payload::text FROM outbox WHERE kind = 'members.send-invitation' AND tenant_id = $1", shop.tenant["id"]
    )
    assert [invitation["id"] in row["payload"] for row in payloads] == [True]
    stored = await admin.fetchval("SELECT token_hash FROM invitation WHERE id = $1", UUID(invitation["id"]))
    assert stored is not None
    assert len(stored) == 32


async def test_somebody_with_an_account_comes_in_with_their_own_password_and_logs_in_as_always(
    shop: Shop, other_shop: Shop, database: Database, http: httpx.AsyncClient
) -> None:
    invitation = await invited(shop, "accountant", email=other_shop.email.upper())
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    wrong = await accept(http, token, "no es la clave de nadie")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong-credentials")
    answer = await accept(http, token, other_shop.password)
    assert answer.status_code == 201, answer.text
    assert answer.json()["isNew"] is False
    assert answer.json()["accessToken"] is None
    login = await http.post("/v1/auth/login", json={"email": other_shop.email, "password": other_shop.password})
    assert {m["tenantId"] for m in login.json()["memberships"]} == {shop.tenant_id, other_shop.tenant_id}


async def test_an_invitation_is_used_once_also_when_two_accept_at_once(
    shop: Shop, database: Database, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    invitation = await invited(shop)
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    # Hold the company so that both stand before its row, having seen the invitation pending.
    blocker = admin.transaction()
    await blocker.start()
    await admin.execute("SELECT 1 FROM tenant WHERE tenant_id = $1 FOR UPDATE", shop.tenant["id"])
    racing = [asyncio.create_task(accept(http, token, name=f"Persona {n}")) for n in range(2)]
    await until_blocked(admin, 2)
    await blocker.rollback()
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [201, 409], [a.text for a in answers]
    assert await admin.fetchval("SELECT count(*) FROM membership WHERE tenant_id = $1", shop.tenant["id"]) == 2
    again = await accept(http, token)
    assert (again.status_code, again.json()["code"]) == (409, "invitation-used")


async def test_a_link_that_expired_was_revoked_or_replaced_opens_nothing(
    shop: Shop, database: Database, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    expired, revoked, replaced = [await invited(shop) for _ in range(3)]
    tokens = [await mailed_token(database, shop.tenant_id, i["id"]) for i in (expired, revoked, replaced)]
    await admin.execute(
        "UPDATE invitation SET expires_at = $1 WHERE id = $2", clock.now() - timedelta(seconds=1), UUID(expired["id"])
    )
    assert (await shop.delete(f"/v1/invitations/{revoked['id']}")).status_code == 204
    assert (await shop.post(f"/v1/invitations/{replaced['id']}/resend")).status_code == 200
    answers = [await accept(http, token) for token in tokens]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (422, "invitation-expired"),
        (422, "invitation-expired"),
        (400, "invalid-invitation"),
    ]
    for nonsense in ("x", "", tokens[0][:-1], "A" * 64):
        assert (await accept(http, nonsense)).status_code == 400
    assert await admin.fetchval("SELECT count(*) FROM membership WHERE tenant_id = $1", shop.tenant["id"]) == 1
    fresh = await mailed_token(database, shop.tenant_id, replaced["id"])
    assert (await accept(http, fresh)).status_code == 201
    statuses = {i["id"]: i["status"] for i in (await shop.get("/v1/invitations")).json()["items"]}
    assert [statuses[i["id"]] for i in (expired, revoked, replaced)] == ["expired", "revoked", "accepted"]


async def test_a_weak_password_changes_nothing(
    shop: Shop, database: Database, http: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    invitation = await invited(shop)
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    for password in ("corta", "aaaaaaaaaaaaaaa", "password1234"):
        weak = await accept(http, token, password)
        assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "/password")
    assert await admin.fetchval("SELECT count(*) FROM app_user WHERE email = $1", invitation["email"]) == 0
    assert (await accept(http, token)).status_code == 201


async def test_one_address_is_invited_once_and_no_member_again(shop: Shop, database: Database) -> None:
    first = await invited(shop)
    body = {"email": first["email"].upper(), "name": "Otra", "role": "cashier"}
    twin = await shop.post("/v1/invitations", body)
    assert (twin.status_code, twin.json()["code"]) == (409, "already-invited")
    person = await hire(shop, database)
    for email in (person.email, shop.email):
        member = await shop.post("/v1/invitations", body | {"email": email})
        assert (member.status_code, member.json()["code"]) == (409, "already-member"), email
    assert (await shop.delete(f"/v1/invitations/{first['id']}")).status_code == 204
    assert (await shop.post("/v1/invitations", body)).status_code == 201


async def test_two_invitations_to_one_address_at_once_are_one(shop: Shop) -> None:
    body = {"email": f"{uuid4().hex}@tienda.test", "name": "Ana", "role": "cashier"}
    answers = await asyncio.gather(*(shop.post("/v1/invitations", body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_a_retry_with_the_same_id_sends_one_mail(shop: Shop, admin: asyncpg.Connection) -> None:
    body = {"id": str(uuid4()), "email": f"{uuid4().hex}@tienda.test", "name": "Ana", "role": "cashier"}
    first, again = [await shop.post("/v1/invitations", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = await shop.post("/v1/invitations", body | {"name": "Eva"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")
    mails = await admin.fetchval(
        "SELECT count(*) FROM outbox WHERE kind = 'members.send-invitation' AND tenant_id = $1", shop.tenant["id"]
    )
    assert mails == 1


async def test_an_unknown_role_and_a_role_above_ones_own_are_refused(shop: Shop, database: Database) -> None:
    body = {"email": f"{uuid4().hex}@tienda.test", "name": "Ana", "role": "jefe"}
    unknown = await shop.post("/v1/invitations", body)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-role")
    assert unknown.json()["errors"][0]["pointer"] == "/role"
    admin_person = await hire(shop, database, "admin")
    above = await admin_person.post("/v1/invitations", body | {"role": "owner"})
    assert (above.status_code, above.json()["code"]) == (403, "cannot-grant")
    assert (await admin_person.post("/v1/invitations", body | {"role": "admin"})).status_code == 201


async def test_what_somebody_sent_who_was_put_out_ends(shop: Shop, database: Database, http: httpx.AsyncClient) -> None:
    leaving = await hire(shop, database, "admin")
    sent = await leaving.post(
        "/v1/invitations", {"email": f"{uuid4().hex}@tienda.test", "name": "Ana", "role": "admin"}
    )
    token = await mailed_token(database, shop.tenant_id, sent.json()["id"])
    assert (await shop.patch(f"/v1/members/{leaving.id}", {"active": False})).status_code == 200
    late = await accept(http, token)
    assert (late.status_code, late.json()["code"]) == (422, "invitation-expired")


async def test_who_comes_back_is_the_same_member_with_the_new_role(
    shop: Shop, database: Database, http: httpx.AsyncClient
) -> None:
    person = await hire(shop, database, "cashier")
    await shop.patch(f"/v1/members/{person.id}", {"active": False})
    invitation = await invited(shop, "seller", email=person.email)
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    answer = await accept(http, token)
    assert answer.status_code == 201, answer.text
    back = (await shop.get(f"/v1/members/{person.id}")).json()
    assert (back["active"], back["role"]) == (True, "seller")


async def test_a_read_only_company_takes_nobody_in(shop: Shop, database: Database, http: httpx.AsyncClient) -> None:
    invitation = await invited(shop)
    token = await mailed_token(database, shop.tenant_id, invitation["id"])
    await bring_to(database, shop, "read-only")
    answer = await accept(http, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "company-read-only")
    assert (await shop.post("/v1/invitations", {"email": "a@b.co", "name": "A", "role": "cashier"})).status_code == 403
    assert (await shop.delete(f"/v1/invitations/{invitation['id']}")).status_code == 204


async def test_seats_are_counted_under_a_lock(
    http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    shop = await sign_up(http)
    await on_plan(shop, database, admin, users=4)
    tenant_id = UUID(shop.tenant_id)
    codes: list[str] = []

    async def take(number: int) -> bool:
        try:
            async with database.job_transaction(tenant_id) as work:
                await lock_company(work)
                await reserve_seat(work)
                work.session.add(
                    Invitation(
                        tenant_id=tenant_id,
                        id=uuid4(),
                        email=f"{number}@a.co",
                        email_norm=f"{number}@a.co",
                        name="A",
                        role="cashier",
                        invited_by=UUID(shop.user["id"]),
                        token_hash=uuid4().bytes,
                        expires_at=clock.now() + timedelta(days=1),
                    )
                )
        except RuleBroken as refusal:
            codes.append(refusal.code)
            return False
        return True

    # The owner holds one of four seats.
    assert sum(await asyncio.gather(*(take(number) for number in range(20)))) == 3
    assert codes == ["plan-limit"] * 17


async def author_with(shop: Shop, database: Database, permissions: list[str]) -> tuple[Person, str]:
    """Somebody with a role of the company's own, and the role's id."""
    code = f"jefe-{uuid4().hex[:8]}"
    role = await shop.post("/v1/roles", {"code": code, "name": "Jefe", "permissions": permissions})
    assert role.status_code == 201, role.text
    return await hire(shop, database, code), role.json()["id"]


GRANTS = ["members:read", "members:write", "company:read", "products:read", "inventory:read"]
WAREHOUSE = [*GRANTS, "inventory:adjust", "inventory:transfer", "inventory:count"]


@pytest.mark.parametrize("what", ["role", "branches"])
async def test_an_invitation_gives_no_more_than_its_author_has_by_then(
    shop: Shop, database: Database, http: httpx.AsyncClient, what: str
) -> None:
    author, role_id = await author_with(shop, database, WAREHOUSE)
    body = {"email": f"{uuid4().hex}@tienda.test", "name": "Persona", "role": "warehouse"}
    sent = await author.post("/v1/invitations", body)
    assert sent.status_code == 201, sent.text
    if what == "role":
        changed = await shop.patch(f"/v1/roles/{role_id}", {"permissions": GRANTS})
    else:
        branch = (await shop.get("/v1/branches")).json()["items"][0]["id"]
        changed = await shop.patch(f"/v1/members/{author.id}", {"branchIds": [branch]})
    assert changed.status_code == 200, changed.text
    token = await mailed_token(database, shop.tenant_id, sent.json()["id"])
    refused = await accept(http, token)
    assert (refused.status_code, refused.json()["code"]) == (422, "invitation-expired"), refused.text
    assert "ya no puede dar ese rol" in refused.json()["detail"]
    listed = (await shop.get("/v1/members")).json()["items"]
    assert [m for m in listed if m["role"] == "warehouse"] == []
    # Somebody who still may can stand for it.
    assert (await shop.post(f"/v1/invitations/{sent.json()['id']}/resend")).status_code == 200
    again = await mailed_token(database, shop.tenant_id, sent.json()["id"])
    assert (await accept(http, again)).status_code == 201


async def test_an_invitation_of_an_author_who_got_more_is_good(
    shop: Shop, database: Database, http: httpx.AsyncClient
) -> None:
    author, role_id = await author_with(shop, database, WAREHOUSE)
    body = {"email": f"{uuid4().hex}@tienda.test", "name": "Persona", "role": "warehouse"}
    sent = await author.post("/v1/invitations", body)
    await shop.patch(f"/v1/roles/{role_id}", {"permissions": [*WAREHOUSE, "sales:read"]})
    token = await mailed_token(database, shop.tenant_id, sent.json()["id"])
    assert (await accept(http, token)).status_code == 201
