"""Supplier and customer."""

from typing import Final

from app.dev.dian_simulator.reading import Node
from app.dev.dian_simulator.rules.court import Court, check_digit, listed

_TYPES: Final = frozenset({"11", "12", "13", "21", "22", "31", "41", "42", "47", "48", "50", "91"})
_RESPONSIBILITIES: Final = frozenset({"O-13", "O-15", "O-23", "O-47", "R-99-PN"})
_SCHEMES: Final = {"01": "IVA", "04": "INC", "ZA": "IVA e INC", "ZZ": "No aplica"}
_COMPANY: Final = "cac:PartyTaxScheme/cbc:CompanyID"


def judge_parties(court: Court) -> None:
    paper = court.paper
    supplier = next(paper.each("cac:AccountingSupplierParty"))
    customer = next(paper.each("cac:AccountingCustomerParty"))
    # The schema lets both be empty.
    if not supplier.has("cac:Party"):
        court.reject("AJ44a")
    if not customer.has("cac:Party"):
        court.reject("AK20")
    if not (supplier.has("cac:Party") and customer.has("cac:Party")):
        return
    _supplier(court, supplier)
    _customer(court, customer)
    if paper.letters == "DS" and paper.text("cbc:CustomizationID") == "10":
        party = next(supplier.each("cac:Party"))
        if party.attribute(_COMPANY, "schemeName") != "31" or not party.has("cac:PhysicalLocation/cac:Address"):
            court.reject("AJ25")


def _supplier(court: Court, side: Node) -> None:
    paper, registry = court.paper, court.known.registry
    party = next(side.each("cac:Party"))
    if side.text("cbc:AdditionalAccountID") not in {"1", "2"}:
        court.reject("AJ02")
    nit = party.text(_COMPANY)
    digit = "AJ47" if paper.letters == "C" else "AJ24"
    if party.attribute(_COMPANY, "schemeName") == "31" and party.attribute(_COMPANY, "schemeID") != check_digit(nit):
        court.reject(digit)
    if not _responsible(party):
        court.reject("AJ26")
    scheme = party.text("cac:PartyTaxScheme/cac:TaxScheme/cbc:ID")
    if scheme not in _SCHEMES:
        court.reject("AJ40")
    elif party.text("cac:PartyTaxScheme/cac:TaxScheme/cbc:Name") != _SCHEMES[scheme]:
        court.note("AJ41")
    _places(court, party, "AJ")
    if paper.is_support:
        return
    issuer = registry.issuer(nit)
    if issuer is None:
        court.reject("AJ44a")
        return
    name = party.text("cac:PartyTaxScheme/cbc:RegistrationName")
    if not name:
        court.reject("AJ43a")
    elif issuer.name and name.casefold() != issuer.name.casefold():
        court.note("AJ43b")
    if issuer.mail and party.text("cac:Contact/cbc:ElectronicMail") != issuer.mail:
        court.reject("AJ71")


def _customer(court: Court, side: Node) -> None:
    paper = court.paper
    party = next(side.each("cac:Party"))
    natural = side.text("cbc:AdditionalAccountID")
    if natural not in {"1", "2"}:
        court.reject("AK02")
    if not party.text("cac:PartyTaxScheme/cbc:RegistrationName"):
        court.reject("AK20")
    number, kind = party.text(_COMPANY), party.attribute(_COMPANY, "schemeName")
    if not number:
        court.reject("AK21")
    if kind == "31" and party.attribute(_COMPANY, "schemeID") != check_digit(number):
        court.reject("AK24")
    if kind not in _TYPES:
        court.reject("AK25")
    if not _responsible(party):
        court.reject("AK26")
    scheme = party.text("cac:PartyTaxScheme/cac:TaxScheme/cbc:ID")
    if scheme not in _SCHEMES:
        court.reject("AK40")
    elif party.text("cac:PartyTaxScheme/cac:TaxScheme/cbc:Name") != _SCHEMES[scheme]:
        court.reject("AK41")
    if paper.is_support:
        return
    if not party.has("cac:PartyLegalEntity"):
        court.reject("AK42")
    elif not party.text("cac:PartyLegalEntity/cbc:CompanyID"):
        court.reject("AK44")
    elif kind == "31" and party.attribute("cac:PartyLegalEntity/cbc:CompanyID", "schemeID") != check_digit(number):
        court.reject("AK47")
    if natural == "2":
        if not party.has("cac:PartyIdentification/cbc:ID"):
            court.reject("AK61")
        elif party.attribute("cac:PartyIdentification/cbc:ID", "schemeName") not in _TYPES:
            court.reject("AK62")
    if not party.text("cac:Contact/cbc:ElectronicMail"):
        court.note("AK55")
    _places(court, party, "AK")


def _responsible(party: Node) -> bool:
    said = party.text("cac:PartyTaxScheme/cbc:TaxLevelCode")
    return bool(said) and set(said.split(";")) <= _RESPONSIBILITIES


def _places(court: Court, party: Node, group: str) -> None:
    for address in party.each("cac:PhysicalLocation/cac:Address"):
        if address.text("cac:Country/cbc:IdentificationCode") != "CO":
            continue
        municipality = address.text("cbc:ID")
        if municipality not in listed("municipalities.csv"):
            court.reject(f"{group}09")
        elif address.text("cbc:CountrySubentityCode") != municipality[:2]:
            court.reject(f"{group}12")
