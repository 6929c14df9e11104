"""The printed ticket: every figure of the sale, legible on every paper."""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.domain.sales.ticket import (
    NOT_A_DOCUMENT,
    TicketDocument,
    TicketLine,
    TicketPayment,
    TicketTax,
    TicketView,
    Width,
    render_ticket,
)
from app.lib.paper import MM
from tests.paper import page_sizes, text_of

WIDTHS: tuple[Width, ...] = ("58", "80", "letter")
every_width = pytest.mark.parametrize("width", WIDTHS)

CUDE = "0123456789abcdef" * 6
DOCUMENT = TicketDocument(
    title="Documento equivalente electrónico POS",
    number="POSE-990001042",
    issued_at=datetime(2026, 11, 24, 18, 5, tzinfo=UTC),
    uuid_name="CUDE",
    uuid=CUDE,
    qr="NumFac:POSE-990001042\nQRCode=https://catalogo-vpfe.dian.gov.co/document/searchqr?documentkey=" + CUDE,
    notes=("Autorización DIAN 18760000001",),
)


LINE = TicketLine(
    sku="CEM-50",
    name="Cemento gris 50 kg",
    quantity=Decimal(2),
    unit="",
    unit_price=Decimal(34900),
    discount=Decimal("0.00"),
    tax="IVA 19 %",
    total=Decimal("69800.00"),
)


def line(**values: Any) -> TicketLine:
    return msgspec.structs.replace(LINE, **values)


TICKET = TicketView(
    company="Ferretería El Tornillo Demo S.A.S.",
    nit="901.555.123-8",
    address="Calle 13 # 20-45, Bogotá D.C.",
    phone="601 555 1234",
    branch="Principal",
    register="Caja 1",
    cashier="Yolanda Muñoz Güiza",
    seller="José Peña",
    number="V-1042",
    sold_at=datetime(2026, 11, 24, 18, 5, tzinfo=UTC),
    time_zone="America/Bogota",
    customer="Consumidor final",
    customer_identification="222222222222",
    lines=(
        line(discount=Decimal("1800.50"), total=Decimal("67999.50")),
        line(
            sku="PUN",
            name='Puntilla 2" a granel',
            quantity=Decimal("0.375000"),
            unit="kg",
            unit_price=Decimal("8400.123456"),
            total=Decimal("3150.05"),
        ),
        line(
            sku="LAD",
            name="Ladrillo tolete",
            quantity=Decimal("1250.000000"),
            tax="Excluido",
            unit_price=Decimal(1150),
            total=Decimal("1437500.00"),
        ),
    ),
    discount_total=Decimal("1800.50"),
    taxes=(
        TicketTax(name="IVA 19 %", base=Decimal("59789.54"), tax=Decimal("11360.01")),
        TicketTax(name="Excluido", base=Decimal("1437500.00"), tax=Decimal("0.00")),
        TicketTax(name="INC bolsas", base=None, tax=Decimal("73.00")),
    ),
    subtotal=Decimal("1497289.54"),
    tax_total=Decimal("11433.01"),
    total=Decimal("1508722.55"),
    rounding=Decimal("22.55"),
    payments=(
        TicketPayment(name="Tarjeta débito", amount=Decimal("1000000.00"), reference="ap. 004512"),
        TicketPayment(name="Efectivo", amount=Decimal("510000.00"), reference=""),
    ),
    change=Decimal("1300.00"),
    footer="¡Gracias por su compra!\nCambios dentro de los 8 días.",
    voided=False,
    document=None,
)


def ticket(**values: Any) -> TicketView:
    return msgspec.structs.replace(TICKET, **values)


def joined(pdf: bytes) -> str:
    """The text with every run of blanks as one: where a line breaks depends on the paper."""
    return re.sub(r"\s+", " ", text_of(pdf))


FIGURES = (
    "901.555.123-8",
    "V-1042",
    "24/11/2026 01:05 p. m.",
    "222222222222",
    "34.900,00",
    "-1.800,50",
    "67.999,50",
    "0,375 kg",
    "8.400,123456",
    "3.150,05",
    "1.250",
    "1.150,00",
    "1.437.500,00",
    "59.789,54",
    "11.360,01",
    "73,00",
    "1.497.289,54",
    "11.433,01",
    "$ 1.508.722,55",
    "-$ 22,55",
    "$ 1.508.700,00",
    "$ 1.000.000,00",
    "$ 510.000,00",
    "$ 1.300,00",
)
WORDS = (
    "Ferretería El Tornillo",
    "Bogotá",
    "Yolanda Muñoz Güiza",
    "José Peña",
    "IVA 19 %",
    "Excluido",
    "INC bolsas",
    "Tarjeta débito ap. 004512",
    "¡Gracias por su compra!",
    "8 días",
)


@every_width
def test_a_ticket_says_all_of_the_sale(width: Width) -> None:
    text = joined(render_ticket(ticket(), width))
    for expected in (*FIGURES, *WORDS, NOT_A_DOCUMENT):
        assert expected in text, expected


@every_width
def test_a_ticket_says_no_figure_that_the_sale_does_not_have(width: Width) -> None:
    """Amounts on the paper are those of the sale, each in its Colombian form."""
    amounts = set(re.findall(r"\d[\d.]*,\d{2,}", joined(render_ticket(ticket(), width))))
    known = " ".join(FIGURES)
    assert {amount for amount in amounts if amount not in known} <= {"0,00"}


@every_width
def test_a_ticket_with_a_document_says_what_dian_wants_and_not_that_it_is_none(width: Width) -> None:
    text = joined(render_ticket(ticket(document=DOCUMENT), width))
    for expected in ("electrónico", "POSE-990001042", "V-1042", "Autorización DIAN 18760000001", "CUDE:"):
        assert expected in text, expected
    assert CUDE in text.replace(" ", "")
    assert NOT_A_DOCUMENT not in text


@every_width
def test_a_voided_ticket_says_so(width: Width) -> None:
    assert "ANULADA" in text_of(render_ticket(ticket(voided=True), width))
    assert "ANULADA" not in text_of(render_ticket(ticket(), width))


@every_width
def test_the_same_sale_prints_the_same_bytes(width: Width) -> None:
    view = ticket(document=DOCUMENT)
    assert render_ticket(view, width) == render_ticket(msgspec.structs.replace(view), width)


@every_width
def test_a_plain_sale_prints_nothing_it_does_not_need(width: Width) -> None:
    view = ticket(
        lines=(line(),), discount_total=Decimal("0.00"), rounding=Decimal("0.00"), change=Decimal("0.00"),
        seller="Yolanda Muñoz Güiza", phone="", address="", footer="",
    )  # fmt: skip
    text = text_of(render_ticket(view, width))
    for absent in ("Descuento", "Redondeo", "A pagar", "Cambio", "Vendedor", "Tel."):
        assert absent not in text, absent


@every_width
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Ñandú, cigüeña y corazón", "Ñandú, cigüeña y corazón"),
        (unicodedata.normalize("NFD", "Azadón"), "Azadón"),
        ("Łódź – «vodka» 10 €", "?ódz – «vodka» 10 €"),
        ("漢字 🔨 Ω", "?? ? ?"),
        ("a\tb\u00adc\u200bd\u0301", "a b"),
        ("()\\ %s {0} <b>", "()\\ %s {0} <b>"),
    ],
    ids=["spanish", "decomposed", "polish", "beyond", "invisible", "signs"],
)
def test_any_name_can_be_printed(width: Width, name: str, printed: str) -> None:
    text = joined(render_ticket(ticket(lines=(line(name=name),), customer=name), width))
    assert printed in text


@every_width
def test_a_name_without_blanks_is_cut_into_lines(width: Width) -> None:
    name = "Destornillador" * 15
    assert name in text_of(render_ticket(ticket(lines=(line(name=name),)), width)).replace("\r\n", "").replace("\n", "")


@pytest.mark.parametrize(("width", "millimetres"), [("58", 58), ("80", 80)])
def test_a_roll_is_as_long_as_its_ticket(width: Width, millimetres: int) -> None:
    (short,) = page_sizes(render_ticket(ticket(lines=(line(),)), width))
    (long,) = page_sizes(render_ticket(ticket(lines=(line(),) * 100), width))
    assert short[0] == long[0] == pytest.approx(millimetres * MM, abs=0.01)
    assert long[1] > short[1] + 99 * 2 * 6


@every_width
def test_two_thousand_lines_all_arrive(width: Width) -> None:
    lines = tuple(
        line(sku=f"S-{n}", name=f"Producto número {n} del surtido", quantity=Decimal(n)) for n in range(1, 2001)
    )
    pdf = render_ticket(ticket(lines=lines), width)
    found = re.findall(r"Producto número (\d+) del surtido", joined(pdf))
    assert found == [str(n) for n in range(1, 2001)]
    sizes = page_sizes(pdf)
    # Readers refuse pages longer than 200 inches.
    assert max(height for _, height in sizes) <= 14_400
    if width == "letter":
        text = text_of(pdf)
        assert text.count("Descripción") == len([1 for page in text.split("Página") if "Producto" in page])
        assert f"Página {len(sizes)} de {len(sizes)}" in text
        assert set(sizes) == {(612.0, 792.0)}
