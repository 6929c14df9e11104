"""What of a ticket a supervisor has to approve, and how an approval is used up with it."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db.session import Database
from app.domain.members.approvals import act_hash
from app.domain.sales.approval import (
    Approved,
    Limits,
    LineToApprove,
    check_ticket,
)
from app.lib.errors import RuleBroken
from app.lib.permissions import ROLES
from tests.domain.cash.counter import Admin
from tests.people import Person, hire
from tests.shop import Shop

SESSION = UUID(int=7)
FIRST, SECOND = UUID(int=1), UUID(int=2)
BOSS = UUID(int=9)
CASHIER = ROLES["cashier"]
HOUSE = Limits(discount_limit=10, allow_below_cost=False)


def line(listed: str, total: str, *, cost: str = "1", base: str | None = None, quantity: str = "1") -> LineToApprove:
    return LineToApprove(
        product_id=FIRST,
        quantity=Decimal(quantity),
        list_price=Decimal(listed),
        total=Decimal(total),
        base=Decimal(base or total),
        cost=Decimal(cost),
    )


def wanted_of(lines: list[LineToApprove], limits: Limits = HOUSE) -> list[dict[str, Any]]:
    """The approvals that a cashier's ticket is refused for; none when it passes."""
    try:
        nobody = check_ticket(SESSION, lines, limits, CASHIER, [])
    except RuleBroken as refusal:
        found: Any = refusal.extra["approvals"] if refusal.code == "approval-required" else None
        return [dict(each) for each in found]
    assert nobody == {}
    return []


def given(kind: str, subject: dict[str, Any]) -> Approved:
    return Approved(kind, act_hash(kind, subject), BOSS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        pytest.param([line("10000", "10000.00")], False, id="no discount"),
        pytest.param([line("10000", "9000.00")], False, id="exactly the limit"),
        pytest.param([line("10000", "8999.99")], True, id="a cent more"),
        pytest.param([line("10000", "12000.00")], False, id="dearer than listed"),
        pytest.param([line("10000", "0.00", cost="0")], True, id="given away"),
        pytest.param([line("3333.335", "9000.00", quantity="3")], False, id="of the line, not of one unit"),
        pytest.param([line("100000", "100000.00"), line("1000", "800.00")], True, id="one line of a large ticket"),
        pytest.param([line("100000", "90000.00"), line("5", "4.50")], False, id="every line at the limit"),
        pytest.param([line("0.05", "0.04", cost="0")], False, id="the cent that spreading leaves over"),
        pytest.param([line("0", "0.00", cost="0")], False, id="listed for nothing"),
    ],
)
def test_a_discount_above_the_limit_has_to_be_approved(lines: list[LineToApprove], *, needed: bool) -> None:
    assert [each["kind"] for each in wanted_of(lines)] == (["discount"] if needed else [])


def test_a_limit_of_a_hundred_limits_nothing_and_of_zero_everything() -> None:
    assert wanted_of([line("10000", "0.00", cost="0")], Limits(100, allow_below_cost=True)) == []
    assert len(wanted_of([line("10000", "9999.99")], Limits(0, allow_below_cost=True))) == 1


def test_a_lower_unit_price_is_a_discount_by_another_name_and_the_whole_ticket_is_named() -> None:
    (wanted,) = wanted_of([line("10000", "5000.00"), line("1000", "950.00"), line("10", "20.00")])
    assert wanted == {
        "kind": "discount",
        "subject": {"sessionId": str(SESSION), "discount": "5050.00"},
        "permission": "sales:approve",
    }


@pytest.mark.parametrize(
    ("base", "cost", "needed"),
    [("5000.00", "5000.00", False), ("4999.99", "5000.00", True), ("0.00", "0.00", False)],
    ids=["at cost", "a cent under", "worthless"],
)
def test_goods_under_their_cost_have_to_be_approved(base: str, cost: str, *, needed: bool) -> None:
    # Taxes are the State's: the base is what is left to pay the goods with.
    lines = [line("5951", "5950.00", base=base, cost=cost)]
    found = wanted_of(lines)
    assert [each["kind"] for each in found] == (["below-cost"] if needed else [])
    if needed:
        assert found[0]["subject"] == {
            "sessionId": str(SESSION),
            "productIds": [str(FIRST)],
            "total": "5950.00",
        }
    assert wanted_of(lines, Limits(10, allow_below_cost=True)) == []
    assert wanted_of([line("5950", "5950.00", base=base, cost=cost)]) == [], "the catalogue's own price"


def test_what_is_approved_passes_and_says_who_approved() -> None:
    lines = [line("10000", "4000.00", cost="5000")]
    wanted = wanted_of(lines)
    assert [each["kind"] for each in wanted] == ["discount", "below-cost"]
    approvals = [given(each["kind"], each["subject"]) for each in wanted]
    assert check_ticket(SESSION, lines, HOUSE, CASHIER, approvals) == {"discount": BOSS, "below-cost": BOSS}
    with pytest.raises(RuleBroken) as half:
        check_ticket(SESSION, lines, HOUSE, CASHIER, approvals[:1])
    assert [each["kind"] for each in half.value.extra["approvals"]] == ["below-cost"]  # type: ignore[attr-defined]


def test_an_approval_of_another_act_is_none() -> None:
    lines = [line("10000", "4000.00")]
    (wanted,) = wanted_of(lines)
    for subject in (
        wanted["subject"] | {"discount": "6000.01"},
        wanted["subject"] | {"discount": "5999.99"},
        wanted["subject"] | {"sessionId": str(uuid4())},
    ):
        with pytest.raises(RuleBroken):
            check_ticket(SESSION, lines, HOUSE, CASHIER, [given("discount", subject)])
    with pytest.raises(RuleBroken):
        check_ticket(SESSION, lines, HOUSE, CASHIER, [given("below-cost", wanted["subject"])])


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_whoever_approves_needs_nobody(role: str) -> None:
    assert check_ticket(SESSION, [line("10000", "1.00", cost="5000")], HOUSE, ROLES[role], []) == {}


async def approval(boss: Person, requester: str, kind: str, subject: dict[str, Any]) -> dict[str, Any]:
    answer = await boss.post("/v1/approvals", {"kind": kind, "subject": subject, "requestedBy": requester})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_discount_above_the_limit_needs_a_supervisor_and_uses_the_approval_up(
    shop: Shop, database: Database, admin: Admin
) -> None:
    cashier, boss = await hire(shop, database), await hire(shop, database, "admin")
    product = await shop.product(price="10000.00", cost="1000")
    await shop.open_drawer()
    session = (await shop.get("/v1/cash/sessions", status="open")).json()["items"][0]["id"]
    body: dict[str, Any] = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "discount": "6000.00",
        "payments": [{"method": "cash", "amount": "4000.00"}],
    }
    refused = await cashier.post("/v1/sales", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "approval-required"), refused.text
    (wanted,) = refused.json()["approvals"]
    own = await approval(boss, cashier.id, wanted["kind"], wanted["subject"])
    others = await approval(boss, shop.user["id"], wanted["kind"], wanted["subject"])
    void = await approval(boss, cashier.id, "void", {"saleId": str(uuid4())})
    for useless in ([], [others["id"]], [void["id"]], [str(uuid4())]):
        again = await cashier.post("/v1/sales", body | {"approvalIds": useless})
        assert again.json()["code"] == "approval-required"
    broke = await cashier.post("/v1/sales", body | {"approvalIds": [own["id"]], "payments": []})
    assert broke.status_code == 422, "refused for its payments, and gives its approval back"
    sold = await cashier.post("/v1/sales", body | {"approvalIds": [own["id"]]})
    assert sold.status_code == 201, sold.text
    spent = await cashier.post("/v1/sales", body | {"approvalIds": [own["id"]]})
    assert spent.json()["code"] == "approval-required"
    told = await admin.fetchval(
        "SELECT content FROM audit_entry WHERE tenant_id = $1 AND subject_id = $2",
        UUID(shop.tenant_id),
        UUID(sold.json()["id"]),
    )
    assert told is not None
    assert json.loads(told)["after"]["approvedBy"] == {"discount": boss.id}
    assert (await shop.post("/v1/sales", body)).status_code == 201, "the owner needs nobody"


async def test_a_price_under_cost_needs_a_supervisor_until_the_company_allows_it(
    shop: Shop, database: Database
) -> None:
    cashier = await hire(shop, database)
    product = await shop.product(price="10000.00", cost="8000")
    session = await shop.open_drawer()
    body = {
        "sessionId": session,
        "lines": [{"productId": product["id"], "quantity": "1", "unitPrice": "9100.00"}],
        "payments": [{"method": "cash", "amount": "9100.00"}],
    }
    refused = await cashier.post("/v1/sales", body)
    assert refused.json()["code"] == "approval-required"
    assert [each["kind"] for each in refused.json()["approvals"]] == ["below-cost"]
    listed = {
        "lines": [{"productId": product["id"], "quantity": "1"}],
        "payments": [{"method": "cash", "amount": "10000"}],
    }
    assert (await shop.patch(f"/v1/products/{product['id']}", {"price": "9000.00"})).status_code == 200
    assert (await cashier.post("/v1/sales", body | listed)).status_code == 201, (
        "what the catalogue asks is the owner's word"
    )
    assert (await shop.patch("/v1/company", {"allowBelowCost": True})).status_code == 200
    assert (await cashier.post("/v1/sales", body)).status_code == 201
