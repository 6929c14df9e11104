"""The reconciler: silent over a busy day of a shop, and loud about any figure that was touched behind its back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.lib import clock
from tests.domain.inventory.places import add_warehouse, enter, first_warehouse, open_count, send
from tests.domain.inventory.shelf import adjust, differences
from tests.shop import Shop, sign_up


async def ask(shop: Shop, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await shop.post(path, body)
    assert answer.status_code in {200, 201}, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def busy_day(shop: Shop, admin: asyncpg.Connection) -> None:
    """Two shifts with everything in them that moves stock or money."""
    await admin.execute("UPDATE tenant SET cash_rounding = 50 WHERE tenant_id = $1", UUID(shop.tenant_id))
    nails = await shop.product(
        price="1234.56", stock="100", cost="777.777777", packs=[{"unitCode": "BX", "factor": "12", "price": "14000"}]
    )
    cable = await shop.product(price="2600", stock="33.5", cost="1650", taxClass="excluded")
    freight = await shop.product(price="9000", stock=None, tracksStock=False)
    undone = await adjust(shop, (nails, "5", "900"), (cable, "-1.25"), (nails, "-2"))
    await ask(shop, f"/v1/inventory/adjustments/{undone['id']}/reverse", {})
    await ask(shop, "/v1/inventory/revaluations", {"lines": [{"productId": cable["id"], "unitCost": "1700"}]})

    here, there = await first_warehouse(shop), await add_warehouse(shop)
    sent = await send(shop, here, there, (nails, "10"), (cable, "2"))
    part = [{"productId": nails["id"], "quantity": "7", "lost": "1", "reason": "damage"}]
    await ask(shop, f"/v1/inventory/transfers/{sent['id']}/receive", {"lines": part})
    gone = await send(shop, here, there, (cable, "1"))
    await ask(shop, f"/v1/inventory/transfers/{gone['id']}/cancel", {})
    count = await open_count(shop, warehouseId=there)
    await enter(shop, count, (nails, "5"), (nails, "1"))
    await ask(shop, f"/v1/inventory/counts/{count['id']}/close", {})

    session = await shop.open_drawer("50000")
    mixed = await ask(
        shop,
        "/v1/sales",
        {
            "sessionId": session,
            "discount": "100",
            "lines": [
                {"productId": nails["id"], "quantity": "3"},
                {"productId": nails["id"], "quantity": "2", "unitCode": "BX"},
                {"productId": cable["id"], "quantity": "7.333333", "discount": "17.01"},
                {"productId": freight["id"], "quantity": "1"},
            ],
            "payments": [{"method": "nequi", "amount": "20000"}, {"method": "cash", "amount": "50000"}],
        },
    )
    assert mixed["rounding"] != "0.00"
    await ask(
        shop,
        "/v1/returns",
        {
            "saleId": mixed["id"],
            "reason": "No era",
            "lines": [
                {"saleLineId": mixed["lines"][0]["id"], "quantity": "1"},
                {"saleLineId": mixed["lines"][1]["id"], "quantity": "1"},
            ],
            "refunds": [{"method": "nequi", "amount": await due(shop, mixed)}],
        },
    )
    await ask(shop, f"/v1/sales/{mixed['id']}/void", {"reason": "Se arrepintió del resto"})
    await ask(shop, f"/v1/cash/sessions/{session}/movements", {"kind": "out", "amount": "1000", "reason": "Café"})
    await ask(
        shop,
        f"/v1/cash/sessions/{session}/close",
        {"counted": [{"method": "cash", "amount": "49000"}]},
    )

    session = await shop.open_drawer("0")
    sold_at = (clock.now() - timedelta(minutes=3)).isoformat()
    offline = await shop.sell(session, [{"productId": cable["id"], "quantity": "40"}], "104000", soldAt=sold_at)
    assert offline.status_code == 201, offline.text


async def due(shop: Shop, sale: dict[str, Any]) -> str:
    """What the first nail and the first box of the ticket come to, asked of the shop itself."""
    answer = await shop.post(
        "/v1/returns",
        {
            "saleId": sale["id"],
            "reason": "?",
            "lines": [
                {"saleLineId": sale["lines"][0]["id"], "quantity": "1"},
                {"saleLineId": sale["lines"][1]["id"], "quantity": "1"},
            ],
            "refunds": [],
        },
    )
    assert answer.status_code == 422, answer.text
    return str(answer.json()["total"])


@pytest.fixture(scope="module")
async def books(http: httpx.AsyncClient, environ: dict[str, str]) -> AsyncIterator[tuple[Shop, asyncpg.Connection]]:
    """A shop after a busy day, and the hand that can reach behind its back."""
    connection = await asyncpg.connect(environ["DATABASE_ADMIN_URL"])
    try:
        shop = await sign_up(http)
        await busy_day(shop, connection)
        yield shop, connection
    finally:
        await connection.close()


async def test_a_busy_day_leaves_no_difference(books: tuple[Shop, asyncpg.Connection]) -> None:
    shop, _ = books
    assert await differences(shop) == []


TOUCHED = [
    ("stock", "value = value + {}", "quantity > 0", {"stock-sums"}),
    ("stock", "moves = moves + {}", "quantity > 0", {"stock-sums"}),
    ("stock_movement", "balance_value = balance_value + {}", "position = 2", {"stock-balances"}),
    ("stock_movement", "value = value + {}", "kind = 'opening'", {"stock-sums", "stock-balances", "adjustments"}),
    ("stock_movement", "value = value + {}", "kind = 'sale'", {"stock-sums", "stock-balances", "sale-goods"}),
    ("stock_movement", "quantity = quantity + {}", "kind = 'void'", {"stock-sums", "stock-balances", "return-goods"}),
    ("stock_adjustment", "line_count = line_count + {}", "true", {"adjustments"}),
    ("stock_conflict", "missing = missing + {}", "true", {"shortfalls"}),
    ("stock_transfer", "value = value + {}", "true", {"transfers"}),
    ("stock_transfer_state", "value = value + {}", "open_lines > 0", {"transfers"}),
    ("stock_transfer_state", "open_lines = open_lines + {}", "open_lines > 0", {"transfers"}),
    ("stock_transfer_line", "value = value + {}", "true", {"transfers", "transit", "transfer-goods"}),
    ("stock_transit", "value = value + {}", "quantity > 0", {"transfers", "transit"}),
    ("stock_transit", "quantity = quantity + {}", "quantity > 0", {"transit"}),
    ("stock_arrival", "lost_value = lost_value + {}", "true", {"arrivals"}),
    ("stock_arrival_line", "value = value + {}", "true", {"arrivals", "transit", "transfer-goods"}),
    ("stock_arrival_line", "lost_value = lost_value + {0}, value = value - {0}", "reason IS NOT NULL",
     {"arrivals", "transfer-losses"}),
    ("stock_movement", "value = value + {}", "kind = 'transfer-in'",
     {"stock-sums", "stock-balances", "transfer-goods"}),
    ("stock_count_item", "counted = counted + {}", "counted IS NOT NULL", {"counts", "count-entries"}),
    ("stock_count_entry", "total = total + {}", "true", {"count-entries"}),
    ("stock_count_item", "book_quantity = book_quantity + {}", "counted IS NOT NULL", {"counts"}),
    ("cash_drawer", "nequi = nequi + {}", "is_open", {"drawer-totals"}),
    ("cash_session", "opening_amount = opening_amount + {}", "true", {"drawer-openings"}),
    ("cash_close_tender", "expected = expected + {0}, difference = difference - {0}", "true", {"closes"}),
    ("cash_movement", "amount = amount + {}", "kind = 'out'", {"drawer-totals", "closes"}),
    ("numbering", "next_no = next_no + {}", "kind = 'z'", {"z-numbers"}),
    ("numbering", "next_no = next_no + {}", "kind = 'sale'", {"numbers"}),
    ("numbering", "next_no = next_no + {}", "kind = 'void'", {"numbers"}),
    ("sale", "subtotal = subtotal + {}", "true", {"sale-totals"}),
    ("sale", "line_count = line_count + {}", "true", {"sale-totals"}),
    ("sale", "change = change + {}", "true", {"sale-payments"}),
    ("sale_line", "discount = discount + {}", "true", {"sale-totals"}),
    ("sale_line", "base = base + {0}, tax = tax - {0}", "true", {"sale-totals", "sale-remaining"}),
    ("sale_payment", "amount = amount + {0}, change = change + {0}", "method = 'cash'", {"sale-payments"}),
    ("cash_movement", "method = CASE {} WHEN 1 THEN 'voucher' ELSE 'nequi' END",
     "kind = 'sale' AND method IN ('nequi', 'voucher')", {"drawer-totals", "closes", "sale-money"}),
    ("sale_line_remaining", "quantity = quantity + {}", "true", {"sale-remaining"}),
    ("sale_return", "tax_total = tax_total + {}", "kind = 'return'", {"return-totals"}),
    ("sale_refund", "amount = amount + {}", "method = 'nequi'", {"return-totals", "return-money"}),
    ("sale_return_line", "cost = cost + {}", "true", {"return-totals", "return-goods", "sale-remaining"}),
]  # fmt: skip
"""Table, change, rows, and the checks that must speak. `{}` is 1 to do it and -1 to undo it."""


@pytest.mark.parametrize(
    ("table", "change", "rows", "checks"),
    TOUCHED,
    ids=[f"{case[0]} {case[1].split()[0]} {case[2]}" for case in TOUCHED],
)
async def test_a_figure_touched_behind_the_books_is_named(
    books: tuple[Shop, asyncpg.Connection], table: str, change: str, rows: str, checks: set[str]
) -> None:
    shop, admin = books
    statement = f"UPDATE {table} SET {{}} WHERE tenant_id = $1 AND {rows}"
    touched = await admin.execute(statement.format(change.format(1)), UUID(shop.tenant_id))
    try:
        found = await differences(shop)
    finally:
        mended = await admin.execute(statement.format(change.format(-1)), UUID(shop.tenant_id))
    assert touched == mended != "UPDATE 0"
    assert {one["check"] for one in found} == checks
    assert all(one["expected"] != one["found"] for one in found)
    assert await differences(shop) == []


async def test_a_missing_ticket_is_a_gap_in_the_numbers(shop: Shop, admin: asyncpg.Connection) -> None:
    nails = await shop.product()
    session = await shop.open_drawer()
    for _ in range(3):
        await shop.sell(session, [{"productId": nails["id"], "quantity": "1"}], "20000")
    await admin.execute("UPDATE sale SET sequence = 9 WHERE tenant_id = $1 AND sequence = 3", UUID(shop.tenant_id))
    found = await differences(shop)
    assert [(one["check"], one["field"], one["expected"], one["found"]) for one in found] == [
        ("numbers", "last", "3", "9")
    ]


async def test_the_books_of_the_neighbour_are_not_mine(shop: Shop, other_shop: Shop, admin: asyncpg.Connection) -> None:
    await shop.product()
    await admin.execute("UPDATE stock SET value = value + 1 WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert await differences(other_shop) == []
    assert [one["check"] for one in await differences(shop)] == ["stock-sums"]


async def test_a_cashier_does_not_audit(shop: Shop, admin: asyncpg.Connection) -> None:
    await admin.execute("UPDATE membership SET role = 'cashier' WHERE tenant_id = $1", UUID(shop.tenant_id))
    assert (await shop.get("/v1/audit/reconciliation")).status_code == 403
