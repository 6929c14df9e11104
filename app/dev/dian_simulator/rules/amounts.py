"""Lines, taxes and totals; two pesos are forgiven."""

from decimal import Decimal
from typing import Final

from app.dev.dian_simulator.reading import ZERO, Node, number
from app.dev.dian_simulator.rules.court import Court, listed

_TOLERANCE: Final = Decimal(2)
_PER_UNIT: Final = frozenset({"22", "23", "24", "34"})
_TAX: Final = "cac:TaxCategory/cac:TaxScheme/cbc:ID"
_IVA: Final = frozenset({Decimal(0), Decimal(5), Decimal(16), Decimal(19)})
_AIU: Final = "Contrato de servicios AIU por concepto de:"
_STANDARDS: Final = frozenset({"001", "010", "020", "999"})


def judge_lines(court: Court) -> None:
    lines = court.paper.lines()
    if not lines:
        court.reject("AV01")
    numbers = [line.text("cbc:ID") for line in lines]
    if len(set(numbers)) != len(numbers):
        court.reject("AV02a")
    elif numbers != [str(place) for place in range(1, len(lines) + 1)]:
        court.note("AV02b")
    for line in lines:
        _line(court, line)
        _line_taxes(court, line)


def _line(court: Court, line: Node) -> None:
    quantities = ("cbc:InvoicedQuantity", "cbc:CreditedQuantity", "cbc:DebitedQuantity")
    quantity = next((name for name in quantities if line.has(name)), "")
    if not quantity:
        court.reject("AV04")
        return
    amount, price = line.amount("cbc:LineExtensionAmount"), line.amount("cac:Price/cbc:PriceAmount")
    if line.attribute(quantity, "unitCode") not in listed("unit_codes.csv"):
        court.reject("AV05")
    if min(line.amount(quantity), amount, price) < 0:
        court.reject("AV04b")
    expected = price * line.amount(quantity) + _allowances(line, "true") - _allowances(line, "false")
    if line.text("cbc:FreeOfChargeIndicator") == "true":
        expected = ZERO
    if _differ(expected, amount):
        court.reject("AV06")
    if court.paper.text("cbc:CustomizationID") == "09" and not line.text("cbc:Note").startswith(_AIU):
        court.reject("AV03")
    if not line.text("cac:Item/cbc:Description"):
        court.reject("AZ02")
    standard = "cac:Item/cac:StandardItemIdentification/cbc:ID"
    if not line.text(standard) or line.attribute(standard, "schemeID") not in _STANDARDS:
        court.note("AZ09")
    for allowance in line.each("cac:AllowanceCharge"):
        if not allowance.has("cbc:Amount") or not allowance.text("cbc:AllowanceChargeReason"):
            court.reject("BE01")


def _line_taxes(court: Court, line: Node) -> None:
    codes = []
    for total in line.each("cac:TaxTotal"):
        rates = list(total.each("cac:TaxSubtotal"))
        if not rates:
            court.reject("AX04")
            continue
        codes.append(rates[0].text(_TAX))
        if court.paper.is_support and codes[-1] != "01":
            court.reject("AY13")
        if _differ(total.amount("cbc:TaxAmount"), sum((each.amount("cbc:TaxAmount") for each in rates), start=ZERO)):
            court.reject("AX02")
        if len({_rate(each) for each in rates}) != len(rates):
            court.reject("AX04")
        for each in rates:
            if _differ(_owed(each), each.amount("cbc:TaxAmount")):
                court.reject("AX07")
            if each.text(_TAX) == "01" and each.amount("cac:TaxCategory/cbc:Percent") not in _IVA:
                court.reject("AX14")
    if len(set(codes)) != len(codes):
        court.reject("AX01")


def judge_totals(court: Court) -> None:
    paper = court.paper
    total = paper.total
    lines = paper.lines()
    net = sum((line.amount("cbc:LineExtensionAmount") for line in lines), start=ZERO)
    taxable = sum((line.sum("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount") for line in lines), start=ZERO)
    taxes = paper.sum("cac:TaxTotal/cbc:TaxAmount")
    off, on = _allowances(paper, "false"), _allowances(paper, "true")
    said = {
        name: paper.amount(f"{total}/cbc:{name}Amount")
        for name in (
            "LineExtension",
            "TaxExclusive",
            "TaxInclusive",
            "AllowanceTotal",
            "ChargeTotal",
            "Prepaid",
            "Payable",
        )
    }
    for code, name, right in (
        ("AU02", "LineExtension", net),
        ("AU04", "TaxExclusive", taxable),
        ("AU06", "TaxInclusive", said["LineExtension"] + taxes),
        ("AU08", "AllowanceTotal", off),
        ("AU10", "ChargeTotal", on),
        ("AU14", "Payable", said["TaxInclusive"] - said["AllowanceTotal"] + said["ChargeTotal"]),
    ):
        if _differ(said[name], right):
            court.reject(code)
    if paper.has("cac:PrepaidPayment") and _differ(said["Prepaid"], paper.sum("cac:PrepaidPayment/cbc:PaidAmount")):
        court.reject("AU12")
    if min(said.values()) < 0 or any(each.amount("") < 0 for each in paper.each(".//cbc:TaxAmount")):
        court.exactly("VLR01")
    for allowance in paper.each("cac:AllowanceCharge"):
        right = allowance.amount("cbc:BaseAmount") * allowance.amount("cbc:MultiplierFactorNumeric") / 100
        if not allowance.text("cbc:AllowanceChargeReason") or _differ(right, allowance.amount("cbc:Amount")):
            court.reject("AQ01")
    _header_taxes(court, lines)


def _header_taxes(court: Court, lines: list[Node]) -> None:
    paper = court.paper
    by_rate: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        for rate in line.each("cac:TaxTotal/cac:TaxSubtotal"):
            key = rate.text(_TAX), _rate(rate)
            by_rate[key] = by_rate.get(key, ZERO) + rate.amount("cbc:TaxAmount")
    codes, rates = [], []
    for total in paper.each("cac:TaxTotal"):
        groups = list(total.each("cac:TaxSubtotal"))
        if not groups:
            court.reject("AS04")
            continue
        codes.append(groups[0].text(_TAX))
        if _differ(total.amount("cbc:TaxAmount"), sum((each.amount("cbc:TaxAmount") for each in groups), start=ZERO)):
            court.reject("AS02")
        for each in groups:
            key = each.text(_TAX), _rate(each)
            rates.append(key)
            if _differ(_owed(each), each.amount("cbc:TaxAmount")):
                court.reject("AS07")
            if key in by_rate and _differ(by_rate[key], each.amount("cbc:TaxAmount")):
                court.reject("AU06")
    if len(set(codes)) != len(codes) or set(codes) != {code for code, _ in by_rate}:
        court.reject("AS01b")
    elif sorted(rates) != sorted(by_rate):
        court.reject("AS04")


def _owed(rate: Node) -> Decimal:
    if rate.text(_TAX) in _PER_UNIT:
        return rate.amount("cbc:BaseUnitMeasure") * rate.amount("cbc:PerUnitAmount")
    return rate.amount("cbc:TaxableAmount") * rate.amount("cac:TaxCategory/cbc:Percent") / 100


def _rate(rate: Node) -> str:
    """As it is written: header and lines must say the same."""
    return rate.text("cac:TaxCategory/cbc:Percent") or rate.text("cbc:PerUnitAmount")


def _allowances(node: Node, charge: str) -> Decimal:
    return sum(
        (
            number(each.text("cbc:Amount"))
            for each in node.each("cac:AllowanceCharge")
            if each.text("cbc:ChargeIndicator") == charge
        ),
        start=ZERO,
    )


def _differ(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) > _TOLERANCE
