"""What the printed form of a document says (SPEC §13), in words; where it stands on the paper is of `printed_letter` and `printed_roll`."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from app.domain.invoicing.kinds import CONCEPTS, HABILITATION, KINDS, SUPPORT_KINDS
from app.domain.invoicing.lists import TAX_NAMES, payment_names, unit_names
from app.domain.invoicing.model import BOGOTA, NIT, Allowance, Document, Line, Party, Tax, TaxTotal
from app.domain.invoicing.versions import CONTINGENT
from app.lib.codelists import fiscal_codes
from app.lib.money import ZERO
from app.lib.pesos import format_amount, format_nit, format_number

LEGEND: Final = "Representación gráfica del documento electrónico"
_CREDIT: Final = "2"
_SHORT_UNITS: Final = {
    "94": "und", "NIU": "und", "EA": "und", "C62": "und", "MTR": "m", "CMT": "cm", "MTK": "m²", "MTQ": "m³", "KGM": "kg",
    "GRM": "g", "LBR": "lb", "LTR": "L", "MLT": "ml", "GLL": "gal", "HUR": "h",
}  # fmt: skip

Pair = tuple[str, str]
"""A label and its text."""


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it is printed. The same one gives the same bytes."""

    document: Document
    uuid: str
    qr: str
    status: str
    validated_at: datetime | None
    """When DIAN accepted it."""
    logo: bytes | None = None

    @property
    def title(self) -> str:
        return self.document.fixed.name

    @property
    def uuid_name(self) -> str:
        """CUFE, CUDE or CUDS."""
        return self.document.fixed.scheme.partition("-")[0]


_UNVALIDATED: Final = {"rejected": "rechazado", "withdrawn": "retirado"}


def mark_of(printed: Printed) -> str:
    """What nobody may overlook; empty for a document that is simply good."""
    if printed.status == "rejected":
        return "RECHAZADO POR LA DIAN: NO VÁLIDO"
    if printed.status == "withdrawn":
        return "RETIRADO: NO VÁLIDO"
    if printed.document.environment == HABILITATION:
        return "DOCUMENTO DE PRUEBA: SIN VALIDEZ FISCAL"
    if printed.document.kind in CONTINGENT:
        return "EXPEDIDO EN CONTINGENCIA"
    return ""


def seller_pairs(party: Party) -> list[Pair]:
    """Who sells: tax quality and where it is found."""
    pairs = [
        (_identification_name(party), identification(party)),
        ("Calidad tributaria", tax_quality(party)),
        ("Actividad CIIU", ", ".join(party.activities)),
        ("Matrícula mercantil", party.merchant_register),
        ("Dirección", address_line(party)),
        ("Teléfono", party.phone),
        ("Correo", party.email),
    ]
    return [pair for pair in pairs if pair[1]]


def buyer_pairs(party: Party) -> list[Pair]:
    """Who buys."""
    quality = "" if party.is_final_consumer else tax_quality(party)
    pairs = [
        ("Nombre", party.name),
        (_identification_name(party), identification(party)),
        ("Calidad tributaria", quality),
        ("Dirección", address_line(party)),
        ("Teléfono", party.phone),
        ("Correo", party.email),
    ]
    return [pair for pair in pairs if pair[1]]


def counterpart_heading(document: Document) -> str:
    return "Vendedor o prestador del servicio" if document.kind in SUPPORT_KINDS else "Adquiriente"


def identification(party: Party) -> str:
    """As people write it: a NIT with its digit."""
    return format_nit(party.identification, party.dv) if party.identification_type == NIT else party.identification


def tax_quality(party: Party) -> str:
    """`Responsable de IVA, Gran contribuyente`."""
    names = fiscal_codes()["responsibilities"]
    charges = {"01": ["Responsable de IVA"], "04": ["Responsable de INC"], "ZA": ["Responsable de IVA e INC"]}
    charged = charges.get(party.tribute, ["No responsable de IVA"])
    others = [code if code == "R-99-PN" else f"{names.get(code, code)} ({code})" for code in party.responsibilities]
    return ", ".join([*charged, *others])


def address_line(party: Party) -> str:
    where = party.address
    if where is None:
        return ""
    parts = [where.line, where.city]
    # Bogotá is its own department, under a shorter name.
    if where.department and where.department.partition(",")[0] not in where.city:
        parts.append(where.department)
    if where.country_code != "CO":
        parts.append(where.country)
    if where.postal_code:
        parts.append(where.postal_code)
    return ", ".join(part for part in parts if part)


def date_pairs(printed: Printed) -> list[Pair]:
    """Generation, validation, due date."""
    document = printed.document
    pairs = [("Generación", _second(document.issued_at))]
    if printed.validated_at is not None:
        pairs.append(("Validación DIAN", _second(printed.validated_at)))
    else:
        pairs.append(("Validación DIAN", _UNVALIDATED.get(printed.status, "pendiente")))
    due = {payment.due_on for payment in document.payments if payment.due_on is not None}
    pairs.extend(("Vencimiento", _day(each)) for each in sorted(due))
    if document.order:
        pairs.append(("Orden de compra", document.order))
    return pairs


def payment_pairs(document: Document) -> list[Pair]:
    """Form, means, reference and due date of each payment."""
    names = payment_names()
    pairs: list[Pair] = []
    for payment in document.payments:
        form = "Crédito" if payment.form == _CREDIT else "Contado"
        text = names.get(payment.means, payment.means)
        if payment.reference:
            text += f", referencia {payment.reference}"
        if payment.due_on is not None:
            text += f", vence el {_day(payment.due_on)}"
        pairs.append((f"Forma de pago: {form}", f"Medio: {text}"))
    return pairs


def authorisation(document: Document) -> str:
    """The resolution that numbers it; empty for notes."""
    numbers = document.range
    if numbers is None:
        return ""
    prefix = f", prefijo {numbers.prefix}" if numbers.prefix else ""
    return (
        f"Autorización de numeración DIAN n.º {numbers.authorization}{prefix}, del {numbers.first} al {numbers.last}, "
        f"vigente desde el {_day(numbers.valid_from)} hasta el {_day(numbers.valid_to)}."
    )


def makers(document: Document) -> str:
    """Maker and owner of the software."""
    software = document.software
    provider = format_nit(software.provider_nit, software.provider_dv)
    own = software.provider_nit == document.issuer.identification
    owner = "software propio" if own else "proveedor tecnológico"
    return f"Software {software.name}, fabricado por {software.maker} ({owner}, NIT {provider})."


def special_pairs(document: Document) -> list[Pair]:
    """What only some kinds say: what is corrected and why, the till, the paper, the terms of an export."""
    pairs: list[Pair] = []
    if document.correction is not None:
        correction = document.correction
        if correction.reference is not None:
            reference = correction.reference
            pairs.append(
                ("Corrige", f"{KINDS[reference.kind].name} {reference.number} del {_day(reference.issued_on)}")
            )
            pairs.append((KINDS[reference.kind].scheme.partition("-")[0], reference.uuid))
        if correction.period is not None:
            first, last = correction.period
            pairs.append(("Período", f"{_day(first)} a {_day(last)}"))
        said = CONCEPTS.get(document.kind, {}).get(correction.concept, "")
        reason = f"; {correction.description}" if correction.description and correction.description != said else ""
        pairs.append(("Concepto", f"{correction.concept} {said}{reason}".strip()))
    if document.point_of_sale is not None:
        till = document.point_of_sale
        pairs.append(("Caja", f"{till.plate} ({till.kind}), {till.location}"))
        pairs.append(("Cajero", till.cashier))
        pairs.append(("Código de venta", till.sale_code))
        if till.buyer_code:
            pairs.append(("Beneficios", f"{till.buyer_code}: {till.buyer_points} puntos"))
    if document.paper is not None:
        paper = document.paper
        pairs.append(("Documento de contingencia", f"{paper.number} del {_day(paper.issued_on)} ({paper.type_code})"))
    if document.delivery is not None:
        pairs.append(("Condiciones de entrega", f"{document.delivery.incoterm} {document.delivery.note}".strip()))
    if document.currency != "COP":
        pairs.append(("Moneda", document.currency))
    return [pair for pair in pairs if pair[1]]


def line_text(line: Line) -> str:
    """Description with what else names the good."""
    named = ", ".join(part for part in (line.brand, line.model) if part)
    bought = f"Fecha de la operación: {_day(line.bought_on)}" if line.bought_on is not None else ""
    return "\n".join(part for part in (line.description, named, line.note, bought) if part)


def unit(code: str) -> str:
    return _SHORT_UNITS[code] if code in _SHORT_UNITS else unit_names().get(code, code)


def discount(line: Line) -> Decimal:
    """Pesos less, without taxes; a charge counts against it."""
    return sum((-each.amount if each.is_charge else each.amount for each in line.allowances), start=ZERO)


def tax_names(taxes: Iterable[Tax]) -> str:
    """`IVA 19 %`; the goods that carry none say so."""
    return ", ".join(tax_name(tax) for tax in taxes) or "Excluido"


def tax_name(tax: Tax) -> str:
    name = TAX_NAMES.get(tax.code, tax.code)
    if tax.percent is None:
        return name
    return f"{name} {format_number(tax.percent)} %" if tax.percent else f"{name} 0 % (exento)"


def tax_rows(document: Document) -> list[tuple[str, str, str]]:
    """Name, base and amount of each tax at each rate."""
    return _tax_rows(document.totals.taxes)


def withholding_rows(document: Document) -> list[tuple[str, str, str]]:
    """The same of what the issuer withholds from itself: for information, in no total."""
    return _tax_rows(document.totals.withholdings)


def sums(document: Document) -> list[tuple[str, Decimal]]:
    """From the lines to the total, without the total."""
    totals = document.totals
    off = sum((discount(line) for line in document.lines), start=ZERO)
    rows = [("Descuentos de las líneas, ya restados", off)] if off else []
    rows += [("Subtotal", totals.lines), ("Base gravable", totals.taxable)]
    rows += [(f"Total {TAX_NAMES.get(each.code, each.code)}", each.amount) for each in totals.taxes]
    rows.append(("Total con impuestos", totals.taxed))
    rows += [(_allowance_name(each), each.amount if each.is_charge else -each.amount) for each in document.allowances]
    if totals.prepaid:
        rows.append(("Anticipos (informativo)", totals.prepaid))
    return rows


def _tax_rows(totals: Iterable[TaxTotal]) -> list[tuple[str, str, str]]:
    return [(tax_name(rate), _base(rate), format_amount(rate.amount)) for total in totals for rate in total.rates]


def _allowance_name(each: Allowance) -> str:
    return f"{'Cargo' if each.is_charge else 'Descuento'}: {each.reason}"


def _base(tax: Tax) -> str:
    if tax.base is not None:
        return format_amount(tax.base)
    if tax.units is not None and tax.per_unit is not None:
        return f"{format_number(tax.units)} × {format_amount(tax.per_unit)}"
    return ""


def _identification_name(party: Party) -> str:
    return fiscal_codes()["identificationTypes"].get(party.identification_type, "Identificación")


def _second(instant: datetime) -> str:
    return f"{instant.astimezone(BOGOTA):%d/%m/%Y %H:%M:%S}"


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
