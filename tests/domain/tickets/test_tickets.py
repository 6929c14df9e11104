"""Support tickets: asked by a company, answered by the operator, each side told by mail, nobody else let in."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.db.session import Database
from app.domain.tickets.threads import MOST_OPEN
from tests.people import hire
from tests.shop import Shop, sign_up
from tests.sink import Sink, text_of
from tests.staff import StaffPerson, new_staff, staff

ASKED = {"subject": "La caja 2 no abre", "category": "technical", "body": "Desde esta mañana.\nYa la reinicié."}


@pytest.fixture
async def helper(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    return await staff(http, database, "support")


def path_of(shop: Shop, ticket: dict[str, Any]) -> str:
    return f"/v1/provider/tenants/{shop.tenant_id}/support-tickets/{ticket['id']}"


async def asked(shop: Shop, **changed: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/support-tickets", ASKED | changed)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def deliver(sink: Sink, database: Database, admin: asyncpg.Connection, shop: Shop) -> None:
    """Both steps: who is told, and each one's mail."""
    for _ in range(2):
        await sink.deliver(database, admin, shop.tenant_id)


async def test_a_question_and_its_answer_go_by_mail(
    shop: Shop, helper: StaffPerson, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    ticket = await asked(shop)
    assert (ticket["number"], ticket["status"], ticket["openedBy"]) == (1, "open", "Dueña de Prueba")
    await deliver(sink, database, admin, shop)
    (told,) = sink.received(helper.email)
    assert str(told["Subject"]).endswith("caso 1: La caja 2 no abre")
    assert "Ya la reinicié." in text_of(told)

    seen = (await helper.get("/v1/provider/support-tickets", tenantId=shop.tenant_id)).json()["items"]
    assert [(one["id"], one["status"], one["companyName"]) for one in seen] == [
        (ticket["id"], "open", "Tienda de Prueba")
    ]
    taken = await helper.patch(path_of(shop, ticket), {"assigneeId": helper.id})
    assert (taken.status_code, taken.json()["assigneeName"]) == (200, "Marta Ruiz"), taken.text
    note = await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Cliente difícil.", "isInternal": True})
    assert (note.status_code, note.json()["status"]) == (201, "open"), note.text
    answer = await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Revise el <cable>."})
    assert answer.json()["status"] == "answered"
    await deliver(sink, database, admin, shop)
    (mail,) = [one for one in sink.received(shop.email) if str(one["Subject"]).startswith("Caso")]
    assert str(mail["Subject"]) == "Caso 1: La caja 2 no abre"
    assert "Revise el <cable>." in text_of(mail)
    assert "Revise el &lt;cable&gt;." in text_of(mail, "html")
    assert "difícil" not in text_of(mail)

    read = await shop.get(f"/v1/support-tickets/{ticket['id']}")
    assert [(one["side"], one["authorName"]) for one in read.json()["messages"]] == [
        ("company", "Dueña de Prueba"),
        ("provider", "Marta Ruiz"),
    ]
    assert "difícil" not in read.text
    whole = (await helper.get(path_of(shop, ticket))).json()["messages"]
    assert [one["isInternal"] for one in whole] == [False, True, False]

    thanks = await shop.post(f"/v1/support-tickets/{ticket['id']}/messages", {"body": "Era el cable."})
    assert (thanks.status_code, thanks.json()["status"]) == (201, "open")
    closing = await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Con gusto.", "status": "closed"})
    assert closing.json()["status"] == "closed"
    await deliver(sink, database, admin, shop)
    assert str(sink.received(shop.email)[-1]["Subject"]) == "Caso 1 cerrado: La caja 2 no abre"
    assert "El caso quedó cerrado" in text_of(sink.received(shop.email)[-1])
    assert len(sink.received(helper.email)) == 2, "the one who has it is told of the thanks as well"
    again = await shop.post(f"/v1/support-tickets/{ticket['id']}/messages", {"body": "Otra vez."})
    assert again.json()["status"] == "open"


async def test_only_whoever_has_the_ticket_is_told_of_what_follows(
    shop: Shop, helper: StaffPerson, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    other = await new_staff(database, "support")
    ticket = await asked(shop)
    await helper.patch(path_of(shop, ticket), {"assigneeId": str(other.id)})
    await deliver(sink, database, admin, shop)
    assert [len(sink.received(who)) for who in (helper.email, other.email)] == [0, 1]
    nobody = await helper.patch(path_of(shop, ticket), {"assigneeId": None})
    assert (nobody.json()["assigneeId"], nobody.json()["assigneeName"]) == (None, None)
    await shop.post(f"/v1/support-tickets/{ticket['id']}/messages", {"body": "¿Hay alguien?"})
    await deliver(sink, database, admin, shop)
    assert [len(sink.received(who)) for who in (helper.email, other.email)] == [1, 2]


async def test_whoever_asked_is_answered_and_the_owners_when_they_left(
    shop: Shop, helper: StaffPerson, database: Database, admin: asyncpg.Connection, sink: Sink
) -> None:
    person = await hire(shop, database, "admin")
    await sink.deliver(database, admin, shop.tenant_id)
    ticket = (await person.post("/v1/support-tickets", ASKED)).json()
    await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Primera."})
    await deliver(sink, database, admin, shop)
    assert [str(one["Subject"]) for one in sink.received(person.email)][-1] == "Caso 1: La caja 2 no abre"
    assert "Primera." not in "".join(text_of(one) for one in sink.received(shop.email))
    await admin.execute("UPDATE membership SET is_active = false WHERE user_id = $1", UUID(person.id))
    await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Segunda."})
    await deliver(sink, database, admin, shop)
    assert "Segunda." not in "".join(text_of(one) for one in sink.received(person.email))
    assert "Segunda." in text_of(sink.received(shop.email)[-1])


async def test_the_same_id_is_the_same_question_and_the_same_message(
    shop: Shop, helper: StaffPerson, admin: asyncpg.Connection
) -> None:
    wanted = ASKED | {"id": str(uuid4())}
    answers = [await shop.post("/v1/support-tickets", wanted) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    other = await shop.post("/v1/support-tickets", wanted | {"subject": "Otra cosa"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")
    message = {"body": "Hola", "id": str(uuid4())}
    for write, path in (
        (shop.post, f"/v1/support-tickets/{wanted['id']}/messages"),
        (helper.post, f"{path_of(shop, wanted)}/messages"),
    ):
        message["id"] = str(uuid4())
        assert [(await write(path, message)).status_code for _ in range(2)] == [201, 200]
        taken = await write(path, message | {"body": "Otra"})
        assert (taken.status_code, taken.json()["code"]) == (409, "id-taken")
    count = "SELECT count(*) FROM support_message WHERE tenant_id = $1"
    assert await admin.fetchval(count, UUID(shop.tenant_id)) == 3


async def test_numbers_have_no_gap_and_no_double_when_all_ask_at_once(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.post("/v1/support-tickets", ASKED) for _ in range(12)))
    assert {one.status_code for one in answers} == {201}
    assert sorted(one.json()["number"] for one in answers) == list(range(1, 13))


async def test_a_company_may_have_only_so_many_open(shop: Shop, admin: asyncpg.Connection) -> None:
    ticket = await asked(shop)
    await admin.execute(
        "WITH made AS (INSERT INTO support_ticket (tenant_id, id, number, subject, category, user_id, user_name) "
        "SELECT tenant_id, gen_random_uuid(), n, 'x', 'other', user_id, 'x' FROM support_ticket, "
        "generate_series(2, $2::int) n WHERE tenant_id = $1 RETURNING *) INSERT INTO support_ticket_state "
        "(tenant_id, ticket_id, status_since, last_at) SELECT tenant_id, id, now(), now() FROM made",
        UUID(shop.tenant_id),
        MOST_OPEN,
    )
    full = await shop.post("/v1/support-tickets", ASKED)
    assert (full.status_code, full.json()["code"]) == (422, "too-many-tickets")
    closed = await shop.post(f"/v1/support-tickets/{ticket['id']}/close")
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    again = await shop.post(f"/v1/support-tickets/{ticket['id']}/close")
    assert (again.status_code, again.json()["code"]) == (409, "already-closed")
    assert (await asked(shop))["number"] == MOST_OPEN + 1
    opened = (await shop.get("/v1/support-tickets", status="closed")).json()["items"]
    assert [one["id"] for one in opened] == [ticket["id"]]


async def test_another_company_and_another_path_find_nothing(
    shop: Shop, http: httpx.AsyncClient, helper: StaffPerson
) -> None:
    ticket, stranger = await asked(shop), await sign_up(http)
    for answer in (
        await stranger.get(f"/v1/support-tickets/{ticket['id']}"),
        await stranger.post(f"/v1/support-tickets/{ticket['id']}/messages", {"body": "x"}),
        await stranger.post(f"/v1/support-tickets/{ticket['id']}/close"),
        await helper.get(path_of(stranger, ticket)),
        await helper.post(f"{path_of(stranger, ticket)}/messages", {"body": "x"}),
        await helper.patch(path_of(stranger, ticket), {"assigneeId": None}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), answer.text
    assert (await stranger.get("/v1/support-tickets")).json()["items"] == []


async def test_what_is_wrong_changes_nothing(
    shop: Shop, helper: StaffPerson, http: httpx.AsyncClient, database: Database, admin: asyncpg.Connection
) -> None:
    ticket, ops = await asked(shop), await new_staff(database, "ops")
    noted = "SELECT count(*) FROM provider_entry WHERE company_id::text = $1"
    before = await admin.fetchval(noted, shop.tenant_id)
    for body in ({"body": "   "}, {"body": ""}, {"body": "x" * 5001}, {"body": "a\x07b"}):
        answer = await shop.post(f"/v1/support-tickets/{ticket['id']}/messages", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/body"), answer.text
    moving = await helper.post(
        f"{path_of(shop, ticket)}/messages", {"body": "x", "isInternal": True, "status": "closed"}
    )
    assert (moving.status_code, moving.json()["code"]) == (422, "note-moves-nothing")
    for nobody in (str(uuid4()), str(ops.id)):
        wrong = await helper.patch(path_of(shop, ticket), {"assigneeId": nobody})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown-reference"), wrong.text
    cashier = await hire(shop, database, "cashier")
    assert (await cashier.get("/v1/support-tickets")).status_code == 403
    watcher = await staff(http, database, "ops")
    refused = await watcher.post(f"{path_of(shop, ticket)}/messages", {"body": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert len((await shop.get(f"/v1/support-tickets/{ticket['id']}")).json()["messages"]) == 1
    assert await admin.fetchval(noted, shop.tenant_id) == before


async def test_a_suspended_company_can_ask_and_both_trails_know(
    shop: Shop, helper: StaffPerson, http: httpx.AsyncClient, database: Database
) -> None:
    boss = await staff(http, database)
    await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/suspend", {"reason": "prueba"})
    ticket = await asked(shop, category="billing")
    await helper.post(f"{path_of(shop, ticket)}/messages", {"body": "Ya miramos."})
    noted = (await boss.get("/v1/provider/trail", tenantId=shop.tenant_id)).json()["items"]
    assert [(one["action"], one["after"]) for one in noted[:1]] == [
        ("ticket.answered", {"status": "answered", "isInternal": False})
    ]
    await boss.post(f"/v1/provider/tenants/{shop.tenant_id}/reactivate", {"reason": "prueba"})
    told = (await shop.get("/v1/audit/entries", subjectId=ticket["id"])).json()["items"]
    assert {one["action"] for one in told} == {"support-ticket.opened", "support-ticket.answered"}
