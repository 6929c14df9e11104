"""Who may call what: every route for the owner and nobody, and the order in which a request is refused."""

from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute

from app.lib.access import Requires, RequiresStaff, check_routes, requires, requires_staff
from app.lib.matrix import rows_of
from app.lib.permissions import PERMISSIONS, ROLES
from tests.contract.cases import CASES
from tests.contract.company import Company
from tests.contract.routes import WITHOUT_COMPANY, Call, Case, routes_of, send

ALL = list(CASES.values())
NEED_KEY = (
    "/v1/sales",
    "/v1/sales/{sale_id}/void",
    "/v1/returns",
    "/v1/dian/documents",
    "/v1/inventory/adjustments",
    "/v1/inventory/adjustments/{adjustment_id}/reverse",
    "/v1/inventory/revaluations",
    "/v1/inventory/transfers",
    "/v1/inventory/transfers/{transfer_id}/receive",
    "/v1/inventory/transfers/{transfer_id}/cancel",
    "/v1/inventory/counts/{count_id}/entries",
    "/v1/inventory/counts/{count_id}/close",
    "/v1/cash/sessions",
    "/v1/cash/sessions/{session_id}/movements",
    "/v1/cash/transfers",
    "/v1/imports/products",
    "/v1/imports/{import_id}/undo",
    "/v1/billing/plan-change",
)
"""POSTs that move money or stock."""


def test_every_route_is_in_the_matrix_and_only_the_listed_ones_need_no_login(app: Litestar) -> None:
    open_ones = {
        route
        for route, handler in routes_of(app).items()
        if not any(isinstance(guard, (Requires, RequiresStaff)) for guard in handler.resolve_guards())
    }
    assert open_ones == set(WITHOUT_COMPANY)


def test_start_up_fails_for_a_route_without_a_permission() -> None:
    @get("/v1/naked")
    async def naked() -> None: ...

    @get("/v1/dressed", guards=[requires("sales:read")])
    async def dressed() -> None: ...

    @get("/v1/auth/open")
    async def open_one() -> None: ...

    @get("/v1/provider/door", guards=[requires_staff("trail:read")])
    async def of_staff() -> None: ...

    @get("/v1/provider/wrong", guards=[requires("sales:read")])
    async def of_a_company() -> None: ...

    @get("/v1/elsewhere", guards=[requires_staff("trail:read")])
    async def elsewhere() -> None: ...

    check_routes(Litestar([dressed, open_one, of_staff], openapi_config=None).routes)
    for misplaced in (of_a_company, elsewhere):
        with pytest.raises(RuntimeError, match=r"/v1/provider/wrong|/v1/elsewhere"):
            check_routes(Litestar([dressed, misplaced], openapi_config=None).routes)
    with pytest.raises(ValueError, match="sales:read"):
        requires_staff("sales:read")
    with pytest.raises(RuntimeError, match="/v1/naked"):
        check_routes(Litestar([dressed, naked], openapi_config=None).routes)
    with pytest.raises(ValueError, match="sales:invent"):
        requires("sales:invent")


def test_roles_hold_known_permissions_and_the_owner_holds_all() -> None:
    assert ROLES["owner"] == set(PERMISSIONS)
    assert all(held < set(PERMISSIONS) for role, held in ROLES.items() if role != "owner")
    assert all(said.strip() for said in PERMISSIONS.values())


NOT_ON_A_ROUTE = {"refunds:cash": "what of a return is allowed"}
"""Permissions that no route names, and what they decide."""


def test_every_permission_decides_something(app: Litestar) -> None:
    named = {row.permission for row in rows_of(app.routes)} - {None}
    assert named.isdisjoint(NOT_ON_A_ROUTE)
    assert named | NOT_ON_A_ROUTE.keys() == PERMISSIONS.keys()


def test_exactly_the_posts_that_move_money_or_stock_require_a_key(app: Litestar) -> None:
    required = {
        route.path_format
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
        if handler.opt.get("idempotency_required")
    }
    assert required == set(NEED_KEY)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
async def test_without_a_token_nothing_is_answered(company: Company, case: Case) -> None:
    wrong: Any = {"nonsense": True} if case.has_body else None
    path = {name: str(uuid4()) for name in (await case.make(company)).path}
    for token in ("", "x.y.z", company.shop.token[:-6] + "AAAAAA"):
        answer = await send(company, case.route, Call(path, wrong), token=token, key=None)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), answer.text
        assert answer.json()["code"] in {"unauthenticated", "invalid-token"}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
async def test_the_owner_is_answered(company: Company, case: Case) -> None:
    answer = await send(company, case.route, await case.make(company))
    assert answer.is_success, answer.text


@pytest.mark.parametrize("path", NEED_KEY)
async def test_the_key_is_asked_for_before_the_body_is_read(company: Company, path: str) -> None:
    case = CASES["POST", path]
    call = await case.make(company)
    nowhere = {name: str(uuid4()) for name in call.path}
    answer = await send(company, case.route, Call(nowhere, {"nonsense": True}), key=None)
    assert (answer.status_code, answer.json()["code"]) == (428, "idempotency-key-required")
    for key in ("con espacio", "x" * 256, "\x7f"):
        answer = await send(company, case.route, call, key=key)
        assert answer.status_code == 400, answer.text
    if call.content is None:
        body = await send(company, case.route, Call(nowhere, {"nonsense": True}))
        assert body.status_code == 400, body.text


BODIES = [case for case in ALL if case.has_body and "{" in case.route[1]]


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
async def test_a_body_that_is_wrong_is_told_before_an_id_that_is_not_there(company: Company, case: Case) -> None:
    call = await case.make(company)
    if call.body is None:
        return
    nowhere = {name: str(uuid4()) for name in call.path}
    wrong = await send(company, case.route, Call(nowhere, call.body | {"nonsense": True}))
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/nonsense"), wrong.text
    right = await send(company, case.route, Call(nowhere, call.body))
    assert right.status_code == 404, right.text


async def test_a_cashier_is_shown_no_costs(company: Company, cashier: str) -> None:
    sale = await company.sale()
    for path, params in (
        (f"/v1/sales/{sale['id']}", {}),
        (f"/v1/products/{company.ids['product']}", {}),
        (f"/v1/products/{company.ids['product']}/kardex", {}),
        (f"/v1/products/{company.ids['product']}/prices", {}),
        ("/v1/products", {"limit": "200"}),
        ("/v1/inventory/stock", {}),
        ("/v1/inventory/conflicts", {}),
        (f"/v1/inventory/adjustments/{company.ids['adjustment']}", {}),
        (f"/v1/inventory/transfers/{company.ids['transfer']}", {}),
        ("/v1/inventory/transfers", {}),
        (f"/v1/inventory/counts/{company.ids['count']}/items", {}),
        (f"/v1/returns/{company.ids['return']}", {}),
        ("/v1/catalog/changes", {}),
    ):
        answer = await company.shop.http.get(path, params=params, headers={"Authorization": f"Bearer {cashier}"})
        assert answer.status_code == 200, answer.text
        assert costs_in(answer.json()) == [], path
        own = await company.shop.get(path, **params)
        assert own.status_code == 200


COSTS = {"cost", "unitCost", "averageCost", "value", "balanceValue", "transitValue", "lostValue", "margin"}


def costs_in(found: Any, way: str = "") -> list[str]:
    """Places of an answer where a cost stands."""
    if isinstance(found, list):
        return [place for n, item in enumerate(found) for place in costs_in(item, f"{way}/{n}")]
    if not isinstance(found, dict):
        return []
    if found.get("kind") == "cost":
        return [way]
    return [
        place
        for name, value in found.items()
        for place in ([f"{way}/{name}"] if name in COSTS and value is not None else costs_in(value, f"{way}/{name}"))
    ]
