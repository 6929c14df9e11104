"""Who buys: found whatever accents they are typed with, entered once, retired but never lost."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.lib.nit import check_digit
from tests.domain.customers.people import company, create, final_consumer, pointers, refusal, someone
from tests.shop import Shop


async def test_a_company_is_kept_with_its_fiscal_data(shop: Shop) -> None:
    body = {
        "identificationType": "31",
        "identification": "800.197.268-4",
        "name": "Ferretería Ñandú S.A.S.",
        "email": "facturas@nandu.co",
        "phone": "601 555 1234",
        "address": "Calle 10 # 5-20",
        "municipalityCode": "25473",
        "tribute": "01",
        "responsibilities": ["O-13", "O-23"],
    }
    made = await shop.post("/v1/customers", body)
    assert made.status_code == 201, made.text
    customer = made.json()
    assert (customer["identification"], customer["dv"], customer["organization"]) == ("800197268", "4", "company")
    assert customer["municipality"] == "Mosquera, Cundinamarca"
    same = ("name", "email", "phone", "address", "municipalityCode", "tribute", "responsibilities")
    assert {field: customer[field] for field in same} == {field: body[field] for field in same}
    assert (await shop.get(f"/v1/customers/{customer['id']}")).json() == customer


async def test_a_person_needs_only_name_and_number(shop: Shop) -> None:
    customer = await create(shop, identification="1.020.333.444", name="  Ana Pérez ")
    assert (customer["identification"], customer["name"], customer["dv"]) == ("1020333444", "Ana Pérez", None)
    assert (customer["organization"], customer["tribute"]) == ("person", "ZZ")
    assert customer["responsibilities"] == ["R-99-PN"]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"identificationType": "31", "identification": "800197268-5"}, "invalid-nit", "/identification"),
        ({"identificationType": "31", "identification": "800197268", "dv": "5"}, "invalid-nit", "/identification"),
        ({"identificationType": "31", "identification": "800197268-4", "dv": "5"}, "invalid-identification", "/dv"),
        ({"identificationType": "31", "identification": "ABC"}, "invalid-nit", "/identification"),
        ({"identificationType": "13", "identification": "10A0"}, "invalid-identification", "/identification"),
        ({"identificationType": "41", "identification": "AB#1"}, "invalid-identification", "/identification"),
        ({"dv": "1"}, "invalid-identification", "/dv"),
        ({"municipalityCode": "99999"}, "unknown-reference", "/municipalityCode"),
        ({"responsibilities": ["R-99-PN", "O-13"]}, "invalid-responsibilities", "/responsibilities"),
    ],
    ids=[
        "wrong digit",
        "wrong digit apart",
        "two digits that differ",
        "letters in a NIT",
        "letters in a cédula",
        "signs in a passport",
        "a digit for a person",
        "a town that is not",
        "none and one",
    ],
)
async def test_fiscal_data_that_cannot_be_is_refused(shop: Shop, body: dict[str, Any], code: str, pointer: str) -> None:
    answer = await shop.post("/v1/customers", someone(**body))
    assert refusal(answer) == (422, code), answer.text
    assert pointers(answer) == [pointer]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"identificationType": "99"}, "/identificationType", id="unknown type"),
        pytest.param({"email": "ana"}, "/email", id="no e-mail"),
        pytest.param({"email": "ana@b.co\n"}, "/email", id="e-mail with a line break"),
        pytest.param({"name": "  "}, "/name", id="blank name"),
        pytest.param({"name": "Ana\nPérez"}, "/name", id="two lines"),
        pytest.param({"tribute": "02"}, "/tribute", id="unknown tribute"),
        pytest.param({"responsibilities": ["O-99"]}, "/responsibilities/0", id="unknown responsibility"),
        pytest.param({"nombre": "x"}, "/nombre", id="unknown field"),
    ],
)
async def test_a_malformed_body_says_where(shop: Shop, body: dict[str, Any], pointer: str) -> None:
    answer = await shop.post("/v1/customers", someone(**body))
    assert answer.status_code == 400, answer.text
    assert pointers(answer) == [pointer]


async def test_a_digit_sent_apart_is_as_good_as_a_joined_one(shop: Shop) -> None:
    body = company()
    joined = await shop.post("/v1/customers", body | {"dv": check_digit(body["identification"])})
    assert joined.status_code == 201, joined.text


async def test_the_same_identification_twice_names_who_has_it(shop: Shop, other_shop: Shop) -> None:
    body = company()
    first = (await shop.post("/v1/customers", body)).json()
    digit = check_digit(body["identification"])
    again = await shop.post("/v1/customers", body | {"identification": f"{body['identification']}-{digit}"})
    assert refusal(again) == (409, "customer-exists")
    assert again.json()["customerId"] == first["id"]
    assert (await other_shop.post("/v1/customers", body)).status_code == 201


async def test_parallel_tills_enter_a_customer_once(shop: Shop) -> None:
    body = someone()
    answers = await asyncio.gather(*(shop.post("/v1/customers", body) for _ in range(6)))
    made = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(made) == 1
    assert {refusal(answer) for answer in refused} == {(409, "customer-exists")}
    assert {answer.json()["customerId"] for answer in refused} == {made[0]["id"]}


async def test_a_retry_with_the_same_key_or_the_same_id_answers_the_first(shop: Shop) -> None:
    body = someone(id=str(uuid4()))
    first = await shop.post("/v1/customers", body, key="one")
    replayed = await shop.post("/v1/customers", body, key="one")
    assert (first.status_code, replayed.status_code) == (201, 201)
    assert replayed.content == first.content
    by_id = await shop.post("/v1/customers", body)
    assert (by_id.status_code, by_id.json()) == (200, first.json())
    other = await shop.post("/v1/customers", someone(id=body["id"]))
    assert refusal(other) == (409, "id-taken")


async def test_search_forgives_accents_and_case(shop: Shop) -> None:
    made = await create(shop, name="José  Ñúñez Peláez", identification="77123456")
    await create(shop, name="Josefina Arango")
    for words in ("jose nun", "NUNEZ", "peláez", "JOSÉ ÑÚÑEZ", "7712"):
        found = (await shop.get("/v1/customers", search=words)).json()["items"]
        assert [item["id"] for item in found] == [made["id"]], words
    assert (await shop.get("/v1/customers", search="unez")).json()["items"] == []
    assert (await shop.get("/v1/customers", search="%")).json()["items"] == []


async def test_a_number_is_found_as_it_is_typed(shop: Shop) -> None:
    body = company()
    made = (await shop.post("/v1/customers", body)).json()
    nit, digit = made["identification"], made["dv"]
    for typed in (nit, f"{nit}-{digit}", f"{nit[:3]}.{nit[3:6]}.{nit[6:]}-{digit}"):
        found = (await shop.get("/v1/customers", identification=typed)).json()["items"]
        assert [item["id"] for item in found] == [made["id"]], typed


async def test_the_list_turns_its_pages_without_losing_anybody(shop: Shop) -> None:
    made = {(await create(shop, name=f"Cliente {n % 3}"))["id"] for n in range(7)}
    made.add((await final_consumer(shop))["id"])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await shop.get("/v1/customers", limit=3, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert len(seen) == len(made)
    assert set(seen) == made


async def test_a_change_answers_the_new_state_and_tells_the_trail(shop: Shop, admin: asyncpg.Connection) -> None:
    before = await create(shop, name="Ana")
    answer = await shop.patch(f"/v1/customers/{before['id']}", {"name": "Añá  Díaz", "municipalityCode": "11001"})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["name"], after["municipality"]) == ("Añá  Díaz", "Bogotá, D.C.")
    assert after["updatedAt"] > before["updatedAt"]
    assert [item["id"] for item in (await shop.get("/v1/customers", search="ana diaz")).json()["items"]] == [
        after["id"]
    ]
    cleared = await shop.patch(f"/v1/customers/{before['id']}", {"municipalityCode": None})
    assert cleared.json()["municipality"] is None
    trail = await admin.fetch(
        "SELECT action, content::jsonb AS content FROM audit_entry WHERE subject_id = $1 ORDER BY seq", before["id"]
    )
    assert [row["action"] for row in trail] == ["customer.created", "customer.changed", "customer.changed"]
    assert "Ana" not in trail[1]["content"]
    entries = (await shop.get("/v1/audit/entries", subjectId=before["id"])).json()["items"]
    changed = next(entry for entry in entries if entry["before"] and entry["before"]["name"] == "Ana")
    assert changed["before"] == before
    assert changed["after"] == after


async def test_a_change_of_an_older_version_is_refused(shop: Shop) -> None:
    made = await create(shop)
    path = f"/v1/customers/{made['id']}"
    version = (await shop.get(path)).headers["etag"]
    assert (await shop.patch(path, {"phone": "1"}, **{"If-Match": version})).status_code == 200
    assert (await shop.patch(path, {"phone": "2"}, **{"If-Match": version})).status_code == 412
    assert (await shop.delete(path, **{"If-Match": version})).status_code == 412
    assert (await shop.get(path)).json()["phone"] == "1"


async def test_an_identification_is_changed_with_the_same_care(shop: Shop) -> None:
    other, made = await create(shop), await create(shop)
    path = f"/v1/customers/{made['id']}"
    taken = await shop.patch(path, {"identification": other["identification"]})
    assert refusal(taken) == (409, "customer-exists")
    assert taken.json()["customerId"] == other["id"]
    assert refusal(await shop.patch(path, {"identificationType": "31", "identification": "800197268-1"})) == (
        422,
        "invalid-nit",
    )
    changed = await shop.patch(path, {"identificationType": "31", "identification": "800197268"})
    assert (changed.json()["identification"], changed.json()["dv"]) == ("800197268", "4")
    back = await shop.patch(path, {"identificationType": "13"})
    assert (back.json()["identificationType"], back.json()["dv"]) == ("13", None)


async def test_a_retired_customer_leaves_the_lists_and_frees_the_number(shop: Shop) -> None:
    made = await create(shop)
    path = f"/v1/customers/{made['id']}"
    assert (await shop.delete(path)).status_code == 204
    assert (await shop.delete(path)).status_code == 204
    assert (await shop.get(path)).json()["retiredAt"] is not None
    assert (await shop.get("/v1/customers", identification=made["identification"])).json()["items"] == []
    assert refusal(await shop.patch(path, {"name": "x"})) == (409, "customer-retired")
    again = await shop.post("/v1/customers", someone(identification=made["identification"]))
    assert again.status_code == 201


async def test_consumidor_final_is_there_and_stays_as_it_is(shop: Shop) -> None:
    house = await final_consumer(shop)
    assert house["isFinalConsumer"] is True
    assert (house["identificationType"], house["organization"], house["tribute"]) == ("13", "person", "ZZ")
    path, other = f"/v1/customers/{house['id']}", await create(shop)
    for answer in (
        await shop.patch(path, {"name": "Otro"}),
        await shop.delete(path),
        await shop.post(f"{path}/merge", {"into": other["id"]}),
        await shop.post(f"/v1/customers/{other['id']}/merge", {"into": house["id"]}),
    ):
        assert refusal(answer) == (422, "final-consumer-fixed"), answer.text
    twin = await shop.post("/v1/customers", someone(identification="222222222222"))
    assert refusal(twin) == (409, "customer-exists")
    assert twin.json()["customerId"] == house["id"]


async def test_a_stranger_finds_nothing_and_names_nothing(shop: Shop, other_shop: Shop) -> None:
    mine, theirs = await create(shop), await create(other_shop)
    path = f"/v1/customers/{mine['id']}"
    for answer in (
        await other_shop.get(path),
        await other_shop.patch(path, {"name": "x"}),
        await other_shop.delete(path),
        await other_shop.post(f"{path}/merge", {"into": theirs["id"]}),
    ):
        assert refusal(answer) == (404, "not-found"), answer.text
    into = await other_shop.post(f"/v1/customers/{theirs['id']}/merge", {"into": mine["id"]})
    assert refusal(into) == (422, "unknown-reference")
    assert pointers(into) == ["/into"]
    assert (await other_shop.get("/v1/customers", identification=mine["identification"])).json()["items"] == []
    free = await other_shop.post("/v1/customers", someone(id=mine["id"]))
    assert free.status_code == 201
