"""A stranger tries another company's ids on every route: nothing is there, nothing is said, nothing happens."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from app.db.session import Database
from tests.contract.cases import CASES
from tests.contract.company import Company
from tests.contract.routes import WITHOUT_COMPANY, Call, Case, ids_in, kind_of, of_staff, routes_of, send, with_value

ALL = list(CASES.values())
WITH_PATH = [case for case in ALL if ids_in(re.findall(r"{(\w+)}", case.route[1]))]
REFERENCES = [(case, pointer) for case in ALL for pointer in case.references]
QUERIES = [(case, name) for case in ALL for name in case.queries]
LISTS = [case for case in ALL if case.route[0] == "GET" and "{" not in case.route[1]]


def test_every_route_has_an_entry(app: Litestar) -> None:
    assert {route for route in routes_of(app) if not of_staff(route)} == {*CASES, *WITHOUT_COMPANY}


def told(answer: httpx.Response, asked: str) -> dict[str, Any]:
    """A refusal without what differs by nature: the request's own id, and the one it asked for."""
    body = json.loads(answer.text.replace(asked, "asked"))
    assert body.pop("instance") == answer.headers["x-request-id"]
    return {"status": answer.status_code, "type": answer.headers["content-type"], **body}


def leaked(answer: httpx.Response, company: Company, *allowed: str) -> list[str]:
    """What of a company's own ids and texts stands in an answer."""
    own = {*company.ids.values(), *company.names} - set(allowed)
    return [secret for secret in own if secret in answer.text]


async def trail_length(database: Database, company: Company) -> int:
    async with database.job_transaction(UUID(company.shop.tenant_id)) as work:
        return int(await work.session.scalar(text("SELECT seq FROM audit_head")) or 0)


@pytest.mark.parametrize("case", WITH_PATH, ids=lambda case: case.name)
async def test_a_foreign_id_in_the_path_is_not_found_as_if_it_did_not_exist(
    company: Company, stranger: Company, database: Database, case: Case
) -> None:
    call = await case.make(stranger)
    before = await trail_length(database, company), await trail_length(database, stranger)
    (name,) = call.path
    foreign, unknown = company.ids[kind_of(name)], str(uuid4())
    theirs, nobodys = [
        await send(stranger, case.route, Call({name: wanted}, call.body, call.content)) for wanted in (foreign, unknown)
    ]
    assert theirs.status_code == 404, theirs.text
    assert told(theirs, foreign) == told(nobodys, unknown)
    assert leaked(theirs, company, foreign) == []
    assert (await trail_length(database, company), await trail_length(database, stranger)) == before
    own = await send(stranger, case.route, call)
    assert own.is_success, f"the request was right but for the id: {own.text}"


@pytest.mark.parametrize(("case", "pointer"), REFERENCES, ids=lambda part: getattr(part, "name", part))
async def test_a_foreign_id_in_a_body_is_an_unknown_reference(
    company: Company, stranger: Company, database: Database, case: Case, pointer: str
) -> None:
    call = await case.make(stranger)
    before = await trail_length(database, company), await trail_length(database, stranger)
    foreign, unknown = company.ids[case.references[pointer]], str(uuid4())
    theirs, nobodys = [
        await send(stranger, case.route, Call(call.path, with_value(call.body, pointer, wanted)))
        for wanted in (foreign, unknown)
    ]
    assert theirs.status_code == 422, theirs.text
    assert theirs.json()["code"] == "unknown-reference"
    assert [error["pointer"] for error in theirs.json()["errors"]] == [pointer]
    assert told(theirs, foreign) == told(nobodys, unknown)
    assert leaked(theirs, company, foreign) == []
    assert (await trail_length(database, company), await trail_length(database, stranger)) == before
    own = await send(stranger, case.route, call)
    assert own.is_success, f"the request was right but for the id: {own.text}"


@pytest.mark.parametrize(("case", "name"), QUERIES, ids=lambda part: getattr(part, "name", part))
async def test_a_foreign_id_in_a_query_finds_what_an_unknown_one_finds(
    company: Company, stranger: Company, case: Case, name: str
) -> None:
    call = await case.make(stranger)
    foreign, unknown = company.ids[case.queries[name]], str(uuid4())
    theirs, nobodys = [await send(stranger, case.route, call, query={name: wanted}) for wanted in (foreign, unknown)]
    assert theirs.status_code == nobodys.status_code
    if theirs.headers["content-type"].startswith("text/csv"):
        assert theirs.text == nobodys.text
        assert len(theirs.text.splitlines()) == 1
    elif theirs.is_success:
        assert theirs.json() == nobodys.json()
        assert theirs.json()["items"] == []
    else:
        assert told(theirs, foreign) == told(nobodys, unknown)
    assert leaked(theirs, company, foreign) == []
    own = await send(stranger, case.route, call, query={name: stranger.ids[case.queries[name]]})
    assert own.is_success


@pytest.mark.parametrize("case", LISTS, ids=lambda case: case.name)
async def test_lists_and_exports_show_nothing_of_another_company(
    company: Company, stranger: Company, case: Case
) -> None:
    answer = await send(stranger, case.route, await case.make(stranger))
    assert answer.status_code == 200, answer.text
    assert leaked(answer, company) == []
    own = await send(company, case.route, await case.make(company))
    assert leaked(own, stranger) == []


TAKES_AN_ID = (
    "/v1/products",
    "/v1/categories",
    "/v1/customers",
    "/v1/sales",
    "/v1/sales/{sale_id}/void",
    "/v1/returns",
    "/v1/held-tickets",
    "/v1/inventory/adjustments",
    "/v1/inventory/adjustments/{adjustment_id}/reverse",
    "/v1/inventory/revaluations",
    "/v1/inventory/transfers",
    "/v1/inventory/counts",
    "/v1/cash/sessions",
    "/v1/cash/sessions/{session_id}/movements",
    "/v1/cash/transfers",
    "/v1/branches",
    "/v1/warehouses",
    "/v1/cash/registers",
    "/v1/dian/ranges",
    "/v1/dian/contingencies",
    "/v1/dian/habilitation",
    "/v1/dian/documents",
    "/v1/dian/documents/{document_id}/deliver",
    "/v1/roles",
    "/v1/invitations",
)


@pytest.mark.parametrize("path", TAKES_AN_ID)
async def test_another_companys_id_is_free_to_choose(company: Company, stranger: Company, path: str) -> None:
    case = CASES["POST", path]
    theirs = await send(company, case.route, await case.make(company))
    call = await case.make(stranger)
    call.body = call.body | {"id": theirs.json()["id"]}
    made = await send(stranger, case.route, call)
    assert made.status_code == 201, made.text
    assert made.json()["id"] == theirs.json()["id"]
    again = await send(stranger, case.route, call)
    assert again.status_code == 200, again.text
    assert again.json() == made.json()


async def test_a_key_of_another_company_is_no_key_of_ours(company: Company, stranger: Company) -> None:
    case = CASES["POST", "/v1/inventory/adjustments"]
    first = await send(company, case.route, await case.make(company), key="the-same")
    second = await send(stranger, case.route, await case.make(stranger), key="the-same")
    assert first.status_code == second.status_code == 201
    assert "idempotency-replayed" not in second.headers
    assert first.json()["id"] != second.json()["id"]
