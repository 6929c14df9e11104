"""What the ticket of a posted sale says, asked for through the API."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from tests.domain.cash.counter import Admin, cashier_of, write_return, write_sale
from tests.paper import text_of
from tests.shop import Shop

CABLE = {
    "name": "Cable THHN 12 AWG", "unit": "MTR", "quantity": "12.5", "price": "2600", "base": "26470.59",
    "tax": "5029.41", "discount": "1000.00", "total": "31500.00", "tax_class": "iva19", "rate": "0.19",
}  # fmt: skip
BAG = {
    "name": "Bolsa plástica", "quantity": "2", "price": "173", "base": "168.07", "tax": "177.93",
    "nominal_tax": "146.00", "total": "346.00", "tax_class": "inc-bag", "rate": "0.19",
}  # fmt: skip
LUNCH = {
    "name": "Almuerzo",
    "base": "10000.00",
    "tax": "800.00",
    "total": "10800.00",
    "tax_class": "inc8",
    "rate": "0.08",
}
BREAD = {"name": "Huevos", "unit": "BX", "base": "15000.00", "tax": "0", "total": "15000.00", "tax_class": "exempt"}
BRICK = {"name": "Ladrillo", "base": "1150.00", "tax": "0", "total": "1150.00", "tax_class": "excluded"}


async def printed(shop: Shop, sale_id: UUID, width: str = "80") -> str:
    answer = await shop.get(f"/v1/sales/{sale_id}/ticket.pdf", width=width)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    return re.sub(r"\s+", " ", text_of(answer.content))


async def sold(shop: Shop, admin: Admin, **values: Any) -> UUID:
    figures: dict[str, Any] = {
        "sequence": 12,
        "lines": [CABLE, BAG, LUNCH, BREAD, BRICK],
        "payments": {"nequi": "50000", "cash": "8800", "rounding": "-4"},
        "rounding": "-4",
        "posted_at": datetime(2026, 3, 9, 4, 30, tzinfo=UTC),
    }
    return await write_sale(admin, await shop.open_drawer("0"), **figures | values)


@pytest.mark.parametrize("width", ["58", "80", "letter"])
async def test_the_ticket_carries_the_figures_of_the_sale(shop: Shop, admin: Admin, width: str) -> None:
    await shop.patch(
        "/v1/company",
        {"address": "Carrera 7 # 1-23", "phone": "3001234567", "ticketFooter": "Vuelva pronto, señor"},
    )
    text = await printed(shop, await sold(shop, admin), width)
    for expected in (
        "Tienda de Prueba",
        f"{int(shop.tenant['nit']):,}".replace(",", ".") + "-" + shop.tenant["dv"],
        "Carrera 7 # 1-23",
        "Tel. 3001234567",
        "Principal · Caja 1",
        "N.º V-12",
        "08/03/2026 11:30 p. m.",
        "Consumidor final",
        "222222222222",
        "Dueña de Prueba",
        "12,5 m",
        "2.600,00",
        "-1.000,00",
        "31.500,00",
        "10.800,00",
        "IVA 19 % 26.638,66 5.061,34",
        "INC 8 % 10.000,00 800,00",
        "Exento 15.000,00 0,00",
        "Excluido 1.150,00 0,00",
        "INC bolsas 146,00",
        "52.788,66",
        "6.007,34",
        "$ 58.796,00",
        "$ 4,00",
        "$ 58.800,00",
        "Nequi $ 50.000,00",
        "Efectivo $ 8.800,00",
        "Documento interno; no es factura electrónica.",
        "Vuelva pronto, señor",
    ):
        assert expected in text, expected


async def test_a_sold_unit_is_printed_by_its_name(shop: Shop, admin: Admin) -> None:
    text = await printed(shop, await sold(shop, admin, lines=[BREAD], payments={"cash": "15000"}, rounding="0"))
    assert "1 caja" in text.lower()


async def test_a_voided_sale_is_printed_as_such(shop: Shop, admin: Admin) -> None:
    sale_id = await sold(shop, admin)
    assert "ANULADA" not in await printed(shop, sale_id)
    session_id = (await shop.get("/v1/cash/sessions")).json()["items"][0]["id"]
    await write_return(admin, session_id, sale_id, kind="return", sequence=1, refunds={})
    assert "ANULADA" not in await printed(shop, sale_id)
    await write_return(admin, session_id, sale_id, kind="void", sequence=1, refunds={})
    assert "ANULADA" in await printed(shop, sale_id)


async def test_a_cashier_prints_and_a_stranger_does_not(
    shop: Shop, other_shop: Shop, admin: Admin, app: Litestar
) -> None:
    sale_id = await sold(shop, admin)
    cashier = await cashier_of(shop, admin, app)
    assert "V-12" in await printed(cashier, sale_id)
    assert (await other_shop.get(f"/v1/sales/{sale_id}/ticket.pdf")).status_code == 404
    assert (await shop.get(f"/v1/sales/{uuid4()}/ticket.pdf")).status_code == 404
    assert (await shop.get(f"/v1/sales/{sale_id}/ticket.pdf", width="44")).status_code == 400
