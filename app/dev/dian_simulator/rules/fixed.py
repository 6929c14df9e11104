"""Fixed values, DIAN's own extensions, the identity, the dates."""

from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from hashlib import sha384
from typing import Final

from app.dev.dian_simulator.clock import BOGOTA
from app.dev.dian_simulator.reading import Paper
from app.dev.dian_simulator.rules.court import Court, check_digit

_FV: Final = "DIAN 2.1: Factura Electrónica de Venta"
_POS: Final = "DIAN 2.1: Documento Equivalente POS"
PROFILES: Final = {
    "01": _FV,
    "02": _FV,
    "03": _FV,
    "04": _FV,
    "05": "DIAN 2.1: documento soporte en adquisiciones efectuadas a no obligados a facturar.",
    "08": _POS,
    "20": _POS,
    "91": "DIAN 2.1: Nota Crédito de Factura Electrónica de Venta",
    "92": "DIAN 2.1: Nota Débito de Factura Electrónica de Venta",
    "93": "DIAN 2.1: Nota de ajuste débito al documento equivalente",
    "94": "DIAN 2.1: Nota de ajuste crédito al documento equivalente",
    "95": "DIAN 2.1: Nota de ajuste al documento soporte en adquisiciones efectuadas a sujetos no obligados a expedir "
    "factura o documento equivalente ",
}
_OPERATIONS: Final = {
    "91": {"20", "22", "23"},
    "92": {"30", "32", "33"},
    "93": {"20"},
    "94": {"20"},
    "05": {"10", "11"},
    "95": {"10", "11"},
}
_INVOICES: Final = {"10", "09", "11", "12", "13"}
_SCHEMES: Final = {**dict.fromkeys(("01", "02", "04"), "CUFE-SHA384"), **dict.fromkeys(("05", "95"), "CUDS-SHA384")}
_PAGES: Final = {
    "1": "https://catalogo-vpfe.dian.gov.co/document/searchqr?documentkey=",
    "2": "https://catalogo-vpfe-hab.dian.gov.co/document/searchqr?documentkey=",
}
_EXTENSIONS: Final = "ext:UBLExtensions/ext:UBLExtension/ext:ExtensionContent/sts:DianExtensions"
_LATE: Final = frozenset({"03", "04", "08"})
_OLDEST: Final = timedelta(days=10)
SIGNING_TIME: Final = ".//xades:SigningTime"


def judge_fixed(court: Court) -> None:
    paper = court.paper
    if paper.text("cbc:UBLVersionID") != "UBL 2.1":
        court.reject("AD01")
    if paper.text("cbc:CustomizationID") not in _OPERATIONS.get(paper.kind, _INVOICES):
        court.reject("AD02")
    if paper.kind not in PROFILES:
        court.reject("AD12b" if paper.letters == "DE" else "AD12")
    elif paper.exact("cbc:ProfileID") != PROFILES[paper.kind]:
        court.exactly(paper.letters + "AD03", rejects=paper.letters != "C")
    environment = court.known.registry.environment
    if {paper.text("cbc:ProfileExecutionID"), paper.attribute("cbc:UUID", "schemeID")} != {environment}:
        court.reject("AD04")
    if paper.attribute("cbc:UUID", "schemeName") != _SCHEMES.get(paper.kind, "CUDE-SHA384"):
        court.reject("AD06")
    if paper.text("cbc:DocumentCurrencyCode") != "COP":
        court.reject("AD15a")
    if paper.text("cbc:LineCountNumeric") != str(len(paper.lines())):
        court.reject("AD16")


def judge_extensions(court: Court) -> None:
    paper, registry = court.paper, court.known.registry
    found = list(paper.each(_EXTENSIONS))
    if len(found) != 1:
        court.exactly("FAB03")
        return
    (dian,) = found
    provider, software_id = (
        dian.text("sts:SoftwareProvider/sts:ProviderID"),
        dian.text("sts:SoftwareProvider/sts:SoftwareID"),
    )
    if dian.attribute("sts:SoftwareProvider/sts:ProviderID", "schemeID") != check_digit(provider):
        court.reject("AB22b")
    if dian.attribute("sts:SoftwareProvider/sts:ProviderID", "schemeName") != "31":
        court.reject("AB23")
    program = registry.program(software_id, paper.issuer)
    if not software_id:
        court.reject("AB24a")
    elif program is None or (program.provider_nit or program.nit) != provider:
        court.reject("AB24b")
    elif not program.is_active:
        court.reject("AB24c")
    else:
        code = sha384(f"{program.id}{program.pin}{paper.number}".encode()).hexdigest()
        if dian.text("sts:SoftwareSecurityCode") != code:
            court.reject("AB27b")
        if provider == paper.issuer:
            court.note("AB19b")
    authorizer = "sts:AuthorizationProvider/sts:AuthorizationProviderID"
    if dian.text(authorizer) != "800197268":
        court.reject("AB31")
    if dian.attribute(authorizer, "schemeID") != "4":
        court.reject("AB34")
    if dian.attribute(authorizer, "schemeName") != "31":
        court.reject("AB35")
    if dian.text("sts:QRCode") != _PAGES.get(paper.text("cbc:ProfileExecutionID"), "") + paper.uuid:
        court.reject("AB36")


def judge_identity(court: Court) -> None:
    """CUFE, CUDE or CUDS from the document's own figures and the keys that were registered."""
    paper, registry = court.paper, court.known.registry
    program = registry.program(paper.text(".//sts:SoftwareID"), paper.issuer)
    if program is None:
        return
    key = program.pin
    if paper.kind in {"01", "02", "04"}:
        authorization = paper.text(".//sts:InvoiceAuthorization")
        prefix = paper.text(".//sts:Prefix")
        ranges = [
            each
            for each in registry.ranges_of(paper.issuer)
            if (each.authorization, each.prefix) == (authorization, prefix)
        ]
        if not ranges:
            return
        key = ranges[0].technical_key
    taxes = {code: _tax(paper, code) for code in ("01", "04", "03")}
    middle = f"01{taxes['01']}" if paper.is_support else "".join(f"{code}{amount}" for code, amount in taxes.items())
    text = (
        f"{paper.number}{paper.text('cbc:IssueDate')}{paper.text('cbc:IssueTime')}"
        f"{_cut(paper.amount(f'{paper.total}/cbc:LineExtensionAmount'))}{middle}"
        f"{_cut(paper.amount(f'{paper.total}/cbc:PayableAmount'))}{paper.supplier}{paper.customer}{key}"
        f"{paper.text('cbc:ProfileExecutionID')}"
    )
    if sha384(text.encode()).hexdigest() != paper.uuid.lower():
        court.reject("AD06")


def judge_dates(court: Court) -> None:
    paper, now = court.paper, court.known.now
    if not paper.text("cbc:IssueTime").endswith("-05:00"):
        court.note("AD10")
    judge_day(court)
    issued, signed = day_of(paper.text("cbc:IssueDate")), instant_of(paper.text(SIGNING_TIME))
    if issued is not None and now.astimezone(BOGOTA).date() - issued > _OLDEST:
        court.reject("AD09c")
    if paper.kind in {"04", "08"} and (signed is None or not court.known.registry.is_away(signed)):
        court.exactly("CTG01")


def judge_day(court: Court) -> None:
    """The day of the document is that of its signature, and that of its arrival unless it comes from a contingency."""
    paper, registry = court.paper, court.known.registry
    issued, signed = day_of(paper.text("cbc:IssueDate")), instant_of(paper.text(SIGNING_TIME))
    if issued is None or signed is None or issued != signed.astimezone(BOGOTA).date():
        court.reject("AD09e")
        return
    late = court.known.now.astimezone(BOGOTA).date() - issued
    if late < timedelta(0) or (paper.kind not in _LATE and late > timedelta(days=registry.days_late)):
        court.reject("AD09e")


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def instant_of(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=BOGOTA)


def _tax(paper: Paper, code: str) -> str:
    amounts = [
        each.amount("cbc:TaxAmount")
        for each in paper.each("cac:TaxTotal")
        if each.text("cac:TaxSubtotal/cac:TaxCategory/cac:TaxScheme/cbc:ID") == code
    ]
    return _cut(sum(amounts, start=Decimal(0)))


def _cut(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.01'), rounding=ROUND_DOWN):f}"
