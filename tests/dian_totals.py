"""The rules about amounts, read from the finished XML with plain arithmetic: annex FEV 1.9, groups FAU, FAS, FAV, FAX."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from lxml import etree

NS = {
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
}
TOLERANCE = Decimal("2.00")
CENT = Decimal("0.01")
ZERO = Decimal(0)
NOMINAL = {"22", "23", "24", "34"}
"""Taxes of pesos per unit: they have no base."""


def totals_errors(xml: bytes) -> list[str]:
    """What does not add up. Sums of what the document says itself must be exact, products within the law's two pesos."""
    root = etree.fromstring(xml)
    lines = [
        each for name in ("InvoiceLine", "CreditNoteLine", "DebitNoteLine") for each in root.findall(f"cac:{name}", NS)
    ]
    wrong: list[str] = []
    _lines(lines, wrong)
    _taxes(root, lines, wrong)
    _totals(root, lines, wrong)
    amounts = [each for each in root.iter() if isinstance(each.tag, str) and each.get("currencyID")]
    if any(Decimal(each.text or "0") < 0 for each in amounts):
        wrong.append("VLR01: a negative amount")
    if any(each.get("currencyID") != "COP" for each in amounts):
        wrong.append("FAD15a: an amount that is not in pesos")
    if root.findtext("cbc:LineCountNumeric", namespaces=NS) != str(len(lines)):
        wrong.append("FAD16: number of lines")
    if [each.findtext("cbc:ID", namespaces=NS) for each in lines] != [str(n + 1) for n in range(len(lines))]:
        wrong.append("FAV02: lines are not counted one by one")
    return wrong


def _lines(lines: list[Any], wrong: list[str]) -> None:
    for number, line in enumerate(lines, start=1):
        (quantity,) = (
            found
            for name in ("InvoicedQuantity", "CreditedQuantity", "DebitedQuantity")
            if (found := _amount(line, f"cbc:{name}", missing=None)) is not None
        )
        price = _amount(line, "cac:Price/cbc:PriceAmount")
        off, on = _allowances(line)
        amount = _amount(line, "cbc:LineExtensionAmount")
        # A price of six decimals times thousands of units may miss a cent.
        if abs(price * quantity - off + on - amount) > CENT:
            wrong.append(f"FAV06: line {number}: {price} × {quantity} − {off} + {on} is not {amount}")


def _taxes(root: Any, lines: list[Any], wrong: list[str]) -> None:
    by_rate: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for line in lines:
        codes: list[str] = []
        for group in line.findall("cac:TaxTotal", NS):
            parts = group.findall("cac:TaxSubtotal", NS)
            if not parts:
                wrong.append("FAX01: a tax of a line without its rate")
            for part in parts:
                code, percent, base, tax = _part(part, wrong)
                codes.append(code)
                by_rate[code, percent][0] += base
                by_rate[code, percent][1] += tax
        if len(set(codes)) != len(codes):
            wrong.append("FAX01: a tax twice in a line")
    seen: list[str] = []
    for group in root.findall("cac:TaxTotal", NS):
        parts = group.findall("cac:TaxSubtotal", NS)
        total = ZERO
        for part in parts:
            code, percent, base, tax = _part(part, wrong)
            total += tax
            if by_rate.pop((code, percent), None) != [base, tax]:
                wrong.append(f"FAS04: tax {code} at {percent} is not the sum of its lines")
        if total != _amount(group, "cbc:TaxAmount"):
            wrong.append("FAS01b: a tax is not the sum of its rates")
        seen.append(_part(parts[0], wrong)[0])
    if by_rate:
        wrong.append(f"FAS01b: taxes of lines that the header has not: {sorted(by_rate)}")
    first = [code for code in ("01", "04", "03") if code in seen]
    if len(set(seen)) != len(seen) or seen[: len(first)] != first:
        wrong.append(f"FAS01b: order of taxes {seen}")


def _part(part: Any, wrong: list[str]) -> tuple[str, str, Decimal, Decimal]:
    code = part.findtext("cac:TaxCategory/cac:TaxScheme/cbc:ID", namespaces=NS)
    tax = _amount(part, "cbc:TaxAmount")
    if code in NOMINAL:
        units, each = _amount(part, "cbc:BaseUnitMeasure"), _amount(part, "cbc:PerUnitAmount")
        if abs(units * each - tax) > TOLERANCE:
            wrong.append(f"FAX07: {units} × {each} is not {tax}")
        return code, f"per unit {each}", ZERO, tax
    percent = part.findtext("cac:TaxCategory/cbc:Percent", namespaces=NS)
    base = _amount(part, "cbc:TaxableAmount")
    if abs(base * Decimal(percent) / 100 - tax) > TOLERANCE:
        wrong.append(f"FAX07: {percent} % of {base} is not {tax}")
    return code, percent, base, tax


def _totals(root: Any, lines: list[Any], wrong: list[str]) -> None:
    totals = root.find("cac:LegalMonetaryTotal", NS)
    if totals is None:
        totals = root.find("cac:RequestedMonetaryTotal", NS)
    net = _amount(totals, "cbc:LineExtensionAmount")
    taxes = sum((_amount(group, "cbc:TaxAmount") for group in root.findall("cac:TaxTotal", NS)), start=ZERO)
    bases = sum(
        (
            _amount(part, "cbc:TaxableAmount", missing=ZERO)
            for line in lines
            for part in line.findall("cac:TaxTotal/cac:TaxSubtotal", NS)
        ),
        start=ZERO,
    )
    off, on = _allowances(root)
    for code, said, computed in (
        ("FAU02", net, sum((_amount(line, "cbc:LineExtensionAmount") for line in lines), start=ZERO)),
        ("FAU04", _amount(totals, "cbc:TaxExclusiveAmount"), bases),
        ("FAU06", _amount(totals, "cbc:TaxInclusiveAmount"), net + taxes),
        ("FAU08", _amount(totals, "cbc:AllowanceTotalAmount", missing=ZERO), off),
        ("FAU10", _amount(totals, "cbc:ChargeTotalAmount", missing=ZERO), on),
        ("FAU14", _amount(totals, "cbc:PayableAmount"), net + taxes - off + on),
    ):
        if said != computed:
            wrong.append(f"{code}: {said} is not {computed}")


def _allowances(parent: Any) -> tuple[Decimal, Decimal]:
    """Discounts and charges directly under an element."""
    sums = {"false": ZERO, "true": ZERO}
    for each in parent.findall("cac:AllowanceCharge", NS):
        sums[each.findtext("cbc:ChargeIndicator", namespaces=NS)] += _amount(each, "cbc:Amount")
    return sums["false"], sums["true"]


def _amount(parent: Any, path: str, **missing: Any) -> Any:
    text = parent.findtext(path, namespaces=NS)
    if text is None:
        assert missing, f"no {path}"
        return missing["missing"]
    return Decimal(text)
