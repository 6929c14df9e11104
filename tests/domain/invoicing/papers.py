"""A shop that issues, its buyers, and tickets of every tax class turned into documents of every kind."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.kinds import KINDS, PAPER_KINDS, POS_KINDS, SUPPORT_KINDS, Kind
from app.domain.invoicing.model import (
    FINAL_CONSUMER,
    Address,
    Correction,
    Delivery,
    Document,
    Line,
    NumberingRange,
    Paper,
    Party,
    Payment,
    PointOfSale,
    Reference,
    Software,
)
from app.domain.invoicing.totals import SoldLine, line_of, total
from app.domain.sales.pricing import LineToPrice, price_lines
from app.domain.sales.prorate import Portion, Remaining, prorate

KEYS = Keys(pin="12345", technical_key="fc8eac422eba16e22ffd8c6f94b3f40a6e38162c")
NOW = datetime(2026, 11, 20, 15, 15, 30, tzinfo=UTC)
BOGOTA_ADDRESS = Address(
    line="Calle 10 # 20 - 30 & piso 2",
    municipality_code="11001",
    city="Bogotá, D.C.",
    department_code="11",
    department="Bogotá, D.C.",
    postal_code="110111",
)
ISSUER = Party(
    organization="1",
    identification_type="31",
    identification="999888777",
    dv="1",
    name="Ferretería & Papelería de Ejemplo S.A.S.",
    trade_name="La «Ñapa»",
    responsibilities=("O-13", "O-15"),
    tribute="ZA",
    address=BOGOTA_ADDRESS,
    email="facturacion@ejemplo.invalid",
    phone="6010000000",
    activities=("4711", "4752"),
    merchant_register="0000001",
)
COMPANY = Party(
    organization="1",
    identification_type="31",
    identification="999888666",
    dv="0",
    name="Cliente Ficticio S.A.",
    tribute="01",
    address=BOGOTA_ADDRESS,
    email="compras@ficticio.invalid",
)
PERSON = Party(
    organization="2",
    identification_type="13",
    identification="1000000001",
    name="Persona De Ejemplo",
    email="persona@ejemplo.invalid",
    first_name="Persona",
    family_name="De Ejemplo",
)
FOREIGNER = Party(
    organization="1",
    identification_type="50",
    identification="EX-123456",
    name="Overseas <Buyer> Ltd.",
    address=Address(line="221B Baker Street", city="London", country_code="GB", country="Reino Unido"),
)
SELLER = Party(
    organization="2",
    identification_type="31",
    identification="1000000002",
    dv="6",
    name="Vendedor De Ejemplo",
    address=BOGOTA_ADDRESS,
)
SOFTWARE = Software(
    id="11111111-2222-3333-4444-555555555555",
    provider_nit="999888777",
    provider_dv="1",
    name="Mostrador",
    maker="Ferretería & Papelería de Ejemplo S.A.S.",
    maker_person="Persona De Ejemplo",
)
PLACE = PointOfSale(
    plate="CAJA-01", location="Local 1", cashier="María Ñuñez", kind="Caja principal", sale_code="V-000101"
)
PREFIXES = {Kind.POS: "EPOS", Kind.SUPPORT: "DS", Kind.PAPER_CONTINGENCY: "CT", Kind.POS_CONTINGENCY: "CP"}
NOTE_PREFIXES = {
    Kind.CREDIT_NOTE: "NC",
    Kind.DEBIT_NOTE: "ND",
    Kind.POS_CREDIT_NOTE: "NAP",
    Kind.POS_DEBIT_NOTE: "NDP",
    Kind.SUPPORT_NOTE: "NDS",
}
BUYERS = {Kind.EXPORT: FOREIGNER, Kind.SUPPORT: SELLER, Kind.SUPPORT_NOTE: SELLER}

TAXES: dict[str, dict[str, Any]] = {
    "iva19": {"rate": Decimal("0.19"), "tribute": "01"},
    "iva5": {"rate": Decimal("0.05"), "tribute": "01"},
    "exempt": {"rate": Decimal(0), "tribute": "01"},
    "excluded": {"rate": Decimal(0), "tribute": None},
    "inc8": {"rate": Decimal("0.08"), "tribute": "04"},
    "inc-bag": {"rate": Decimal("0.19"), "tribute": "01", "nominal": Decimal(73), "nominal_tribute": "22"},
}


class Item(msgspec.Struct, frozen=True):
    """A line as the cashier rings it."""

    name: str
    tax: str
    quantity: str
    price: str
    discount: str = "0"
    unit: str = "94"


TICKET = (
    Item("Silla de oficina", "iva19", "2", "119000", "11900"),
    Item("Café molido 500 g", "iva5", "10", "5250"),
    Item("Arroz a granel", "exempt", "1.375", "4321", unit="KGM"),
    Item("Transporte", "excluded", "1", "8000"),
    Item("Almuerzo del día", "inc8", "3", "16333.33"),
    Item("Bolsa plástica", "inc-bag", "2", "250"),
)


def ring(items: Sequence[Item] = TICKET, ticket_discount: str = "0") -> list[SoldLine]:
    """Price a ticket with the counter's own arithmetic, and give what it keeps of each line."""
    to_price = [
        LineToPrice(
            quantity=Decimal(item.quantity),
            base_units=Decimal(item.quantity),
            unit_price=Decimal(item.price),
            discount=Decimal(item.discount),
            rate=TAXES[item.tax]["rate"],
            nominal=TAXES[item.tax].get("nominal", Decimal(0)),
        )
        for item in items
    ]
    priced = price_lines(to_price, Decimal(ticket_discount))
    return [
        SoldLine(
            code=f"SKU-{number:03d}",
            description=item.name,
            unit_code=item.unit,
            quantity=line.quantity,
            discount=done.discount,
            total=done.total,
            base=done.base,
            nominal_tax=done.nominal_tax,
            rate=line.rate,
            tribute=TAXES[item.tax]["tribute"],
            nominal_tribute=TAXES[item.tax].get("nominal_tribute"),
            nominal_units=line.quantity if done.nominal_tax else Decimal(0),
        )
        for number, (item, line, done) in enumerate(zip(items, to_price, priced, strict=True), start=1)
    ]


def give_back(sold: SoldLine, *pieces: str) -> list[SoldLine]:
    """Return a sold line in pieces, prorated by the counter's own arithmetic."""
    left = Portion(
        quantity=sold.quantity, total=sold.total, base=sold.base, nominal_tax=sold.nominal_tax, cost=Decimal(0)
    )
    back: list[SoldLine] = []
    for piece in pieces:
        remaining = Remaining(
            sold=sold.quantity,
            total=sold.total,
            base=sold.base,
            nominal_tax=sold.nominal_tax,
            cost=Decimal(0),
            left=left,
        )
        portion = prorate(remaining, Decimal(piece))
        left = Portion(
            quantity=left.quantity - portion.quantity,
            total=left.total - portion.total,
            base=left.base - portion.base,
            nominal_tax=left.nominal_tax - portion.nominal_tax,
            cost=Decimal(0),
        )
        back.append(
            msgspec.structs.replace(
                sold,
                quantity=portion.quantity,
                discount=Decimal(0),
                total=portion.total,
                base=portion.base,
                nominal_tax=portion.nominal_tax,
                nominal_units=portion.quantity if portion.nominal_tax else Decimal(0),
            )
        )
    return back


def document(kind: Kind = Kind.INVOICE, lines: Sequence[Line] | None = None, **changed: Any) -> Document:
    """A valid document of any kind; give what the test is about."""
    fixed = KINDS[kind]
    if lines is None:
        sold = ring()
        if kind in SUPPORT_KINDS:
            sold = sold[3:4]
        lines = [line_of(each) for each in sold]
    prefix = PREFIXES.get(kind, "SETP") if fixed.is_numbered else NOTE_PREFIXES[kind]
    values: dict[str, Any] = {
        "kind": kind,
        "environment": "2",
        "prefix": prefix,
        "number": f"{prefix}990000010" if prefix == "SETP" else f"{prefix}101",
        "issued_at": NOW,
        "issuer": ISSUER,
        "counterpart": BUYERS.get(kind, FINAL_CONSUMER if kind in POS_KINDS else COMPANY),
        "software": SOFTWARE,
        "lines": tuple(lines),
        "totals": total(lines, changed.get("allowances", ())),
        "payments": (Payment(means="10"),),
        "range": _range(prefix) if fixed.is_numbered else None,
        "notes": ("Gracias por su compra",),
        "point_of_sale": PLACE if kind in POS_KINDS else None,
        "paper": Paper(number="CT101", issued_on=date(2026, 11, 19)) if kind in PAPER_KINDS else None,
        "delivery": Delivery(incoterm="FOB") if kind is Kind.EXPORT else None,
    }
    if fixed.is_note and "correction" not in changed:
        corrected = document(fixed.corrects[0])
        values["correction"] = Correction(concept="1", reference=reference_to(corrected))
    return Document(**{**values, **changed})


def reference_to(corrected: Document) -> Reference:
    return Reference(
        kind=corrected.kind,
        number=corrected.number,
        uuid=identify(corrected, KEYS).uuid,
        issued_on=corrected.local_time.date(),
    )


def _range(prefix: str) -> NumberingRange:
    if prefix == "SETP":
        return NumberingRange(
            authorization="18760000001",
            prefix=prefix,
            first=990000000,
            last=995000000,
            valid_from=date(2019, 1, 19),
            valid_to=date(2030, 1, 19),
        )
    return NumberingRange(
        authorization="18760000003",
        prefix=prefix,
        first=1,
        last=100000,
        valid_from=date(2026, 1, 1),
        valid_to=date(2027, 12, 31),
    )
