"""RADIAN events about an invoice."""

from hashlib import sha384
from typing import Final

from app.dev.dian_simulator.clock import BOGOTA
from app.dev.dian_simulator.rules.court import Court
from app.dev.dian_simulator.rules.fixed import SIGNING_TIME, day_of, instant_of

_CODES: Final = frozenset({"030", "031", "032", "033", "034"})
_PROFILES: Final = frozenset(
    {
        "DIAN 2.1: ApplicationResponse de la Factura Electrónica de Venta",
        "DIAN 2.1: ApplicationResponse de Factura Electrónica de Venta",
    }
)
_COMPANY: Final = "cac:PartyTaxScheme/cbc:CompanyID"


def judge_event(court: Court) -> None:
    paper = court.paper
    response = "cac:DocumentResponse/cac:Response/cbc:ResponseCode"
    reference = "cac:DocumentResponse/cac:DocumentReference"
    if paper.exact("cbc:ProfileID") not in _PROFILES:
        court.reject("AD03")
    if paper.text(response) not in _CODES:
        court.exactly("LGC01")
    if court.known.find(paper.text(f"{reference}/cbc:UUID")) is None:
        court.reject("BG04a")
    signed = instant_of(paper.text(SIGNING_TIME))
    if signed is None or signed.astimezone(BOGOTA).date() != day_of(paper.text("cbc:IssueDate")):
        court.reject("AD09e")
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
    if sha384(text.encode()).hexdigest() != paper.uuid:
        court.reject("AD06")
