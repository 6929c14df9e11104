"""The printed ticket: what a customer takes home, on 58 or 80 mm rolls or a letter sheet, with the sale's own figures."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Final, Literal

import msgspec

from app.lib.money import ZERO
from app.lib.paper import Cell, Paper, letter, roll
from app.lib.pesos import format_amount, format_instant, format_number, format_pesos, format_price

NOT_A_DOCUMENT: Final = "Documento interno; no es factura electrónica."
"""What a ticket says when the company issued no electronic document for it."""

Width = Literal["58", "80", "letter"]

_LETTER_SHARES: Final = (0.05, 0.14, 0.33, 0.1, 0.14, 0.09, 0.15)
_LETTER_HEADS: Final = ("#", "Código", "Descripción", "Cant.", "Precio", "Impuesto", "Total")
_LETTER_ALIGNS: Final[tuple[Literal["left", "right"], ...]] = (
    "left",
    "left",
    "left",
    "right",
    "right",
    "right",
    "right",
)


class TicketLine(msgspec.Struct, frozen=True, kw_only=True):
    """One product sold."""

    sku: str
    name: str
    quantity: Decimal
    unit: str
    """Abbreviated; empty for pieces."""
    unit_price: Decimal
    discount: Decimal
    """Pesos less, of the line and its share of the ticket's."""
    tax: str
    """As `IVA 19 %`."""
    total: Decimal


class TicketTax(msgspec.Struct, frozen=True, kw_only=True):
    """One tax at one rate; base and tax in pesos."""

    name: str
    base: Decimal | None
    """None for a tax of pesos per unit."""
    tax: Decimal


class TicketPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed over in one tender."""

    name: str
    amount: Decimal
    reference: str


class TicketDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The electronic document of the sale, as DIAN wants it on paper."""

    title: str
    number: str
    issued_at: datetime
    uuid_name: str
    """CUFE or CUDE."""
    uuid: str
    qr: str
    """What the QR code says."""
    notes: tuple[str, ...]
    """Numbering resolution, technology provider and whatever else the law prints."""


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a ticket says; amounts in pesos, taxes included unless said."""

    company: str
    nit: str
    """As printed, with its digit."""
    address: str
    phone: str
    branch: str
    register: str
    cashier: str
    seller: str
    number: str
    sold_at: datetime
    time_zone: str
    customer: str
    customer_identification: str
    lines: tuple[TicketLine, ...]
    discount_total: Decimal
    """Already inside the lines' totals."""
    taxes: tuple[TicketTax, ...]
    subtotal: Decimal
    """Without taxes."""
    tax_total: Decimal
    total: Decimal
    rounding: Decimal
    """What the total is more than the cash that was asked for."""
    payments: tuple[TicketPayment, ...]
    change: Decimal
    footer: str
    voided: bool
    document: TicketDocument | None


def render_ticket(ticket: TicketView, width: Width) -> bytes:
    """The ticket as PDF; the same ticket gives the same bytes."""
    if width == "letter":
        return _letter(ticket)
    return _roll(ticket, width)


def _roll(ticket: TicketView, width: Literal["58", "80"]) -> bytes:
    paper = roll(_title(ticket), width)
    _company(paper, ticket)
    paper.rule()
    _number(paper, ticket)
    paper.rule(dashed=True)
    paper.pair("Fecha", format_instant(ticket.sold_at, ticket.time_zone))
    for label, value in _people(ticket):
        paper.pair(label, value)
    paper.rule(dashed=True)
    for line in ticket.lines:
        paper.text(line.name)
        paper.pair(f"  {_quantity(line)} × {format_price(line.unit_price)}  {line.tax}", format_amount(line.total))
        if line.discount:
            paper.text(f"  Descuento {format_amount(-line.discount)}", size=7)
    paper.rule(dashed=True)
    for label, amount in _sums(ticket):
        paper.pair(label, format_amount(amount))
    paper.pair("TOTAL", format_pesos(ticket.total), size=12, bold=True)
    for label, amount in _paid(ticket):
        paper.pair(label, format_pesos(amount))
    paper.rule(dashed=True)
    shares = (0.36, 0.34, 0.3)
    paper.row(_cells(("Impuesto", "Base", "Valor"), shares), size=7, bold=True)
    for tax in ticket.taxes:
        base = "" if tax.base is None else format_amount(tax.base)
        paper.row(_cells((tax.name, base, format_amount(tax.tax)), shares), size=7)
    _ending(paper, ticket, qr_side=min(paper.width, 100))
    return paper.pdf()


def _letter(ticket: TicketView) -> bytes:
    paper = letter(_title(ticket))
    paper.row([Cell(ticket.company, 0.62), Cell(_title(ticket), 0.38, "right")], size=14, bold=True)
    places = [f"NIT {ticket.nit}", *_places(ticket)]
    numbers = [
        f"N.º {ticket.document.number if ticket.document else ticket.number}",
        format_instant(ticket.sold_at, ticket.time_zone),
        f"Tiquete {ticket.number}" if ticket.document else "",
    ]
    for left, right in zip_longest(places, numbers, fillvalue=""):
        if left or right:
            paper.row([Cell(left, 0.62), Cell(right, 0.38, "right")], size=9)
    if ticket.voided:
        paper.gap(4)
        paper.mark("ANULADA")
    paper.gap(6)
    paper.rule(weight=1)
    people = _people(ticket)
    for buyer, staff in zip_longest(people[:2], people[2:], fillvalue=("", "")):
        paper.row([Cell(buyer[0], 0.12), Cell(buyer[1], 0.46), Cell(staff[0], 0.12), Cell(staff[1], 0.3)], size=9)
    paper.gap(8)
    first = paper.position
    paper.row(_letter_cells(_LETTER_HEADS), size=8.5, bold=True, shade=0.9, pad=2.5)
    paper.repeat(first)
    for place, line in enumerate(ticket.lines, start=1):
        discount = f"\nDescuento {format_amount(-line.discount)}" if line.discount else ""
        texts = (
            str(place),
            line.sku,
            line.name + discount,
            _quantity(line),
            format_price(line.unit_price),
            line.tax,
            format_amount(line.total),
        )
        paper.row(_letter_cells(texts), size=8.5, pad=1.5)
    paper.repeat(None)
    paper.rule(weight=1)
    taxes = [("Impuesto", "Base", "Valor")] + [
        (tax.name, "" if tax.base is None else format_amount(tax.base), format_amount(tax.tax)) for tax in ticket.taxes
    ]
    sums = [(label, format_amount(amount)) for label, amount in _sums(ticket)]
    for tax_texts, figures in zip_longest(taxes, sums, fillvalue=()):
        tax_cells = _cells(tax_texts or ("", "", ""), (0.24, 0.16, 0.14))
        name, figure = figures or ("", "")
        paper.row([*tax_cells, Cell("", 0.06), Cell(name, 0.22), Cell(figure, 0.18, "right")], size=8.5, pad=0.5)
    paper.row(
        [Cell("", 0.6), Cell("TOTAL", 0.15), Cell(format_pesos(ticket.total), 0.25, "right")], size=13, bold=True, pad=2
    )
    for label, amount in _paid(ticket):
        paper.row([Cell("", 0.6), Cell(label, 0.2), Cell(format_pesos(amount), 0.2, "right")], size=8.5, pad=0.5)
    _ending(paper, ticket, qr_side=105)
    return paper.pdf()


def _title(ticket: TicketView) -> str:
    return ticket.document.title if ticket.document else "Tiquete de venta"


def _company(paper: Paper, ticket: TicketView) -> None:
    paper.text(ticket.company, size=10.5, bold=True, align="center")
    paper.text(f"NIT {ticket.nit}", align="center")
    for place in _places(ticket):
        paper.text(place, align="center")


def _places(ticket: TicketView) -> list[str]:
    phone = f"Tel. {ticket.phone}" if ticket.phone else ""
    return [text for text in (ticket.address, phone, f"{ticket.branch} · {ticket.register}") if text]


def _number(paper: Paper, ticket: TicketView) -> None:
    paper.text(_title(ticket), size=9, bold=True, align="center")
    if ticket.document:
        paper.text(f"N.º {ticket.document.number}", size=10, bold=True, align="center")
        paper.text(f"Tiquete {ticket.number}", align="center")
    else:
        paper.text(f"N.º {ticket.number}", size=10, bold=True, align="center")
    if ticket.voided:
        paper.mark("ANULADA")


def _people(ticket: TicketView) -> list[tuple[str, str]]:
    seller = [("Vendedor", ticket.seller)] if ticket.seller != ticket.cashier else []
    return [
        ("Cliente", ticket.customer),
        ("CC / NIT", ticket.customer_identification),
        ("Cajero", ticket.cashier),
        *seller,
    ]


def _sums(ticket: TicketView) -> list[tuple[str, Decimal]]:
    discount = [("Descuentos incluidos", -ticket.discount_total)] if ticket.discount_total else []
    return [*discount, ("Subtotal sin impuestos", ticket.subtotal), ("Impuestos", ticket.tax_total)]


def _paid(ticket: TicketView) -> list[tuple[str, Decimal]]:
    """Rounding, what was to be paid then, what was handed over, what went back."""
    rounded = [("Redondeo", -ticket.rounding), ("A pagar", ticket.total - ticket.rounding)] if ticket.rounding else []
    payments = [(f"{payment.name} {payment.reference}".rstrip(), payment.amount) for payment in ticket.payments]
    change = [("Cambio", ticket.change)] if ticket.change != ZERO else []
    return [*rounded, *payments, *change]


def _ending(paper: Paper, ticket: TicketView, *, qr_side: float) -> None:
    paper.rule(dashed=True)
    document = ticket.document
    if document is None:
        paper.text(NOT_A_DOCUMENT, size=7, align="center")
    else:
        for note in document.notes:
            paper.text(note, size=7, align="center")
        paper.text(f"Generado {format_instant(document.issued_at, ticket.time_zone)}", size=7, align="center")
        paper.qr(document.qr, qr_side)
        paper.text(f"{document.uuid_name}: {document.uuid}", size=6, align="center")
    if ticket.footer.strip():
        paper.gap(4)
        paper.text(ticket.footer, size=8, align="center")
    paper.gap(6)


def _quantity(line: TicketLine) -> str:
    return f"{format_number(line.quantity)} {line.unit}".rstrip()


def _cells(texts: Sequence[str], shares: Sequence[float]) -> list[Cell]:
    return [
        Cell(text, share, "right" if place else "left")
        for place, (text, share) in enumerate(zip(texts, shares, strict=True))
    ]


def _letter_cells(texts: Sequence[str]) -> list[Cell]:
    return [Cell(text, share, align) for text, share, align in zip(texts, _LETTER_SHARES, _LETTER_ALIGNS, strict=True)]
