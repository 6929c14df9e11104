"""Every route with every role against the real API: 403 exactly where docs/PERMISOS.md says so."""

from pathlib import Path
from typing import Final

import pytest
from litestar import Litestar

from app.lib.matrix import COLUMNS, KEY, OPERATOR, markdown, read_markdown
from app.lib.permissions import FOR_KEYS, ROLES
from tests.contract.cases import CASES
from tests.contract.company import PIN, Company
from tests.contract.routes import Call, Case, Route, send
from tests.people import with_pin

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "PERMISOS.md"
TABLE: Final = read_markdown(DOCUMENT.read_text(encoding="utf-8"))
OWN_RULES: Final[dict[Route, str]] = {
    ("POST", "/v1/sales"): "document-required",
    ("PUT", "/v1/me/pin"): "wrong-password",
    ("POST", "/v1/sales/{sale_id}/void"): "approval-required",
    ("POST", "/v1/approvals"): "may-not-approve",
}
"""Routes that let a role in and then ask for more than a permission, with a 422."""
NOT_YOURS: Final[Route] = ("POST", "/v1/cash/sessions/{session_id}/close")
"""The one route with a 403 of its own: a cashier closes no shift that somebody else opened."""


@pytest.fixture(scope="module")
async def tokens(company: Company) -> dict[str, str]:
    """One caller for each column of the table."""
    found = {role: (await company.member(role)).token for role in ROLES}
    owner = await with_pin(await company.member("owner"), PIN)
    taken = await company.shop.post("/v1/auth/operator", {"userId": owner.id, "pin": PIN})
    found[OPERATOR] = taken.json()["accessToken"]
    found[KEY] = (await company.key(*FOR_KEYS))["key"]
    assert found.keys() == COLUMNS.keys()
    return found


def test_the_committed_table_is_the_one_that_the_routes_make(app: Litestar) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(app.routes), (
        "run: mostrador permissions --out docs/PERMISOS.md"
    )


def test_the_table_has_every_route_that_is_tried() -> None:
    assert TABLE.keys() == CASES.keys()


@pytest.mark.parametrize("case", list(CASES.values()), ids=lambda case: case.name)
async def test_each_role_is_answered_as_the_table_says(company: Company, tokens: dict[str, str], case: Case) -> None:
    row = TABLE[case.route]
    refused = await case.make(company) if not all(row.values()) else Call()
    for column, let_in in row.items():
        call = await case.make(company) if let_in else refused
        answer = await send(company, case.route, call, token=tokens[column])
        said = f"{column}: {answer.status_code} {answer.text[:300]}"
        if not let_in:
            assert answer.status_code == 403, said
            assert answer.json()["code"] in {"forbidden", "login-required"}, said
            # Neither a missing key, nor a wrong body, nor an id that is not there comes before the refusal.
            nonsense = Call(call.path, {"nonsense": True} if case.has_body else None)
            first = await send(company, case.route, nonsense, token=tokens[column], key=None)
            assert (first.status_code, first.json()["code"]) == (403, answer.json()["code"]), said
        elif not answer.is_success:
            code = answer.json()["code"]
            # The call is right for the account of the company's owner; somebody else's own says no, but not 403.
            of_oneself = case.route[1].startswith("/v1/me/") and answer.status_code in {404, 409, 422}
            own_rule = answer.status_code == 422 and OWN_RULES.get(case.route) == code
            assert of_oneself or own_rule or (case.route == NOT_YOURS and code == "not-your-session"), said


async def test_every_house_role_does_its_work(company: Company, tokens: dict[str, str]) -> None:
    """The table could say 403 everywhere and still be obeyed."""
    for role, paths in {
        "cashier": ("/v1/sales", "/v1/cash/registers", "/v1/products", "/v1/customers"),
        "seller": ("/v1/sales", "/v1/held-tickets", "/v1/products"),
        "warehouse": ("/v1/inventory/stock", "/v1/products"),
        "accountant": ("/v1/sales", "/v1/audit/entries", "/v1/inventory/valuation"),
        "auditor": ("/v1/members", "/v1/audit/entries", "/v1/sales"),
        "admin": ("/v1/members", "/v1/roles", "/v1/approvals"),
    }.items():
        for path in paths:
            answer = await company.shop.http.get(path, headers={"Authorization": f"Bearer {tokens[role]}"})
            assert answer.status_code == 200, f"{role} {path}: {answer.text}"
