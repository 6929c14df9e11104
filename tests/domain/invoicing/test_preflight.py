"""Each rule refuses the document that breaks it, and none refuses a good one."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from app.domain.invoicing.identify import Keys, identify
from app.domain.invoicing.kinds import Kind
from app.domain.invoicing.model import FINAL_CONSUMER, Correction, Document, Payment
from app.domain.invoicing.preflight import blocking, preflight, preflight_draft
from app.domain.invoicing.totals import allowance
from tests.domain.invoicing.papers import (
    BOGOTA_ADDRESS,
    ISSUER,
    KEYS,
    NOW,
    PERSON,
    PLACE,
    SOFTWARE,
    document,
    reference_to,
)


def codes(paper: Document, **given: Any) -> set[str]:
    identity = given.get("identity") or identify(paper, KEYS)
    return {each.code for each in preflight(paper, identity, given.get("keys", KEYS), given.get("at", NOW))}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_good_document_of_each_kind_passes(kind: Kind) -> None:
    paper = document(kind)
    assert blocking(preflight(paper, identify(paper, KEYS), KEYS, NOW)) == []


def party(paper: Document, side: str, **changed: Any) -> Document:
    return structs.replace(paper, **{side: structs.replace(getattr(paper, side), **changed)})


def line(paper: Document, **changed: Any) -> Document:
    first, *rest = paper.lines
    return structs.replace(paper, lines=(structs.replace(first, **changed), *rest))


def tax(paper: Document, **changed: Any) -> Document:
    (first,) = paper.lines[0].taxes
    return line(paper, taxes=(structs.replace(first, **changed),))


def totals(paper: Document, **changed: Any) -> Document:
    return structs.replace(paper, totals=structs.replace(paper.totals, **changed))


def numbering(paper: Document, **changed: Any) -> Document:
    assert paper.range is not None
    return structs.replace(paper, range=structs.replace(paper.range, **changed))


BILL = document()
NOTE = document(Kind.CREDIT_NOTE)
assert NOTE.correction is not None
POS = document(Kind.POS)
SUPPORT = document(Kind.SUPPORT)
TODAY = NOW.date()
ELSEWHERE = structs.replace(BOGOTA_ADDRESS, municipality_code="99999")

WRONG: dict[str, tuple[str, Document]] = {
    "no authorisation": ("FAB05a", structs.replace(BILL, range=None)),
    "prefix of another range": ("FAB10b", numbering(BILL, prefix="OTRO")),
    "number past the range": ("FAD05d", structs.replace(BILL, number="SETP995000001")),
    "number past the range of POS": ("DEAD05d", structs.replace(POS, number="EPOS100001")),
    "hyphen in the number": ("FAD05a", structs.replace(BILL, number="SETP-990000010")),
    "zeros before the number": ("FAD05a", structs.replace(BILL, number="SETP0990000010")),
    "note without prefix": ("CAD05", structs.replace(NOTE, number="15", prefix="")),
    "note with authorisation": ("ZB01", structs.replace(NOTE, range=BILL.range)),
    "authorisation not begun": ("FAD09a", numbering(BILL, valid_from=TODAY + timedelta(1))),
    "authorisation over": ("FAD09b", numbering(BILL, valid_to=TODAY - timedelta(1))),
    "authorisation of support over": ("DSAB08a", numbering(SUPPORT, valid_to=TODAY - timedelta(1))),
    "range upside down": ("FAB11a", numbering(BILL, first=0)),
    "yesterday's document": ("FAD09e", structs.replace(BILL, issued_at=NOW - timedelta(days=1))),
    "last month's document": ("FAD09c", structs.replace(BILL, issued_at=NOW - timedelta(days=11))),
    "fraction of a second": ("FAD10", structs.replace(BILL, issued_at=NOW.replace(microsecond=5))),
    "software not registered": ("FAB24a", structs.replace(BILL, software=structs.replace(SOFTWARE, id="mío"))),
    "digit of the provider": ("FAB22b", structs.replace(BILL, software=structs.replace(SOFTWARE, provider_dv="7"))),
    "operation of another kind": ("FAD02", structs.replace(BILL, operation="20")),
    "dollars": ("FAD15a", structs.replace(BILL, currency="USD")),
    "issuer's digit": ("FAJ24", party(BILL, "issuer", dv="9")),
    "issuer's responsibilities": ("FAJ26", party(BILL, "issuer", responsibilities=("O-99",))),
    "issuer without responsibilities": ("FAJ26", party(BILL, "issuer", responsibilities=())),
    "issuer's tribute": ("FAJ40", party(BILL, "issuer", tribute="07")),
    "issuer's name": ("FAJ43a", party(BILL, "issuer", name=" ")),
    "issuer's place": ("FAJ09", party(BILL, "issuer", address=ELSEWHERE)),
    "issuer's department": (
        "FAJ12",
        party(BILL, "issuer", address=structs.replace(BOGOTA_ADDRESS, department_code="05")),
    ),
    "issuer without address": ("FAJ08", party(BILL, "issuer", address=None)),
    "issuer without mail": ("FAJ71", party(BILL, "issuer", email="")),
    "issuer's activity": ("FAJ04", party(BILL, "issuer", activities=("47",))),
    "issuer with a cédula": ("FAJ25", party(BILL, "issuer", identification_type="13", dv=None)),
    "buyer's name": ("FAK20", party(BILL, "counterpart", name="")),
    "buyer's number": ("FAK21", party(BILL, "counterpart", identification="")),
    "buyer's number with points": ("FAK21", party(BILL, "counterpart", identification="999.888.666")),
    "buyer's digit": ("FAK24", party(BILL, "counterpart", dv=None)),
    "buyer's type": ("FAK25", party(BILL, "counterpart", identification_type="99")),
    "buyer's responsibilities": ("FAK26", party(BILL, "counterpart", responsibilities=("O-1",))),
    "buyer's tribute": ("FAK40", party(BILL, "counterpart", tribute="02")),
    "buyer without mail": ("FAK55", party(BILL, "counterpart", email="")),
    "buyer of a POS document": (
        "DEAK24",
        structs.replace(POS, counterpart=structs.replace(PERSON, identification_type="31")),
    ),
    "consumidor final with a name": (
        "FAK41",
        structs.replace(BILL, counterpart=structs.replace(FINAL_CONSUMER, name="Juan")),
    ),
    "export to Colombia": ("FAK16", document(Kind.EXPORT, counterpart=PERSON)),
    "support from a cédula": ("DSAJ25", party(SUPPORT, "counterpart", identification_type="13", dv=None)),
    "support without address": ("DSAJ08", party(SUPPORT, "counterpart", address=None)),
    "support from abroad with an address here": ("DSAJ08", structs.replace(SUPPORT, operation="11")),
    "support with INC": ("DSAY13", document(Kind.SUPPORT, lines=BILL.lines[4:5])),
    "no payment": ("FAN01", structs.replace(BILL, payments=())),
    "no payment in a note": ("CAN01", structs.replace(NOTE, payments=())),
    "payment by barter": ("FAN03", structs.replace(BILL, payments=(Payment(means="777"),))),
    "credit without a day": ("FAN04", structs.replace(BILL, payments=(Payment(means="10", form="2"),))),
    "credit due before": (
        "FAN04",
        structs.replace(BILL, payments=(Payment(means="10", form="2", due_on=TODAY - timedelta(1)),)),
    ),
    "no lines": ("FAV01", structs.replace(BILL, lines=())),
    "no description": ("FAZ02", line(BILL, description=" ")),
    "no code": ("FAZ09", line(BILL, code="")),
    "unit of measure": ("FAV05", line(BILL, unit_code="UND")),
    "negative line": ("FAV04b", line(BILL, amount=Decimal("-1.00"))),
    "no units": ("FAV04b", line(BILL, quantity=Decimal(0))),
    "line that does not multiply": ("FAV06", line(BILL, unit_price=BILL.lines[0].unit_price + 2)),
    "seven decimals": ("FAV06", line(BILL, unit_price=Decimal("1.2345678"))),
    "AIU without its note": ("FAV03", structs.replace(BILL, operation="09")),
    "a tax twice": ("FAX01", line(BILL, taxes=BILL.lines[0].taxes * 2)),
    "a tax that is not": ("FAX05", tax(BILL, code="99")),
    "a rate that is not": ("FAX14", tax(BILL, percent=Decimal("18.00"))),
    "a tax that does not multiply": ("FAX07", tax(BILL, amount=BILL.lines[0].taxes[0].amount + 3)),
    "a tax without base": ("FAX04", tax(BILL, base=None)),
    "a bag taxed by percentage": ("FAX04", tax(BILL, code="22")),
    "negative tax": ("VLR01", tax(BILL, amount=Decimal("-1.00"))),
    "discount without reason": (
        "FBE01",
        line(BILL, allowances=(structs.replace(BILL.lines[0].allowances[0], reason=""),)),
    ),
    "discount above the price": (
        "FBE01",
        line(BILL, allowances=(allowance(Decimal(9), Decimal(8), "Promoción"),)),
    ),
    "conditional discount that does not multiply": (
        "FAQ01",
        document(
            allowances=(
                structs.replace(allowance(Decimal("100.00"), Decimal("1000.00"), "Pronto pago"), percent=Decimal(2)),
            )
        ),
    ),
    "sum of lines": ("FAU02", totals(BILL, lines=BILL.totals.lines + 3)),
    "sum of bases": ("FAU04", totals(BILL, taxable=BILL.totals.taxable + 3)),
    "sum with taxes": ("FAU06", totals(BILL, taxed=BILL.totals.taxed + 3)),
    "sum of discounts": ("FAU08", totals(BILL, allowances=Decimal("3.00"))),
    "sum of charges": ("FAU10", totals(BILL, charges=Decimal("3.00"))),
    "what is paid": ("FAU14", totals(BILL, payable=BILL.totals.payable + 3)),
    "what is paid, of a note": ("CAU14", totals(NOTE, payable=NOTE.totals.payable - 3)),
    "negative total": ("VLR01", totals(BILL, payable=Decimal("-1.00"))),
    "tax missing in the header": ("FAS01b", totals(BILL, taxes=BILL.totals.taxes[1:])),
    "tax twice in the header": ("FAS01b", totals(BILL, taxes=(*BILL.totals.taxes, BILL.totals.taxes[0]))),
    "rate missing in the header": (
        "FAS04",
        totals(
            BILL,
            taxes=(
                structs.replace(BILL.totals.taxes[0], rates=BILL.totals.taxes[0].rates[1:]),
                *BILL.totals.taxes[1:],
            ),
        ),
    ),
    "note without correction": ("CBF01", structs.replace(NOTE, correction=None)),
    "concept not in the list": (
        "CBF03",
        structs.replace(NOTE, correction=structs.replace(NOTE.correction, concept="9")),
    ),
    "annulment without reference": (
        "CAD02a",
        structs.replace(NOTE, operation="22", correction=Correction(concept="2", period=(TODAY, TODAY))),
    ),
    "note without reference nor period": (
        "CAE01",
        structs.replace(NOTE, operation="22", correction=Correction(concept="1")),
    ),
    "note with both": (
        "CBF03a",
        structs.replace(NOTE, operation="22", correction=structs.replace(NOTE.correction, period=(TODAY, TODAY))),
    ),
    "note that names nothing": ("CBG02", structs.replace(NOTE, correction=Correction(concept="1"))),
    "note to a POS document": (
        "CBG02",
        document(Kind.CREDIT_NOTE, correction=Correction(concept="1", reference=reference_to(POS))),
    ),
    "note to an unidentified invoice": (
        "CBG04a",
        structs.replace(
            NOTE, correction=Correction(concept="1", reference=structs.replace(reference_to(BILL), uuid="abc"))
        ),
    ),
    "note to a later invoice": (
        "DBG06",
        document(
            Kind.DEBIT_NOTE,
            correction=Correction(
                concept="1", reference=structs.replace(reference_to(BILL), issued_on=TODAY + timedelta(1))
            ),
        ),
    ),
    "invoice that corrects": ("ZB01", structs.replace(BILL, correction=NOTE.correction)),
    "contingency without paper": ("FAI01", document(Kind.PAPER_CONTINGENCY, paper=None)),
    "POS contingency without paper": ("DEAI01", document(Kind.POS_CONTINGENCY, paper=None)),
    "POS without its place": ("DEPD21", structs.replace(POS, point_of_sale=None)),
    "POS without cashier": ("DEPD21", structs.replace(POS, point_of_sale=structs.replace(PLACE, cashier=" "))),
    "POS without maker": ("DEPD11", structs.replace(POS, software=structs.replace(SOFTWARE, maker=""))),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_broken_rule_is_named(name: str) -> None:
    code, paper = WRONG[name]
    assert code in codes(paper)


def test_what_does_not_need_the_number_is_asked_before_it_is_taken() -> None:
    unnumbered = structs.replace(party(BILL, "counterpart", dv="9"), number="")
    assert {each.code for each in preflight_draft(unnumbered, NOW)} == {"FAK24"}


def test_an_identity_of_other_figures_is_seen() -> None:
    identity = identify(BILL, KEYS)
    assert codes(totals(BILL, payable=BILL.totals.payable + 1), identity=identity) == {"FAD06"}
    assert codes(BILL, identity=structs.replace(identity, security_code="0")) == {"FAB27b"}
    assert codes(BILL, identity=structs.replace(identity, url="https://ejemplo.invalid")) == {"FAB36"}
    assert codes(NOTE, keys=Keys(pin="54321")) == {"CAD06", "CAB27b"}
    assert codes(BILL, keys=Keys(pin="12345"), identity=identity) == {"FAB05c"}


def test_a_document_signed_past_midnight_is_seen() -> None:
    """23:59 in Bogotá; four minutes later it is another day there, though the same one in UTC."""
    late = NOW.replace(hour=4, minute=58, second=0) + timedelta(days=1)
    paper = document(issued_at=late)
    assert paper.issue_date == "2026-11-20"
    assert codes(paper, at=late) == set()
    assert codes(paper, at=late + timedelta(minutes=4)) == {"FAD09e"}


def test_findings_speak_to_the_shop() -> None:
    (finding,) = preflight_draft(party(BILL, "counterpart", dv="9"), NOW)
    assert finding.field == "/counterpart/dv"
    assert finding.message == "El dígito de verificación del cliente no corresponde al NIT: es 0."


def test_every_message_is_a_sentence_and_every_field_a_pointer() -> None:
    for _, paper in WRONG.values():
        for finding in preflight(paper, identify(paper, KEYS), KEYS, NOW):
            assert finding.message[0].isupper()
            assert finding.message.endswith(".")
            assert finding.field.startswith("/")
            assert "_" not in finding.field


def test_the_issuer_may_be_a_person() -> None:
    natural = structs.replace(ISSUER, organization="2")
    assert codes(document(issuer=natural)) == set()


def test_dates_of_range_are_whole_days() -> None:
    assert codes(numbering(BILL, valid_from=date(2026, 11, 20), valid_to=date(2026, 11, 20))) == set()
