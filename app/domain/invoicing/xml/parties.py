"""Who issues and who is on the other side."""

from typing import Final

from app.domain.invoicing.kinds import SUPPORT_KINDS
from app.domain.invoicing.model import NIT, Address, Document, Party
from app.domain.invoicing.xml.ubl import AGENCY, Element, group, put

TRIBUTES: Final = {"01": "IVA", "04": "INC", "ZA": "IVA e INC", "ZZ": "No aplica"}
_NATURAL: Final = "2"
_NON_RESIDENT: Final = "11"


def put_parties(root: Element, document: Document) -> None:
    """Append seller and buyer. A documento soporte names both in short."""
    seller, buyer = group(root, "cac:AccountingSupplierParty"), group(root, "cac:AccountingCustomerParty")
    put(seller, "cbc:AdditionalAccountID", document.seller.organization)
    put(buyer, "cbc:AdditionalAccountID", document.buyer.organization)
    if document.kind in SUPPORT_KINDS:
        resident = document.operation_code != _NON_RESIDENT
        _short(group(seller, "cac:Party"), document.seller, located=resident)
        _short(group(buyer, "cac:Party"), document.buyer, located=False)
        return
    _issuer(group(seller, "cac:Party"), document.seller, document.prefix)
    _customer(group(buyer, "cac:Party"), document.buyer)


def put_tax_scheme(party: Element, who: Party, *, addressed: bool = True) -> None:
    """Append the fiscal description of a party."""
    scheme = group(party, "cac:PartyTaxScheme")
    put(scheme, "cbc:RegistrationName", who.name)
    _company_id(scheme, who)
    put(scheme, "cbc:TaxLevelCode", ";".join(who.responsibilities))
    if addressed and who.address is not None:
        _address(group(scheme, "cac:RegistrationAddress"), who.address)
    tribute = group(scheme, "cac:TaxScheme")
    put(tribute, "cbc:ID", who.tribute)
    put(tribute, "cbc:Name", TRIBUTES[who.tribute])


def _issuer(party: Element, who: Party, prefix: str) -> None:
    if who.activities:
        put(party, "cbc:IndustryClassificationCode", ";".join(who.activities))
    _names_and_place(party, who)
    put_tax_scheme(party, who)
    legal = _legal_entity(party, who)
    register = group(legal, "cac:CorporateRegistrationScheme")
    if prefix:
        put(register, "cbc:ID", prefix)
    if who.merchant_register:
        put(register, "cbc:Name", who.merchant_register)
    if not len(register):
        legal.remove(register)
    _contact(party, who)


def _customer(party: Element, who: Party) -> None:
    if who.organization == _NATURAL:
        put(
            group(party, "cac:PartyIdentification"),
            "cbc:ID",
            who.identification,
            {"schemeName": who.identification_type} if who.dv is None else _scheme(who),
        )
    _names_and_place(party, who)
    put_tax_scheme(party, who)
    _legal_entity(party, who)
    if not who.is_final_consumer:
        _contact(party, who)
        if who.first_name:
            person = group(party, "cac:Person")
            put(person, "cbc:FirstName", who.first_name)
            put(person, "cbc:FamilyName", who.family_name)


def _short(party: Element, who: Party, *, located: bool) -> None:
    if located and who.address is not None:
        _address(group(group(party, "cac:PhysicalLocation"), "cac:Address"), who.address)
    put_tax_scheme(party, who, addressed=False)


def _names_and_place(party: Element, who: Party) -> None:
    put(group(party, "cac:PartyName"), "cbc:Name", who.trade_name or who.name)
    if who.address is not None:
        _address(group(group(party, "cac:PhysicalLocation"), "cac:Address"), who.address)


def _legal_entity(party: Element, who: Party) -> Element:
    legal = group(party, "cac:PartyLegalEntity")
    put(legal, "cbc:RegistrationName", who.name)
    _company_id(legal, who)
    return legal


def _company_id(parent: Element, who: Party) -> None:
    put(parent, "cbc:CompanyID", who.identification, {**AGENCY, **_scheme(who)})


def _scheme(who: Party) -> dict[str, str]:
    """Type of identification, with the check digit that only a NIT has."""
    if who.identification_type == NIT and who.dv is not None:
        return {"schemeID": who.dv, "schemeName": who.identification_type}
    return {"schemeName": who.identification_type}


def _contact(party: Element, who: Party) -> None:
    if not (who.phone or who.email):
        return
    contact = group(party, "cac:Contact")
    if who.phone:
        put(contact, "cbc:Telephone", who.phone)
    if who.email:
        put(contact, "cbc:ElectronicMail", who.email)


def _address(address: Element, where: Address) -> None:
    for name, text in (
        ("cbc:ID", where.municipality_code),
        ("cbc:CityName", where.city),
        ("cbc:PostalZone", where.postal_code),
        ("cbc:CountrySubentity", where.department),
        ("cbc:CountrySubentityCode", where.department_code),
    ):
        if text:
            put(address, name, text)
    put(group(address, "cac:AddressLine"), "cbc:Line", where.line)
    country = group(address, "cac:Country")
    put(country, "cbc:IdentificationCode", where.country_code)
    put(country, "cbc:Name", where.country, {"languageID": "es"})
