"""RADIAN events about an invoice."""

from hashlib import sha384
from typing import Final

from app.dev.dian_simulator.rules.court import Court
from app.dev.dian_simulator.rules.fixed import judge_day

_CODES: Final = frozenset({"030", "031", "032", "033", "034"})
_PROFILES: Final = frozenset(
    {
        "DIAN 2.1: ApplicationResponse de la Factura Electrónica de Venta",
        "DIAN 2.1: ApplicationResponse de Factura Electrónica de Venta",
    }
)
_ANSWERS: Final = frozenset({"031", "033", "034"})
_BEFORE: Final = {
    "031": frozenset({"030"}),
    "032": frozenset({"030"}),
    "033": frozenset({"030", "032"}),
    "034": frozenset({"030", "032"}),
}
_COMPANY: Final = "cac:PartyTaxScheme/cbc:CompanyID"


def judge_event(court: Court) -> None:
    paper = court.paper
    response = "cac:DocumentResponse/cac:Response/cbc:ResponseCode"
    reference = "cac:DocumentResponse/cac:DocumentReference"
    if paper.exact("cbc:ProfileID") not in _PROFILES:
        court.reject("AD03")
    if paper.text(response) not in _CODES:
        court.exactly("LGC01")
    _judge_order(court, paper.text(response), paper.text(f"{reference}/cbc:UUID"))
    judge_day(court)
    program = court.known.registry.program(paper.text(".//sts:SoftwareID"), paper.issuer)
    if program is None:
        court.reject("AB24b")
        return
    if (
        paper.text(".//sts:SoftwareSecurityCode")
        != sha384(f"{program.id}{program.pin}{paper.number}".encode()).hexdigest()
    ):
        court.reject("AB27b")
    text = "".join(
        (
            paper.number,
            paper.text("cbc:IssueDate"),
            paper.text("cbc:IssueTime"),
            paper.text(f"cac:SenderParty/{_COMPANY}"),
            paper.text(f"cac:ReceiverParty/{_COMPANY}"),
            paper.text(response),
            paper.text(f"{reference}/cbc:ID"),
            paper.text(f"{reference}/cbc:DocumentTypeCode"),
            program.pin,
        )
    )
    if sha384(text.encode()).hexdigest() != paper.uuid.lower():
        court.reject("AD06")


def _judge_order(court: Court, code: str, uuid: str) -> None:
    """Receipt of the invoice, then of the goods, then one answer, each once and only for an invoice on credit."""
    invoice, before = court.known.find(uuid), court.known.events(uuid)
    if invoice is None:
        court.reject("BG04a")
        return
    if code in before or not invoice.is_credit:
        court.exactly("LGC01")
    if not _BEFORE.get(code, frozenset()) <= before or (code in _ANSWERS and _ANSWERS & before):
        court.exactly("DC24")
