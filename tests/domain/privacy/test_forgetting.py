"""A person's data handed over or erased, while what the tax law wants stays and the chain holds."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db.session import Database, system_actor
from app.domain.accounts.leaving import forget_member
from app.domain.accounts.models import Role
from app.lib.errors import RuleBroken
from app.lib.person_keys import ERASED, Personal, opened, people_in
from tests.contract.company import Company
from tests.domain.customers.people import create, refusal
from tests.shop import Shop

PERSON = {
    "name": "Zoraida Quintero",
    "email": "zoraida@correo.test",
    "phone": "300 777 1234",
    "address": "Carrera 77 # 12-34",
    "municipalityCode": "05001",
}
SECRETS = [*(value for name, value in PERSON.items() if name != "municipalityCode"), "Medellín"]


async def known(shop: Shop) -> dict[str, Any]:
    """A customer who bought, changed and was merged with a double of theirs."""
    customer = await create(shop, **PERSON)
    double = await create(shop, **PERSON | {"email": "zoraida@otro.test"})
    changed = await shop.patch(f"/v1/customers/{customer['id']}", {"phone": "300 777 9999"})
    assert changed.status_code == 200, changed.text
    merged = await shop.post(f"/v1/customers/{double['id']}/merge", {"into": customer["id"]})
    assert merged.status_code == 200, merged.text
    product = await shop.product()
    drawer = await shop.open_drawer()
    sold = await shop.sell(drawer, [{"productId": product["id"], "quantity": 2}], "23800", customerId=customer["id"])
    assert sold.status_code == 201, sold.text
    consent = {"purpose": "marketing", "version": "1", "channel": "web", "decision": "granted"}
    assert (await shop.post("/v1/privacy/consents", consent | {"customerId": double["id"]})).status_code == 201
    return {
        "customer": merged.json(),
        "double": double,
        "sale": sold.json(),
        "secrets": [*SECRETS, customer["identification"]],
    }


async def contents(admin: asyncpg.Connection, shop: Shop, like: str) -> str:
    rows = await admin.fetch(
        "SELECT content FROM audit_entry WHERE tenant_id = $1 AND action LIKE $2 ORDER BY seq",
        UUID(shop.tenant_id),
        like,
    )
    assert rows
    return "\n".join(row["content"] for row in rows)


async def test_the_trail_keeps_no_personal_field_of_a_customer_in_clear(shop: Shop, admin: asyncpg.Connection) -> None:
    made = await known(shop)
    kept = await contents(admin, shop, "customer.%")
    assert [secret for secret in made["secrets"] if secret in kept.replace("\\u0000", "")] == []
    kept = await contents(admin, shop, "membership.%")
    assert "Dueña" not in kept
    entries = (await shop.get("/v1/audit/entries", subjectId=made["customer"]["id"])).json()["items"]
    assert entries[0]["after"]["phone"] == "300 777 9999"
    assert entries[0]["before"]["phone"] == PERSON["phone"]
    assert entries[0]["actor"]["name"] == "Dueña de Prueba"
    (member,) = (await shop.get("/v1/audit/entries", action="membership.created")).json()["items"]
    assert member["after"]["name"] == "Dueña de Prueba"


async def test_a_customer_gets_everything_that_is_held_on_them(shop: Shop) -> None:
    made = await known(shop)
    answer = await shop.get(f"/v1/privacy/customers/{made['double']['id']}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    record = answer.json()
    assert [profile["id"] for profile in record["profiles"]] == [made["customer"]["id"], made["double"]["id"]]
    assert record["profiles"][0]["phone"] == "300 777 9999"
    assert [consent["purpose"] for consent in record["consents"]] == ["marketing"]
    (bought,) = record["sales"]
    assert bought["sale"]["number"] == made["sale"]["number"]
    assert bought["sale"]["lines"][0]["quantity"] == "2.000"
    # What the shop paid is not the customer's business.
    assert bought["sale"]["lines"][0]["unitCost"] is None
    assert bought["returns"] == []
    assert sorted({entry["action"] for entry in record["audit"]}) == [
        "customer.changed",
        "customer.created",
        "customer.merged",
    ]
    # Who served is another person.
    assert "Dueña de Prueba" not in answer.text


async def test_a_forgotten_customer_is_gone_while_tickets_and_the_chain_stay(
    shop: Shop, admin: asyncpg.Connection
) -> None:
    made = await known(shop)
    path = f"/v1/privacy/customers/{made['customer']['id']}"
    answer = await shop.post(f"{path}/anonymise", {"reason": "request"})
    assert answer.status_code == 200, answer.text
    ids = {made["customer"]["id"], made["double"]["id"]}
    assert set(answer.json()["ids"]) == ids
    for one in ids:
        found = await shop.get(f"/v1/customers/{one}")
        assert (found.json()["name"], found.json()["identification"], found.json()["email"]) == (ERASED, "", "")
        assert found.json()["retiredAt"] is not None
        entries = (await shop.get("/v1/audit/entries", subjectId=one)).json()["items"]
        before = [entry["after"].get("customer", entry["after"]) for entry in entries if entry["after"]]
        assert {state.get("name", ERASED) for state in before} == {ERASED}
    for asked in ("/v1/customers", "/v1/catalog/changes", f"{path}/export"):
        told = await shop.get(asked)
        assert told.status_code == 200, told.text
        # A ticket keeps the buyer it was printed with.
        text = json.dumps({name: value for name, value in told.json().items() if name != "sales"})
        assert [secret for secret in made["secrets"] if secret in text] == [], asked
    sale = (await shop.get(f"/v1/sales/{made['sale']['id']}")).json()
    assert sale["customer"]["name"] == PERSON["name"]
    assert (await shop.get("/v1/audit/verify")).json()["intact"]
    keys = await admin.fetch(
        "SELECT wrapped FROM person_key WHERE tenant_id = $1 AND person_id = ANY($2)", UUID(shop.tenant_id), list(ids)
    )
    assert [row["wrapped"] for row in keys] == [None, None]


async def test_a_sale_finds_its_buyer_ready_for_the_trail(
    shop: Shop, admin: asyncpg.Connection, database: Database
) -> None:
    read = "SELECT trail FROM customer WHERE tenant_id = $1 AND id = $2"
    tenant, made, trail = UUID(shop.tenant_id), await create(shop, **PERSON), ""
    place = tenant, UUID(made["id"])
    for name in (PERSON["name"], "Zoraida Quintero de Díaz"):
        assert (await shop.patch(f"/v1/customers/{made['id']}", {"name": name})).status_code == 200
        trail = str(await admin.fetchval(read, *place))
        assert [secret for secret in (name, made["identification"]) if secret in trail] == []
        async with database.job_transaction(tenant) as work:
            keys = await database.person_keys.keyring(work.session, tenant, people_in(json.loads(trail)))
        assert opened(json.loads(trail), tenant, keys) == {
            "id": made["id"],
            "identification": made["identification"],
            "name": name,
        }
    assert (await shop.post(f"/v1/privacy/customers/{made['id']}/anonymise", {"reason": "request"})).is_success
    assert await admin.fetchval(read, *place) is None
    async with database.job_transaction(tenant) as work:
        keys = await database.person_keys.keyring(work.session, tenant, [UUID(made["id"])])
    assert opened(json.loads(trail), tenant, keys)["name"] == ERASED
    (final,) = await admin.fetch("SELECT id, trail FROM customer WHERE tenant_id = $1 AND is_final_consumer", tenant)
    assert json.loads(final["trail"]) == {
        "id": str(final["id"]),
        "identification": "222222222222",
        "name": "Consumidor final",
    }


async def test_forgetting_again_changes_nothing_and_nothing_comes_back(shop: Shop) -> None:
    made = await known(shop)
    path = f"/v1/privacy/customers/{made['double']['id']}/anonymise"
    first, again = [await shop.post(path, {"reason": "request"}) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    forgotten = f"/v1/customers/{made['customer']['id']}"
    assert refusal(await shop.patch(forgotten, {"name": "Zoraida"})) == (409, "customer-retired")
    actions = [entry["action"] for entry in (await shop.get("/v1/audit/entries", limit=10)).json()["items"]]
    assert actions.count("customer.anonymised") == 1
    # The same person may come again, as somebody new.
    back = await create(shop, identification=made["customer"]["identification"], name="Zoraida")
    assert back["id"] != made["customer"]["id"]


async def test_consumidor_final_and_strangers_are_not_forgotten(shop: Shop, other_shop: Shop) -> None:
    everybody = (await shop.get("/v1/customers")).json()["items"]
    (final,) = [one["id"] for one in everybody if one["isFinalConsumer"]]
    answer = await shop.post(f"/v1/privacy/customers/{final}/anonymise", {"reason": "request"})
    assert refusal(answer) == (422, "final-consumer-fixed")
    theirs = await create(other_shop)
    for path in (f"customers/{theirs['id']}", f"members/{other_shop.user['id']}"):
        assert (await shop.get(f"/v1/privacy/{path}/export")).status_code == 404
        assert (await shop.post(f"/v1/privacy/{path}/anonymise", {"reason": "request"})).status_code == 404
    assert (await other_shop.get(f"/v1/customers/{theirs['id']}")).json()["name"] == theirs["name"]


@pytest.fixture
async def company(shop: Shop, database: Database) -> Company:
    return Company(shop, database)


async def test_a_person_who_left_is_forgotten_and_their_acts_stay(
    company: Company, shop: Shop, admin: asyncpg.Connection
) -> None:
    user_id = (await company.member()).id
    name = company.names[-1]
    record = (await shop.get(f"/v1/privacy/members/{user_id}/export")).json()
    assert (record["member"]["name"], record["member"]["isActive"]) == (name, True)
    assert [entry["action"] for entry in record["audit"]] == ["membership.created"]
    assert record["audit"][0]["after"]["name"] == name
    path = f"/v1/privacy/members/{user_id}/anonymise"
    first, again = [await shop.post(path, {"reason": "request"}) for _ in range(2)]
    assert first.status_code == again.status_code == 200, first.text
    assert first.json()["ids"] == again.json()["ids"] == [user_id]
    record = (await shop.get(f"/v1/privacy/members/{user_id}/export")).json()
    assert (record["member"]["name"], record["member"]["isActive"]) == (ERASED, False)
    created = next(entry for entry in record["audit"] if entry["action"] == "membership.created")
    assert created["after"]["name"] == ERASED
    own = (await shop.get(f"/v1/privacy/members/{shop.user['id']}/export")).json()
    assert {act["action"] for act in own["acts"]} >= {"company.created", "membership.anonymised"}
    assert (await shop.get("/v1/audit/verify")).json()["intact"]


async def test_nobody_forgets_themselves_and_an_owner_stays(company: Company, shop: Shop) -> None:
    answer = await shop.post(f"/v1/privacy/members/{shop.user['id']}/anonymise", {"reason": "request"})
    assert refusal(answer) == (422, "own-account")
    other = (await company.member(Role.OWNER)).id
    assert (await shop.post(f"/v1/privacy/members/{other}/anonymise", {"reason": "request"})).status_code == 200


async def test_two_owners_who_forget_each_other_leave_one(company: Company, shop: Shop, database: Database) -> None:
    one, other = UUID(shop.user["id"]), UUID((await company.member(Role.OWNER)).id)
    actor = system_actor(UUID(shop.tenant_id))

    async def forget(who: UUID) -> None:
        async with database.tenant_transaction(actor) as work:
            await forget_member(work, who, "request")

    outcomes = await asyncio.gather(forget(one), forget(other), return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [type(outcome) for outcome in refused] == [RuleBroken]


async def test_two_who_make_the_same_persons_key_at_once_use_one(
    shop: Shop, database: Database, admin: asyncpg.Connection
) -> None:
    """A key is made inside both transactions; sealed with either, it must open."""
    tenant, person = UUID(shop.tenant_id), UUID(int=77)
    actor = system_actor(tenant)
    started, go = asyncio.Event(), asyncio.Event()

    async def first() -> Any:
        async with database.tenant_transaction(actor) as work:
            sealed = await work.seal(Personal(person, {"name": "Ana", "n": 1}, ("name",)))
            started.set()
            await go.wait()
        return sealed

    async def second() -> Any:
        await started.wait()
        async with database.tenant_transaction(actor) as work:
            asyncio.get_running_loop().call_later(0.2, go.set)
            return await work.seal(Personal(person, {"name": "Eva", "n": 2}, ("name",)))

    both = await asyncio.gather(first(), second())
    async with database.tenant_transaction(actor) as work:
        keys = await database.person_keys.keyring(work.session, tenant, [person])
    assert [opened(sealed, tenant, keys) for sealed in both] == [{"n": 1, "name": "Ana"}, {"n": 2, "name": "Eva"}]
    # Sealed text of one person, put in another's place or another company's, opens nothing.
    stolen = {**both[0], "$person": str(UUID(int=78))}
    assert opened(stolen, tenant, {UUID(int=78): keys[person]})["name"] == ERASED
    assert opened(both[0], UUID(int=5), keys)["name"] == ERASED
    # What only looks sealed is left as it is.
    for odd in ({"$sealed": "x"}, {"$sealed": "x", "$person": "y", "$fields": ["name"]}, {"$fields": 1}):
        assert opened(odd, tenant, keys) == odd
