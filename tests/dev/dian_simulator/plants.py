"""Faults to plant in valid documents before they are signed, each with the rules that must then reject.

First the rule of the fault itself, then those that it drags along: what enters the CUFE, say, makes it wrong too.
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import KINDS, Kind
from app.domain.invoicing.xml.documents import build
from tests.domain.invoicing.papers import KEYS, document
from tests.domain.invoicing.reading import NS

Plant = Callable[[Any], object]


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
    "environment": (Kind.INVOICE, "FAD04 FAB36 FAD06", text("cbc:ProfileExecutionID", "1")),
    "hyphen": (Kind.INVOICE, "FAD05a FAB27b FAD05e FAD06", text("cbc:ID", "SETP-990000011")),
    "hyphen in a note": (Kind.CREDIT_NOTE, "CAD05 CAB27b CAD06", text("cbc:ID", "NC-1")),
    "kind of POS": (Kind.POS, "FAD12 ZB01", text("cbc:InvoiceTypeCode", "POS")),
    "currency": (Kind.INVOICE, "FAD15a", text("cbc:DocumentCurrencyCode", "USD")),
    "line count": (Kind.INVOICE, "FAD16", text("cbc:LineCountNumeric", "99")),
    # Identity.
    "CUFE": (Kind.INVOICE, "FAD06 FAB36", text("cbc:UUID", "0" * 96)),
    "CUDE of a note": (Kind.CREDIT_NOTE, "CAD06 CAB36", text("cbc:UUID", "0" * 96)),
    "CUDE of POS": (Kind.POS, "DEAD06 DEAB36", text("cbc:UUID", "0" * 96)),
    "CUDS": (Kind.SUPPORT, "DSAD06 DSAB36", text("cbc:UUID", "0" * 96)),
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
    "authoriser's type": (
        Kind.INVOICE,
        "FAB35",
        attribute(f"{DIAN}sts:AuthorizationProvider/sts:AuthorizationProviderID", "schemeName", "13"),
    ),
    "two groups of extensions": (Kind.INVOICE, "FAB03", twice("ext:UBLExtensions/ext:UBLExtension")),
    "authoriser's digit": (
        Kind.INVOICE,
        "FAB34",
        attribute(f"{DIAN}sts:AuthorizationProvider/sts:AuthorizationProviderID", "schemeID", "1"),
    ),
    "no authorisation": (Kind.INVOICE, "FAB05a", remove(CONTROL.rstrip("/"))),
    "another's authorisation": (Kind.INVOICE, "FAB05b", text(f"{CONTROL}sts:InvoiceAuthorization", "1")),
    "contingency in the ordinary range": (
        Kind.PAPER_CONTINGENCY,
        "FAB05b FAB10a FAD05e",
        lambda root: [
            text(f"{CONTROL}sts:InvoiceAuthorization", "18760000001")(root),
            text(f"{CONTROL}sts:AuthorizationPeriod/cbc:StartDate", "2019-01-19")(root),
            text(f"{CONTROL}sts:AuthorizationPeriod/cbc:EndDate", "2030-01-19")(root),
            text(f"{CONTROL}sts:AuthorizedInvoices/sts:Prefix", "SETP")(root),
            text(f"{CONTROL}sts:AuthorizedInvoices/sts:From", "990000000")(root),
            text(f"{CONTROL}sts:AuthorizedInvoices/sts:To", "995000000")(root),
        ],
    ),
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
    "number out of range": (Kind.INVOICE, "FAD05d FAB27b FAD06", text("cbc:ID", "SETP995000001")),
    "number of another prefix": (Kind.INVOICE, "FAD05e FAB27b FAD06", text("cbc:ID", "FE10")),
    "number of support out of range": (Kind.SUPPORT, "DSAD05d DSAB27b DSAD06", text("cbc:ID", "DS100001")),
    # Dates.
    "another day than the signature": (Kind.INVOICE, "FAD09e FAD06", text("cbc:IssueDate", "2026-11-19")),
    "another day, of a note": (Kind.CREDIT_NOTE, "CAD09e CAD06", text("cbc:IssueDate", "2026-11-19")),
    "tomorrow": (Kind.INVOICE, "FAD09e FAD06", text("cbc:IssueDate", "2026-11-21")),
    "after the authorisation": (Kind.INVOICE, "FAD09b FAD06 FAD09e", text("cbc:IssueDate", "2030-01-20")),
    "support before the authorisation": (
        Kind.SUPPORT,
        "DSAB07a DSAD06 DSAD09c DSAD09e",
        text("cbc:IssueDate", "2025-12-31"),
    ),
    "long ago": (Kind.INVOICE, "FAD09c FAD06 FAD09e", text("cbc:IssueDate", "2026-11-01")),
    "before the authorisation": (Kind.POS, "DEAD09a DEAD06 DEAD09c DEAD09e", text("cbc:IssueDate", "2025-11-20")),
    "support after the authorisation": (Kind.SUPPORT, "DSAB08a DSAD06 DSAD09e", text("cbc:IssueDate", "2028-11-20")),
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
    "supplier without a name": (
        Kind.INVOICE,
        "FAJ43a",
        text(f"{SUPPLIER}cac:PartyTaxScheme/cbc:RegistrationName", ""),
    ),
    "customer's party": (Kind.INVOICE, "FAK20 FAD06", remove("cac:AccountingCustomerParty/cac:Party")),
    "seller without NIT": (
        Kind.SUPPORT,
        "DSAJ25",
        attribute(f"{SUPPLIER}cac:PartyTaxScheme/cbc:CompanyID", "schemeName", "13"),
    ),
    "seller without address": (Kind.SUPPORT, "DSAJ25", remove(f"{SUPPLIER}cac:PhysicalLocation")),
    "customer's municipality": (
        Kind.INVOICE,
        "FAK09",
        text(f"{CUSTOMER}cac:PhysicalLocation/cac:Address/cbc:ID", "99999"),
    ),
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
    "customer's number": (
        Kind.INVOICE,
        "FAK21 FAD06 FAK24 FAK47",
        text(f"{CUSTOMER}cac:PartyTaxScheme/cbc:CompanyID", ""),
    ),
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
    "foreign exchange": (Kind.INVOICE, "FAR02", lambda root: _before(root, "cac:TaxTotal", _exchange())),
    "no payment in a note": (Kind.CREDIT_NOTE, "CAN01", remove("cac:PaymentMeans")),
    "payment's form": (Kind.INVOICE, "FAN02", text("cac:PaymentMeans/cbc:ID", "3")),
    "payment's means": (Kind.INVOICE, "FAN03", text("cac:PaymentMeans/cbc:PaymentMeansCode", "777")),
    "credit without a day": (Kind.INVOICE, "FAN04", text("cac:PaymentMeans/cbc:ID", "2")),
    # Taxes, totals and lines.
    "tax twice in the header": (Kind.INVOICE, "FAS01b FAD06 FAU06", twice("cac:TaxTotal")),
    "tax missing in the header": (Kind.INVOICE, "FAS01b FAD06 FAU06", remove("cac:TaxTotal")),
    "rate missing in the header": (Kind.INVOICE, "FAS04 FAS02", remove("cac:TaxTotal/cac:TaxSubtotal")),
    "rate written otherwise": (Kind.INVOICE, "FAS04", text(f"{TAX}cac:TaxCategory/cbc:Percent", "19")),
    "tax of the header": (Kind.INVOICE, "FAS07 FAS02 FAU06", text(f"{TAX}cbc:TaxAmount", "1.00")),
    "tax of a line twice": (Kind.INVOICE, "FAX01 FAU04 FAU06", twice(f"{LINE}cac:TaxTotal")),
    "tax of a line that does not add": (Kind.INVOICE, "FAX02", text(f"{LINE}cac:TaxTotal/cbc:TaxAmount", "1.00")),
    "tax of a line without rates": (Kind.INVOICE, "FAX04 FAU04 FAU06", remove(f"{LINE}cac:TaxTotal/cac:TaxSubtotal")),
    "tax of a line that does not multiply": (
        Kind.INVOICE,
        "FAX07 FAU06 FAX02",
        text(f"{LINE_TAX}cbc:TaxAmount", "1.00"),
    ),
    "tax of a line at 18": (
        Kind.INVOICE,
        "FAX14 FAS04 FAU06 FAX07",
        text(f"{LINE_TAX}cac:TaxCategory/cbc:Percent", "18.00"),
    ),
    "sum of lines": (Kind.INVOICE, "FAU02 FAD06 FAU06", text(f"{TOTAL}cbc:LineExtensionAmount", "1.00")),
    "sum of bases": (Kind.INVOICE, "FAU04", text(f"{TOTAL}cbc:TaxExclusiveAmount", "1.00")),
    "sum with taxes": (Kind.INVOICE, "FAU06 FAU14", text(f"{TOTAL}cbc:TaxInclusiveAmount", "1.00")),
    "discounts that do not add": (Kind.INVOICE, "FAU08 FAU14", lambda root: _total(root, "AllowanceTotalAmount")),
    "charges that do not add": (Kind.INVOICE, "FAU10 FAU14", lambda root: _total(root, "ChargeTotalAmount")),
    "tax on an excluded line": (
        Kind.INVOICE,
        "FAU04 FAU06",
        lambda root: _excluded(root).find("cac:Item", NS).addprevious(_inc()),
    ),
    "header's tax that does not add": (Kind.INVOICE, "FAS02 FAD06 FAU06", text("cac:TaxTotal/cbc:TaxAmount", "1.00")),
    "AIU without its note": (Kind.INVOICE, "FAV03", text("cbc:CustomizationID", "09")),
    "what is paid": (Kind.INVOICE, "FAU14 FAD06", text(f"{TOTAL}cbc:PayableAmount", "1.00")),
    "what is paid, of a note": (Kind.CREDIT_NOTE, "CAU14 CAD06", text(f"{TOTAL}cbc:PayableAmount", "1.00")),
    "negative total": (Kind.INVOICE, "VLR01 FAD06 FAU14", text(f"{TOTAL}cbc:PayableAmount", "-1.00")),
    "no quantity": (Kind.INVOICE, "FAV04", remove(f"{LINE}cbc:InvoicedQuantity")),
    "no unit": (Kind.INVOICE, "FAV05", attribute(f"{LINE}cbc:InvoicedQuantity", "unitCode", "UND")),
    "negative quantity": (Kind.INVOICE, "FAV04b FAV06", text(f"{LINE}cbc:InvoicedQuantity", "-1")),
    "line that does not multiply": (Kind.INVOICE, "FAV06", text(f"{LINE}cac:Price/cbc:PriceAmount", "1.00")),
    "line number twice": (Kind.INVOICE, "FAV02a", text(f"{LINE}cbc:ID", "2")),
    "no description": (Kind.INVOICE, "FAZ02", text(f"{LINE}cac:Item/cbc:Description", "")),
    "discount without reason": (Kind.INVOICE, "FBE01", remove(f"{LINE}cac:AllowanceCharge/cbc:AllowanceChargeReason")),
    # Notes, POS, contingency.
    "note without reason": (Kind.CREDIT_NOTE, "CBF01", remove("cac:DiscrepancyResponse")),
    "note's concept": (Kind.CREDIT_NOTE, "CBF03", text("cac:DiscrepancyResponse/cbc:ResponseCode", "9")),
    "annulment without reference": (
        Kind.CREDIT_NOTE,
        "CAD02a CAE01 CBF03a",
        lambda root: (
            text("cbc:CustomizationID", "22")(root),
            text("cac:DiscrepancyResponse/cbc:ResponseCode", "2")(root),
        ),
    ),
    "note with and without reference": (Kind.CREDIT_NOTE, "CBF03a CAE01", text("cbc:CustomizationID", "22")),
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
    "support with INC": (
        Kind.SUPPORT,
        "DSAY13 DSAS01b DSAU04",
        lambda root: root.find(LINE.rstrip("/"), NS).insert(5, _inc()),
    ),
}


def _control() -> Any:
    sts = f"{{{NS['sts']}}}"
    control = etree.Element(f"{sts}InvoiceControl")
    etree.SubElement(control, f"{sts}InvoiceAuthorization").text = "18760000001"
    return control


def _inc() -> Any:
    invoice = build(document(Kind.INVOICE), identify(document(Kind.INVOICE), KEYS)).root
    return invoice.findall("cac:InvoiceLine", NS)[4].find("cac:TaxTotal", NS)


def _before(root: Any, path: str, element: Any) -> None:
    root.find(path, NS).addprevious(element)


def _exchange() -> Any:
    cac, cbc = f"{{{NS['cac']}}}", f"{{{NS['cbc']}}}"
    rate = etree.Element(f"{cac}PaymentExchangeRate")
    etree.SubElement(rate, f"{cbc}SourceCurrencyCode").text = "USD"
    etree.SubElement(rate, f"{cbc}TargetCurrencyCode").text = "COP"
    return rate


def _excluded(root: Any) -> Any:
    """The line that carries no tax."""
    return next(line for line in root.findall("cac:InvoiceLine", NS) if line.find("cac:TaxTotal", NS) is None)


def _total(root: Any, name: str) -> None:
    """Fifty pesos more in the totals, that are nowhere else."""
    amount = etree.Element(f"{{{NS['cbc']}}}{name}", currencyID="COP")
    amount.text = "50.00"
    root.find(f"{TOTAL}cbc:PayableAmount", NS).addprevious(amount)
