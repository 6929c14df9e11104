"""Corrections of other documents, payments, contingencies and the point of sale."""

from typing import Final

from app.dev.dian_simulator.rules.court import Court, listed

_CONCEPTS: Final = {
    "91": {"1", "2", "3", "4", "5", "6"},
    "92": {"1", "2", "3", "4"},
    **dict.fromkeys(("93", "94", "95"), frozenset("12345")),
}
_REFERENCE: Final = "cac:BillingReference/cac:InvoiceDocumentReference"
_BLOCKS: Final = {
    "InformacionDelFabricanteDelSoftware": ("DEPD11", ("NombreApellido", "RazonSocial", "NombreSoftware")),
    "InformacionBeneficiosComprador": ("DEPD13", ("Codigo", "NombresApellidos", "Puntos")),
    "InformacionCajaVenta": (
        "DEPD21",
        ("PlacaCaja", "UbicaciónCaja", "Cajero", "TipoCaja", "CódigoVenta", "SubTotal"),
    ),
}
_INVOICE: Final = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}"


def judge_notes(court: Court) -> None:
    paper = court.paper
    if paper.kind not in _CONCEPTS:
        return
    if not paper.has("cac:DiscrepancyResponse"):
        court.reject("BF01")
        return
    concept, operation = paper.text("cac:DiscrepancyResponse/cbc:ResponseCode"), paper.text("cbc:CustomizationID")
    if concept not in _CONCEPTS[paper.kind]:
        court.reject("BF03")
    if paper.kind == "91" and concept == "2" and operation != "20":
        court.reject("AD02a")
    if operation in {"22", "32"}:
        if paper.has("cac:BillingReference"):
            court.reject("BF03a")
        if not (paper.text("cac:InvoicePeriod/cbc:StartDate") and paper.text("cac:InvoicePeriod/cbc:EndDate")):
            court.reject("AE01")
        return
    reference = next(paper.each(_REFERENCE), None)
    if reference is None:
        court.reject("BG02")
        return
    valid = court.known.find(reference.text("cbc:UUID"))
    if valid is None:
        court.reject("BG04a")
        return
    if valid.issuer != paper.issuer:
        court.reject("BG04b")
    if reference.text("cbc:ID") != valid.number:
        court.reject("BG02")
    if reference.text("cbc:IssueDate") != valid.date:
        court.reject("BG06")


def judge_special(court: Court) -> None:
    paper = court.paper
    _payments(court)
    if paper.has("cac:PaymentExchangeRate") and paper.text("cac:PaymentExchangeRate/cbc:SourceCurrencyCode") != "COP":
        court.reject("AR02")
    if paper.kind in {"03", "08"}:
        path = "cac:AdditionalDocumentReference"
        if not paper.text(f"{path}/cbc:ID") or not paper.text(f"{path}/cbc:DocumentTypeCode"):
            court.reject("AI01")
    if paper.kind in {"20", "08"}:
        for name, (code, wanted) in _BLOCKS.items():
            node = paper.element.find(f".//{_INVOICE}{name}")
            names = [] if node is None else [each.text for each in node.iterfind(f"{_INVOICE}Name")]
            values = [] if node is None else [(each.text or "").strip() for each in node.iterfind(f"{_INVOICE}Value")]
            if tuple(names) != wanted or len(values) != len(wanted) or not all(values):
                court.exactly(code)


def _payments(court: Court) -> None:
    paper = court.paper
    means = list(paper.each("cac:PaymentMeans"))
    if not means:
        court.reject("AN01")
    for each in means:
        form, due = each.text("cbc:ID"), each.text("cbc:PaymentDueDate")
        if form not in {"1", "2"}:
            court.reject("AN02")
        if each.text("cbc:PaymentMeansCode") not in listed("payment_means.csv"):
            court.reject("AN03")
        if form == "2" and (not due or due < paper.text("cbc:IssueDate")):
            court.reject("AN04")
