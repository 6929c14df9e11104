"""Faults planted in valid documents before they are signed: each is rejected by its own rule."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from msgspec import structs

from app.dev.dian_simulator.registry import Range
from app.dev.dian_simulator.server import Simulator
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.xml.documents import build
from app.integrations.dian.answers import Outcome
from app.integrations.dian.certificate import Credential, open_p12
from tests.dev.dian_simulator.house import Sender, registry, simulator
from tests.dian_keys import END, PASSWORD, START, authorities, p12
from tests.domain.invoicing.papers import KEYS, NOW, PERSON, document
from tests.domain.invoicing.reading import NS

Plant = Callable[[Any], object]


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


@pytest.fixture(scope="module")
def shop(credential: Credential, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    with simulator(tmp_path_factory.mktemp("dian")) as server:
        _trust(server)
        sender = Sender(server, credential)
        for kind in (Kind.INVOICE, Kind.POS, Kind.SUPPORT):
            assert sender.send(document(kind)).outcome is Outcome.ACCEPTED
        yield sender


def _trust(server: Simulator, **changed: Any) -> None:
    pem = [each.public_bytes(Encoding.PEM).decode() for each in authorities()]
    server.service.registry = registry(trusted=pem, **changed)


def text(path: str, value: str) -> Plant:
    """Write another text."""

    def plant(root: Any) -> None:
        root.findall(path, NS)[0].text = value

    return plant


def attribute(path: str, name: str, value: str | None) -> Plant:
    def plant(root: Any) -> None:
        found = root.findall(path, NS)[0]
        if value is None:
            del found.attrib[name]
        else:
            found.set(name, value)

    return plant


def remove(path: str) -> Plant:
    def plant(root: Any) -> None:
        found = root.findall(path, NS)[0]
        found.getparent().remove(found)

    return plant


def twice(path: str) -> Plant:
    def plant(root: Any) -> None:
        found = root.findall(path, NS)[0]
        found.addnext(etree.fromstring(etree.tostring(found)))

    return plant


def swap(path: str) -> Plant:
    """Put an element before the one that precedes it."""

    def plant(root: Any) -> None:
        found = root.findall(path, NS)[0]
        found.getprevious().addprevious(found)

    return plant


DIAN = ".//sts:DianExtensions/"
CONTROL = f"{DIAN}sts:InvoiceControl/"
SUPPLIER = "cac:AccountingSupplierParty/cac:Party/"
CUSTOMER = "cac:AccountingCustomerParty/cac:Party/"
TOTAL = "cac:LegalMonetaryTotal/"
LINE = "cac:InvoiceLine/"
LINE_TAX = f"{LINE}cac:TaxTotal/cac:TaxSubtotal/"
TAX = "cac:TaxTotal/cac:TaxSubtotal/"
INV = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}"

PLANTED: dict[str, tuple[Kind, str, Plant]] = {
    # Structure and fixed values.
    "order of elements": (Kind.INVOICE, "ZB01", swap("cbc:IssueTime")),
    "unknown element": (Kind.INVOICE, "ZB01", lambda root: root.append(etree.Element("intruder"))),
    "control in a note": (
        Kind.CREDIT_NOTE,
        "ZB01",
        lambda root: root.find(".//sts:DianExtensions", NS).insert(0, _control()),
    ),
    "UBL version": (Kind.INVOICE, "FAD01", text("cbc:UBLVersionID", "UBL 2.0")),
    "operation": (Kind.INVOICE, "FAD02", text("cbc:CustomizationID", "20")),
    "operation of a note": (Kind.CREDIT_NOTE, "CAD02", text("cbc:CustomizationID", "10")),
    "profile": (Kind.INVOICE, "FAD03", text("cbc:ProfileID", "DIAN 2.1: Factura Electronica de Venta")),
    "profile of a debit note": (Kind.DEBIT_NOTE, "DAD03", text("cbc:ProfileID", "DIAN 2.1")),
    "profile of POS": (Kind.POS, "DEAD03", text("cbc:ProfileID", "DIAN 2.1: documento equivalente POS")),
    "profile of support without dot": (
        Kind.SUPPORT,
        "DSAD03",
        text("cbc:ProfileID", KINDS[Kind.SUPPORT].profile.rstrip(".")),
    ),
    "profile of its note without blank": (
        Kind.SUPPORT_NOTE,
        "NSAD03",
        text("cbc:ProfileID", KINDS[Kind.SUPPORT_NOTE].profile.rstrip()),
    ),
    "environment": (Kind.INVOICE, "FAD04", text("cbc:ProfileExecutionID", "1")),
    "hyphen": (Kind.INVOICE, "FAD05a", text("cbc:ID", "SETP-990000011")),
    "hyphen in a note": (Kind.CREDIT_NOTE, "CAD05", text("cbc:ID", "NC-1")),
    "kind of POS": (Kind.POS, "FAD12", text("cbc:InvoiceTypeCode", "POS")),
    "currency": (Kind.INVOICE, "FAD15a", text("cbc:DocumentCurrencyCode", "USD")),
    "line count": (Kind.INVOICE, "FAD16", text("cbc:LineCountNumeric", "99")),
    # Identity.
    "CUFE": (Kind.INVOICE, "FAD06", text("cbc:UUID", "0" * 96)),
    "CUDE of a note": (Kind.CREDIT_NOTE, "CAD06", text("cbc:UUID", "0" * 96)),
    "CUDE of POS": (Kind.POS, "DEAD06", text("cbc:UUID", "0" * 96)),
    "CUDS": (Kind.SUPPORT, "DSAD06", text("cbc:UUID", "0" * 96)),
    "algorithm": (Kind.INVOICE, "FAD06", attribute("cbc:UUID", "schemeName", "CUDE-SHA384")),
    "security code": (Kind.INVOICE, "FAB27b", text(f"{DIAN}sts:SoftwareSecurityCode", "0" * 96)),
    "security code of POS": (Kind.POS, "DEAB27b", text(f"{DIAN}sts:SoftwareSecurityCode", "0" * 96)),
    "QR": (Kind.INVOICE, "FAB36", text(f"{DIAN}sts:QRCode", "NumFac: 1")),
    # Software and numbering.
    "no software": (Kind.INVOICE, "FAB24a", text(f"{DIAN}sts:SoftwareProvider/sts:SoftwareID", "")),
    "another's software": (Kind.INVOICE, "FAB24b", text(f"{DIAN}sts:SoftwareProvider/sts:SoftwareID", "9" * 36)),
    "provider's digit": (
        Kind.INVOICE,
        "FAB22b",
        attribute(f"{DIAN}sts:SoftwareProvider/sts:ProviderID", "schemeID", "9"),
    ),
    "provider's type": (
        Kind.INVOICE,
        "FAB23",
        attribute(f"{DIAN}sts:SoftwareProvider/sts:ProviderID", "schemeName", "13"),
    ),
    "authoriser": (Kind.INVOICE, "FAB31", text(f"{DIAN}sts:AuthorizationProvider/sts:AuthorizationProviderID", "1")),
    "authoriser's digit": (
        Kind.INVOICE,
        "FAB34",
        attribute(f"{DIAN}sts:AuthorizationProvider/sts:AuthorizationProviderID", "schemeID", "1"),
    ),
    "no authorisation": (Kind.INVOICE, "FAB05a", remove(CONTROL.rstrip("/"))),
    "another's authorisation": (Kind.INVOICE, "FAB05b", text(f"{CONTROL}sts:InvoiceAuthorization", "1")),
    "range begins": (Kind.INVOICE, "FAB07b", text(f"{CONTROL}sts:AuthorizationPeriod/cbc:StartDate", "2019-01-20")),
    "range ends": (Kind.INVOICE, "FAB08b", text(f"{CONTROL}sts:AuthorizationPeriod/cbc:EndDate", "2031-01-19")),
    "prefix": (Kind.INVOICE, "FAB10b", text(f"{CONTROL}sts:AuthorizedInvoices/sts:Prefix", "OTRO")),
    "prefix of the branch": (
        Kind.INVOICE,
        "FAB10a",
        text(f"{SUPPLIER}cac:PartyLegalEntity/cac:CorporateRegistrationScheme/cbc:ID", "OTRO"),
    ),
    "first number": (Kind.INVOICE, "FAB11b", text(f"{CONTROL}sts:AuthorizedInvoices/sts:From", "1")),
    "last number": (Kind.INVOICE, "FAB12b", text(f"{CONTROL}sts:AuthorizedInvoices/sts:To", "999999999")),
    "number out of range": (Kind.INVOICE, "FAD05d", text("cbc:ID", "SETP995000001")),
    "number of another prefix": (Kind.INVOICE, "FAD05e", text("cbc:ID", "FE10")),
    "number of support out of range": (Kind.SUPPORT, "DSAD05d", text("cbc:ID", "DS100001")),
    # Dates.
    "another day than the signature": (Kind.INVOICE, "FAD09e", text("cbc:IssueDate", "2026-11-19")),
    "another day, of a note": (Kind.CREDIT_NOTE, "CAD09e", text("cbc:IssueDate", "2026-11-19")),
    "long ago": (Kind.INVOICE, "FAD09c", text("cbc:IssueDate", "2026-11-01")),
    "before the authorisation": (Kind.POS, "DEAD09a", text("cbc:IssueDate", "2025-11-20")),
    "support after the authorisation": (Kind.SUPPORT, "DSAB08a", text("cbc:IssueDate", "2028-11-20")),
    # Parties.
    "supplier's kind": (Kind.INVOICE, "FAJ02", text("cac:AccountingSupplierParty/cbc:AdditionalAccountID", "3")),
    "supplier's digit": (
        Kind.INVOICE,
        "FAJ24",
        attribute(f"{SUPPLIER}cac:PartyTaxScheme/cbc:CompanyID", "schemeID", "5"),
    ),
    "supplier's digit in a note": (
        Kind.CREDIT_NOTE,
        "CAJ47",
        attribute(f"{SUPPLIER}cac:PartyTaxScheme/cbc:CompanyID", "schemeID", "5"),
    ),
    "supplier's responsibilities": (
        Kind.INVOICE,
        "FAJ26",
        text(f"{SUPPLIER}cac:PartyTaxScheme/cbc:TaxLevelCode", "O-99"),
    ),
    "supplier's tribute": (Kind.INVOICE, "FAJ40", text(f"{SUPPLIER}cac:PartyTaxScheme/cac:TaxScheme/cbc:ID", "07")),
    "supplier's municipality": (
        Kind.INVOICE,
        "FAJ09",
        text(f"{SUPPLIER}cac:PhysicalLocation/cac:Address/cbc:ID", "99999"),
    ),
    "supplier's department": (
        Kind.INVOICE,
        "FAJ12",
        text(f"{SUPPLIER}cac:PhysicalLocation/cac:Address/cbc:CountrySubentityCode", "05"),
    ),
    "supplier's mail": (
        Kind.INVOICE,
        "FAJ71",
        text(f"{SUPPLIER}cac:Contact/cbc:ElectronicMail", "otro@ejemplo.invalid"),
    ),
    "customer's kind": (Kind.INVOICE, "FAK02", text("cac:AccountingCustomerParty/cbc:AdditionalAccountID", "9")),
    "customer's name": (Kind.INVOICE, "FAK20", text(f"{CUSTOMER}cac:PartyTaxScheme/cbc:RegistrationName", "")),
    "customer's number": (Kind.INVOICE, "FAK21", text(f"{CUSTOMER}cac:PartyTaxScheme/cbc:CompanyID", "")),
    "customer's digit": (
        Kind.INVOICE,
        "FAK24",
        attribute(f"{CUSTOMER}cac:PartyTaxScheme/cbc:CompanyID", "schemeID", None),
    ),
    "customer's type": (
        Kind.INVOICE,
        "FAK25",
        attribute(f"{CUSTOMER}cac:PartyTaxScheme/cbc:CompanyID", "schemeName", "99"),
    ),
    "customer's responsibilities": (
        Kind.INVOICE,
        "FAK26",
        text(f"{CUSTOMER}cac:PartyTaxScheme/cbc:TaxLevelCode", "IVA"),
    ),
    "customer's tribute": (Kind.INVOICE, "FAK40", text(f"{CUSTOMER}cac:PartyTaxScheme/cac:TaxScheme/cbc:ID", "99")),
    "customer's tribute by name": (
        Kind.POS,
        "DEAK41",
        text(f"{CUSTOMER}cac:PartyTaxScheme/cac:TaxScheme/cbc:Name", "No Aplica"),
    ),
    "customer's legal entity": (Kind.INVOICE, "FAK42", remove(f"{CUSTOMER}cac:PartyLegalEntity")),
    "customer's legal number": (Kind.INVOICE, "FAK44", text(f"{CUSTOMER}cac:PartyLegalEntity/cbc:CompanyID", "")),
    "customer's legal digit": (
        Kind.INVOICE,
        "FAK47",
        attribute(f"{CUSTOMER}cac:PartyLegalEntity/cbc:CompanyID", "schemeID", "5"),
    ),
    "person without identification": (Kind.POS, "DEAK61", remove(f"{CUSTOMER}cac:PartyIdentification")),
    "person's type": (Kind.POS, "DEAK62", attribute(f"{CUSTOMER}cac:PartyIdentification/cbc:ID", "schemeName", "99")),
    # Payment.
    "no payment": (Kind.INVOICE, "FAN01", remove("cac:PaymentMeans")),
    "no payment in a note": (Kind.CREDIT_NOTE, "CAN01", remove("cac:PaymentMeans")),
    "payment's form": (Kind.INVOICE, "FAN02", text("cac:PaymentMeans/cbc:ID", "3")),
    "payment's means": (Kind.INVOICE, "FAN03", text("cac:PaymentMeans/cbc:PaymentMeansCode", "777")),
    "credit without a day": (Kind.INVOICE, "FAN04", text("cac:PaymentMeans/cbc:ID", "2")),
    # Taxes, totals and lines.
    "tax twice in the header": (Kind.INVOICE, "FAS01b", twice("cac:TaxTotal")),
    "tax missing in the header": (Kind.INVOICE, "FAS01b", remove("cac:TaxTotal")),
    "rate missing in the header": (Kind.INVOICE, "FAS04", remove("cac:TaxTotal/cac:TaxSubtotal")),
    "rate written otherwise": (Kind.INVOICE, "FAS04", text(f"{TAX}cac:TaxCategory/cbc:Percent", "19")),
    "tax of the header": (Kind.INVOICE, "FAS07", text(f"{TAX}cbc:TaxAmount", "1.00")),
    "tax of a line twice": (Kind.INVOICE, "FAX01", twice(f"{LINE}cac:TaxTotal")),
    "tax of a line that does not add": (Kind.INVOICE, "FAX02", text(f"{LINE}cac:TaxTotal/cbc:TaxAmount", "1.00")),
    "tax of a line without rates": (Kind.INVOICE, "FAX04", remove(f"{LINE}cac:TaxTotal/cac:TaxSubtotal")),
    "tax of a line that does not multiply": (Kind.INVOICE, "FAX07", text(f"{LINE_TAX}cbc:TaxAmount", "1.00")),
    "tax of a line at 18": (Kind.INVOICE, "FAX14", text(f"{LINE_TAX}cac:TaxCategory/cbc:Percent", "18.00")),
    "sum of lines": (Kind.INVOICE, "FAU02", text(f"{TOTAL}cbc:LineExtensionAmount", "1.00")),
    "sum of bases": (Kind.INVOICE, "FAU04", text(f"{TOTAL}cbc:TaxExclusiveAmount", "1.00")),
    "sum with taxes": (Kind.INVOICE, "FAU06", text(f"{TOTAL}cbc:TaxInclusiveAmount", "1.00")),
    "what is paid": (Kind.INVOICE, "FAU14", text(f"{TOTAL}cbc:PayableAmount", "1.00")),
    "what is paid, of a note": (Kind.CREDIT_NOTE, "CAU14", text(f"{TOTAL}cbc:PayableAmount", "1.00")),
    "negative total": (Kind.INVOICE, "VLR01", text(f"{TOTAL}cbc:PayableAmount", "-1.00")),
    "no unit": (Kind.INVOICE, "FAV05", attribute(f"{LINE}cbc:InvoicedQuantity", "unitCode", "UND")),
    "negative quantity": (Kind.INVOICE, "FAV04b", text(f"{LINE}cbc:InvoicedQuantity", "-1")),
    "line that does not multiply": (Kind.INVOICE, "FAV06", text(f"{LINE}cac:Price/cbc:PriceAmount", "1.00")),
    "line number twice": (Kind.INVOICE, "FAV02a", text(f"{LINE}cbc:ID", "2")),
    "no description": (Kind.INVOICE, "FAZ02", text(f"{LINE}cac:Item/cbc:Description", "")),
    "discount without reason": (Kind.INVOICE, "FBE01", remove(f"{LINE}cac:AllowanceCharge/cbc:AllowanceChargeReason")),
    # Notes, POS, contingency.
    "note without reason": (Kind.CREDIT_NOTE, "CBF01", remove("cac:DiscrepancyResponse")),
    "note's concept": (Kind.CREDIT_NOTE, "CBF03", text("cac:DiscrepancyResponse/cbc:ResponseCode", "9")),
    "annulment without reference": (
        Kind.CREDIT_NOTE,
        "CAD02a",
        lambda root: (
            text("cbc:CustomizationID", "22")(root),
            text("cac:DiscrepancyResponse/cbc:ResponseCode", "2")(root),
        ),
    ),
    "note with and without reference": (Kind.CREDIT_NOTE, "CBF03a", text("cbc:CustomizationID", "22")),
    "note without reference": (Kind.CREDIT_NOTE, "CBG02", remove("cac:BillingReference")),
    "note to nothing": (Kind.CREDIT_NOTE, "CBG04a", text("cac:BillingReference//cbc:UUID", "0" * 96)),
    "debit note to nothing": (Kind.DEBIT_NOTE, "DBG04a", text("cac:BillingReference//cbc:UUID", "0" * 96)),
    "note to another number": (Kind.CREDIT_NOTE, "CBG02", text("cac:BillingReference//cbc:ID", "SETP1")),
    "note to another day": (Kind.CREDIT_NOTE, "CBG06", text("cac:BillingReference//cbc:IssueDate", "2026-11-18")),
    "contingency without paper": (Kind.PAPER_CONTINGENCY, "FAI01", remove("cac:AdditionalDocumentReference")),
    "POS contingency without paper": (Kind.POS_CONTINGENCY, "DEAI01", remove("cac:AdditionalDocumentReference")),
    "POS without maker": (Kind.POS, "DEPD11", remove(f".//{INV}InformacionDelFabricanteDelSoftware")),
    "POS without buyer": (Kind.POS, "DEPD13", remove(f".//{INV}InformacionBeneficiosComprador")),
    "POS without accents": (Kind.POS, "DEPD21", text(f".//{INV}InformacionCajaVenta/{INV}Name[2]", "UbicacionCaja")),
    "POS without cashier": (Kind.POS, "DEPD21", text(f".//{INV}InformacionCajaVenta/{INV}Value[3]", "")),
    "support with INC": (Kind.SUPPORT, "DSAY13", lambda root: root.find(LINE.rstrip("/"), NS).insert(5, _inc())),
}


def _control() -> Any:
    sts = f"{{{NS['sts']}}}"
    control = etree.Element(f"{sts}InvoiceControl")
    etree.SubElement(control, f"{sts}InvoiceAuthorization").text = "18760000001"
    return control


def _inc() -> Any:
    invoice = build(document(Kind.INVOICE), identify(document(Kind.INVOICE), KEYS)).root
    return invoice.findall("cac:InvoiceLine", NS)[4].find("cac:TaxTotal", NS)


def test_there_are_enough() -> None:
    assert len(PLANTED) >= 60


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_rejected_by_its_rule(name: str, shop: Sender) -> None:
    kind, code, plant = PLANTED[name]
    paper = document(kind)
    if not paper.fixed.is_note:
        # The module's first documents are valid already.
        last = paper.number[-1]
        paper = structs.replace(paper, number=f"{paper.number[:-1]}{(int(last) + 5) % 10}")
    built = build(paper, identify(paper, KEYS))
    plant(built.root)
    got = shop.post(shop.sign(built, paper), paper.fixed.file)
    assert got.outcome is Outcome.REJECTED
    assert code in {rule.code for rule in got.rules if rule.rejects}


def test_without_a_plant_the_same_documents_pass(shop: Sender) -> None:
    """Otherwise the cases above would prove nothing."""
    for kind in {kind for kind, _, _ in PLANTED.values()}:
        paper = document(kind)
        got = shop.server.service.validate(_received(shop.signed(paper)), {"999888777"})
        assert got.is_valid or [rule.code for rule in got.rules] == ["90"], kind


def _received(xml: bytes) -> Any:
    from app.dev.dian_simulator.transport import Received

    return Received("fv0999888777000260000ffff", xml)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b"<cbc:Note>Gracias", b"<cbc:Note>Gracia", "ZE02"),
        (b"dMoMvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y=", b"AAAAvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y=", "ZE02"),
        (b"politicadefirmav2.pdf", b"politicadefirmav1.pdf", "ZE02"),
        (b"<ds:X509Certificate>", b"<ds:X509Certificate>AAAA", "ZD06"),
    ],
    ids=["content", "policy hash", "policy", "certificate"],
)
def test_a_changed_signature_is_seen(before: bytes, after: bytes, code: str, shop: Sender) -> None:
    xml = shop.signed(document(number="SETP990000050"))
    assert before in xml
    assert [rule.code for rule in shop.post(xml.replace(before, after, 1)).rules] == [code]


def test_no_signature_and_a_formatted_document_are_seen(shop: Sender) -> None:
    paper = document(number="SETP990000051")
    unsigned = etree.tostring(build(paper, identify(paper, KEYS)).root, encoding="UTF-8")
    # The empty place is not even valid under the schema.
    assert [rule.code for rule in shop.post(unsigned).rules] == ["ZB01"]
    tree = etree.fromstring(shop.signed(paper))
    etree.indent(tree)
    assert [rule.code for rule in shop.post(etree.tostring(tree, encoding="UTF-8")).rules] == ["ZE02"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (p12("800197268"), "ZE03"),
        (p12(end=NOW - timedelta(days=1)), "ZD07"),
        (p12(start=NOW + timedelta(days=1)), "ZD07"),
    ],
    ids=["another NIT", "expired", "not yet"],
)
def test_a_wrong_certificate_in_the_document_is_seen(file: bytes, code: str, shop: Sender) -> None:
    paper = document(number="SETP990000052")
    built = build(paper, identify(paper, KEYS))
    wrong = Sender(shop.server, open_p12(file, PASSWORD))
    assert [rule.code for rule in shop.post(wrong.sign(built, paper)).rules] == [code]


def test_a_stranger_and_a_revoked_certificate_are_seen(credential: Credential, tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        shop = Sender(server, credential)
        server.service.registry = registry()
        got = shop.send(document())
        assert (got.outcome, got.http_status) == (Outcome.REFUSED, 500)
        assert "did not specify a Reason" in got.message
        _trust(server, revoked=[str(credential.certificate.serial_number)])
        assert shop.send(document()).outcome is Outcome.REFUSED
        verdict = server.service.validate(_received(shop.signed(document())), {"999888777"})
        assert [rule.code for rule in verdict.rules] == ["ZD04"]
        _trust(server)
        assert shop.send(document()).outcome is Outcome.ACCEPTED


def test_what_only_the_registers_know(credential: Credential, tmp_path: Path) -> None:
    paper = document()
    assert paper.range is not None
    usual = registry().ranges
    bound = [structs.replace(each, software_id="other") for each in usual]
    short = [_shorter(each) for each in usual]
    inactive = [structs.replace(each, is_active=False) for each in registry().software]
    other_pin = [structs.replace(each, pin="54321") for each in registry().software]
    other_key = [structs.replace(each, technical_key="f" * 40) for each in usual]
    for changed, code in (
        ({"ranges": bound}, "FAB05c"),
        ({"ranges": short}, "FAD05d"),
        ({"ranges": []}, "FAB05b"),
        ({"ranges": other_key}, "FAD06"),
        ({"software": inactive}, "FAB24c"),
        ({"software": other_pin}, "FAB27b"),
        ({"issuers": []}, "FAJ44a"),
        ({"environment": "1"}, "FAD04"),
    ):
        with simulator(tmp_path / code) as server:
            _trust(server, **changed)
            got = Sender(server, credential).send(paper)
            assert code in {rule.code for rule in got.rules if rule.rejects}


def _shorter(numbering: Range) -> Range:
    return structs.replace(numbering, last=numbering.first)


def test_a_contingency_needs_a_declared_one(credential: Credential, tmp_path: Path) -> None:
    with simulator(tmp_path) as server:
        _trust(server, contingencies=[])
        got = Sender(server, credential).send(document(Kind.DIAN_CONTINGENCY))
        assert [rule.code for rule in got.rules if rule.rejects] == ["CTG01"]


def test_notifications_do_not_block(shop: Sender) -> None:
    got = shop.send(document(number="SETP990000060", counterpart=structs.replace(PERSON, email="")))
    assert got.outcome is Outcome.ACCEPTED
    assert {rule.code for rule in got.rules} == {"FAB19b", "FAK55"}


def test_certificates_of_the_tests_are_valid_now() -> None:
    assert START < NOW < END
