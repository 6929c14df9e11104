"""The authorisation, its range and the number in it."""

import re
from typing import Final

from app.dev.dian_simulator.reading import Node
from app.dev.dian_simulator.registry import Range
from app.dev.dian_simulator.rules.court import Court
from app.dev.dian_simulator.rules.fixed import day_of

_NUMBERED: Final = frozenset({"01", "02", "03", "04", "05", "08", "20"})
_NUMBER: Final = re.compile(r"[A-Za-z0-9]{1,20}")


def judge_numbering(court: Court) -> None:
    paper = court.paper
    if not _NUMBER.fullmatch(paper.number):
        court.reject("AD05" if paper.root_name != "Invoice" else "AD05a")
    control = next(paper.each(".//sts:InvoiceControl"), None)
    if paper.kind not in _NUMBERED:
        if control is not None:
            court.exactly("ZB01")
        return
    if control is None or not control.text("sts:InvoiceAuthorization"):
        court.reject("AB05a")
        return
    authorization = control.text("sts:InvoiceAuthorization")
    mine = [each for each in court.known.registry.ranges_of(paper.issuer) if each.authorization == authorization]
    if not mine:
        court.reject("AB05b")
        return
    prefix = control.text("sts:AuthorizedInvoices/sts:Prefix")
    numbering = next((each for each in mine if each.prefix == prefix), None)
    if numbering is None:
        court.reject("AB10b")
        return
    if numbering.kinds and paper.kind not in numbering.kinds:
        court.reject("AB05b")
    if numbering.software_id not in {"", paper.text(".//sts:SoftwareID")}:
        court.reject("AB05c")
    _compare(court, control, numbering)
    legal = "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cac:CorporateRegistrationScheme/cbc:ID"
    if paper.letters in {"F", "DE"} and paper.text(legal) != prefix:
        court.reject("AB10a")


def _compare(court: Court, control: Node, numbering: Range) -> None:
    paper = court.paper
    if control.text("sts:AuthorizationPeriod/cbc:StartDate") != numbering.valid_from.isoformat():
        court.reject("AB07b")
    if control.text("sts:AuthorizationPeriod/cbc:EndDate") != numbering.valid_to.isoformat():
        court.reject("AB08b")
    if control.text("sts:AuthorizedInvoices/sts:From") != str(numbering.first):
        court.reject("AB11b")
    if control.text("sts:AuthorizedInvoices/sts:To") != str(numbering.last):
        court.reject("AB12b")
    issued = day_of(paper.text("cbc:IssueDate"))
    if issued is not None and issued < numbering.valid_from:
        court.reject("AB07a" if paper.kind == "05" else "AD09a")
    if issued is not None and issued > numbering.valid_to:
        court.reject("AB08a" if paper.kind == "05" else "AD09b")
    consecutive = paper.number.removeprefix(numbering.prefix)
    if not paper.number.startswith(numbering.prefix) or not consecutive.isdigit():
        court.reject("AD05e")
    elif not numbering.first <= int(consecutive) <= numbering.last:
        court.reject("AD05d")
