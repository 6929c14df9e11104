"""X and Z: every figure against tickets whose figures the test chose."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from litestar import Litestar

from tests.domain.cash.counter import Admin, add_register, cashier_of, move, open_at, write_return, write_sale
from tests.paper import text_of
from tests.shop import Shop

CEMENT = {"base": "29327.73", "tax": "5572.27", "total": "34900.00", "tax_class": "iva19", "rate": "0.19"}
MACHETE = {
    "base": "19904.76", "tax": "995.24", "total": "20900.00", "discount": "1000.00", "tax_class": "iva5", "rate": "0.05",
}  # fmt: skip
BRICK = {"base": "1150.00", "tax": "0.00", "total": "1150.00", "tax_class": "excluded"}
BAG = {
    "base": "84.03", "tax": "88.97", "nominal_tax": "73.00", "total": "173.00", "tax_class": "inc-bag", "rate": "0.19",
}  # fmt: skip


async def busy_shift(shop: Shop, admin: Admin) -> str:
    """Three tickets, one taken back, one voided, money in and out, some carried away."""
    session_id = await shop.open_drawer("100000")
    await write_sale(
        admin, session_id, sequence=7, lines=[CEMENT, BAG],
        payments={"cash": "35050", "rounding": "23"}, rounding="23",
    )  # fmt: skip
    back = await write_sale(admin, session_id, sequence=8, lines=[MACHETE, BRICK], payments={"nequi": "22050"})
    undone = await write_sale(admin, session_id, sequence=9, lines=[CEMENT], payments={"debit-card": "34900"})
    await write_return(admin, session_id, back, kind="return", sequence=1, refunds={"nequi": "22050"})
    await write_return(admin, session_id, undone, kind="void", sequence=1, refunds={"debit-card": "34900"})
    path = f"/v1/cash/sessions/{session_id}/movements"
    await shop.post(path, {"kind": "out", "amount": "20000", "reason": "Domicilio ñ", "category": "expense"})
    await shop.post(path, {"kind": "in", "amount": "3000", "reason": "Sencillo", "category": "change"})
    other = await open_at(shop, await add_register(shop, admin), "0")
    await write_sale(admin, other, sequence=10, lines=[CEMENT], payments={"cash": "34900"})
    for going, coming, amount in ((session_id, other, "40000"), (other, session_id, "1500")):
        await shop.post(
            "/v1/cash/transfers",
            {"fromSessionId": going, "toSessionId": coming, "amount": amount, "reason": "Traslado"},
        )
    return session_id


def tender(report: dict[str, Any], method: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report["totals"]["tenders"] if row["method"] == method)
    return found


async def test_an_x_tells_what_the_shift_has_done_so_far(shop: Shop, admin: Admin) -> None:
    session_id = await busy_shift(shop, admin)
    report = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()
    assert (report["kind"], report["zNumber"], report["closedAt"]) == ("X", None, None)
    totals = report["totals"]
    assert totals["sales"] == {
        "count": 3,
        "gross": "93023.00",
        "discounts": "1000.00",
        "subtotal": "79794.25",
        "taxTotal": "12228.75",
        "total": "92023.00",
        "rounding": "23.00",
        "firstNumber": "V-7",
        "lastNumber": "V-9",
    }
    assert totals["returns"] == {"count": 1, "subtotal": "21054.76", "taxTotal": "995.24", "total": "22050.00"}
    assert totals["voids"] == {"count": 1, "subtotal": "29327.73", "taxTotal": "5572.27", "total": "34900.00"}
    assert totals["net"] == "35073.00"
    assert [tuple(row[name] for name in TAX) for row in totals["taxes"]] == [
        ("excluded", "0.00", "1150.00", "0.00", "0.00", "1150.00"),
        ("inc-bag", "0.19", "84.03", "88.97", "73.00", "173.00"),
        ("iva19", "0.19", "58655.46", "11144.54", "0.00", "69800.00"),
        ("iva5", "0.05", "19904.76", "995.24", "0.00", "20900.00"),
    ]
    assert [tuple(row[name] for name in TAX) for row in totals["returnedTaxes"]] == [
        ("excluded", "0.00", "1150.00", "0.00", "0.00", "1150.00"),
        ("iva19", "0.19", "29327.73", "5572.27", "0.00", "34900.00"),
        ("iva5", "0.05", "19904.76", "995.24", "0.00", "20900.00"),
    ]
    assert tender(report, "cash") == {
        "method": "cash",
        "opening": "100000.00",
        "sales": "35050.00",
        "refunds": "0.00",
        "cashIn": "3000.00",
        "cashOut": "20000.00",
        "transfersIn": "1500.00",
        "transfersOut": "40000.00",
        "expected": "79550.00",
        "counted": None,
        "difference": None,
    }
    assert [(row["method"], row["sales"], row["refunds"], row["expected"]) for row in totals["tenders"][1:]] == [
        ("debit-card", "34900.00", "34900.00", "0.00"),
        ("nequi", "22050.00", "22050.00", "0.00"),
    ]
    assert [(row["kind"], row["amount"], row["category"], row["reason"]) for row in totals["movements"]] == [
        ("out", "20000.00", "expense", "Domicilio ñ"),
        ("in", "3000.00", "change", "Sencillo"),
        ("transfer-out", "40000.00", None, "Traslado"),
        ("transfer-in", "1500.00", None, "Traslado"),
    ]
    assert totals["heading"]["register"] == "Caja 1"
    assert totals["heading"]["openedBy"] == "Dueña de Prueba"


TAX = ("taxClass", "rate", "base", "tax", "nominalTax", "total")


async def test_a_z_is_what_the_last_x_was_and_stays_so(shop: Shop, admin: Admin) -> None:
    session_id = await busy_shift(shop, admin)
    path = f"/v1/cash/sessions/{session_id}/report"
    last = (await shop.get(path)).json()
    body = {
        "counted": [{"method": "cash", "amount": "79500"}],
        "denominations": [{"value": 50000, "count": 1}, {"value": 500, "count": 59}],
    }
    closed = (await shop.post(f"/v1/cash/sessions/{session_id}/close", body)).json()
    first = await shop.get(path)
    report = first.json()
    assert (report["kind"], report["zNumber"], report["closedAt"]) == ("Z", 1, closed["closedAt"])
    assert report["denominations"] == [{"value": 50000, "count": 1}, {"value": 500, "count": 59}]
    assert tender(report, "cash") == tender(last, "cash") | {"counted": "79500.00", "difference": "-50.00"}
    for part in ("sales", "returns", "voids", "net", "taxes", "returnedTaxes", "movements"):
        assert report["totals"][part] == last["totals"][part], part
    assert report["totals"]["heading"] == last["totals"]["heading"] | {"closedBy": "Dueña de Prueba"}
    # The name on the paper is the one of that day, and the bytes are the same for ever.
    paper = (await shop.get(path, format="pdf")).content
    await shop.patch("/v1/company", {"name": "Otro Nombre"})
    again = await shop.get(path)
    assert again.json() == report
    assert again.headers["etag"] == first.headers["etag"]
    assert (await shop.get(path, format="pdf")).content == paper


async def test_an_empty_shift_reports_nothing_but_its_money(shop: Shop) -> None:
    session_id = await shop.open_drawer("1000")
    totals = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()["totals"]
    assert totals["sales"]["count"] == 0
    assert totals["sales"]["total"] == totals["net"] == "0.00"
    assert totals["sales"]["firstNumber"] is None
    assert totals["taxes"] == totals["returnedTaxes"] == totals["movements"] == []
    assert [row["method"] for row in totals["tenders"]] == ["cash"]


async def test_a_ticket_that_moved_no_money_is_counted(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("1000")
    gift = {"base": "0", "tax": "0", "total": "0.00", "discount": "34900", "tax_class": "iva19", "rate": "0.19"}
    await write_sale(admin, session_id, sequence=1, lines=[gift], payments={})
    sales = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()["totals"]["sales"]
    assert (sales["count"], sales["gross"], sales["discounts"], sales["total"]) == (1, "34900.00", "34900.00", "0.00")


async def test_a_ticket_of_a_clock_set_back_is_counted(shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("1000")
    await write_sale(
        admin, session_id, sequence=1, lines=[BRICK], payments={"cash": "1150"},
        posted_at=datetime.now(UTC) - timedelta(days=400),
    )  # fmt: skip
    sales = (await shop.get(f"/v1/cash/sessions/{session_id}/report")).json()["totals"]["sales"]
    assert (sales["count"], sales["total"]) == (1, "1150.00")


async def test_a_shift_reports_only_its_own_tickets(shop: Shop, other_shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("0")
    second = await open_at(shop, await add_register(shop, admin), "0")
    foreign = await other_shop.open_drawer("0")
    for number, drawer in enumerate((session_id, second, foreign), start=1):
        await write_sale(admin, drawer, sequence=number, lines=[BRICK], payments={"cash": "1150"})
    for drawer in (session_id, second):
        assert (await shop.get(f"/v1/cash/sessions/{drawer}/report")).json()["totals"]["sales"]["count"] == 1


async def test_the_printed_z_carries_the_figures_of_the_z(shop: Shop, admin: Admin) -> None:
    session_id = await busy_shift(shop, admin)
    body = {"counted": [{"method": "cash", "amount": "79600"}], "denominations": [{"value": 200, "count": 398}]}
    await shop.post(f"/v1/cash/sessions/{session_id}/close", body)
    answer = await shop.get(f"/v1/cash/sessions/{session_id}/report", format="pdf")
    assert answer.headers["content-type"] == "application/pdf"
    text = text_of(answer.content)
    for expected in (
        "Informe Z n.º 1",
        "Tienda de Prueba",
        "V-7 - V-9",
        "93.023,00",
        "-1.000,00",
        "-22.050,00",
        "-34.900,00",
        "$ 35.073,00",
        "58.655,46",
        "11.144,54",
        "73,00",
        "79.550,00",
        "79.600,00",
        "Sobrante",
        "50,00",
        "398 × $ 200,00",
        "Gasto: Domicilio ñ",
        "40.000,00",
    ):
        assert expected in text, expected


async def test_a_blind_x_prints_no_sums(shop: Shop, admin: Admin, app: Litestar) -> None:
    cashier = await cashier_of(shop, admin, app)
    session_id = await cashier.open_drawer("98765")
    await write_sale(admin, session_id, sequence=1, lines=[CEMENT], payments={"cash": "34900"})
    text = text_of((await cashier.get(f"/v1/cash/sessions/{session_id}/report", format="pdf")).content)
    assert "Informe X" in text
    assert "Por contar" in text
    assert "34.900" not in text
    assert "133.665" not in text
    owner = text_of((await shop.get(f"/v1/cash/sessions/{session_id}/report", format="pdf")).content)
    assert "133.665,00" in owner


async def test_an_unknown_format_is_refused(shop: Shop) -> None:
    session_id = await shop.open_drawer("1")
    assert (await shop.get(f"/v1/cash/sessions/{session_id}/report", format="docx")).status_code == 400
    assert (await shop.get(f"/v1/cash/sessions/{uuid4()}/report", format="pdf")).status_code == 404


async def test_a_movement_by_hand_has_its_receipt(shop: Shop, other_shop: Shop, admin: Admin) -> None:
    session_id = await shop.open_drawer("50000")
    movement = (
        await shop.post(
            f"/v1/cash/sessions/{session_id}/movements",
            {"kind": "out", "amount": "12345.67", "reason": "Consignación Bancolombia", "category": "deposit"},
        )
    ).json()
    path = f"/v1/cash/movements/{movement['id']}/receipt.pdf"
    answer = await shop.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    text = text_of(answer.content)
    for expected in (
        "Salida de efectivo",
        "$ 12.345,67",
        "Consignación Bancolombia",
        "Dueña de Prueba",
        movement["id"],
    ):
        assert expected in text, expected
    assert (await other_shop.get(path)).status_code == 404
    sale_id = uuid4()
    await move(admin, session_id, "sale", "cash", "1", sale_id)
    of_a_sale = await admin.fetchval("SELECT id FROM cash_movement WHERE document_id = $1", sale_id)
    assert (await shop.get(f"/v1/cash/movements/{of_a_sale}/receipt.pdf")).status_code == 404


async def test_what_a_close_froze_is_in_the_audit_trail(shop: Shop, admin: Admin) -> None:
    session_id = await busy_shift(shop, admin)
    await shop.post(f"/v1/cash/sessions/{session_id}/close", {"counted": [{"method": "cash", "amount": "79550"}]})
    row = await admin.fetchrow(
        "SELECT number, content FROM audit_entry WHERE subject_id = $1 AND action = 'cash-session.closed'",
        UUID(session_id),
    )
    assert row is not None
    assert row["number"] == 1
    assert '"gross":"93023.00"' in row["content"]
    stored = await admin.fetchrow(
        "SELECT * FROM cash_close_tender WHERE session_id = $1 AND method = 'cash'", UUID(session_id)
    )
    assert stored is not None
    assert (stored["expected"], stored["counted"], stored["difference"]) == (
        Decimal("79550.00"), Decimal("79550.00"), Decimal("0.00"),
    )  # fmt: skip
