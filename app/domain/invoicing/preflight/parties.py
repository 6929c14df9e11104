"""Who issues and who is on the other side."""

import re
from typing import Final

from app.domain.invoicing.kinds import SUPPORT_KINDS, Kind
from app.domain.invoicing.lists import (
    FOREIGN_TYPES,
    IDENTIFICATION_TYPES,
    RESPONSIBILITIES,
    TRIBUTES,
    country_names,
)
from app.domain.invoicing.model import FINAL_CONSUMER, NIT, Party
from app.domain.invoicing.plain import clean
from app.domain.invoicing.preflight.finding import Findings
from app.lib.codelists import municipalities
from app.lib.nit import check_digit

SELLER: Final = "AJ"
BUYER: Final = "AK"
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CIIU: Final = re.compile(r"[0-9]{4}")
_PLAIN: Final = re.compile(r"[0-9A-Za-z-]{1,20}")
_NON_RESIDENT: Final = "11"


def check_parties(findings: Findings) -> None:
    document = findings.document
    if document.kind in SUPPORT_KINDS:
        _party(findings, document.issuer, BUYER, "/issuer", "de su empresa")
        _party(findings, document.counterpart, SELLER, "/counterpart", "del vendedor")
        _support_seller(findings, document.counterpart, resident=document.operation_code != _NON_RESIDENT)
        return
    _party(findings, document.issuer, SELLER, "/issuer", "de su empresa")
    _issuer(findings, document.issuer)
    _party(findings, document.counterpart, BUYER, "/counterpart", "del cliente")
    _customer(findings, document.counterpart)


def _party(findings: Findings, who: Party, group: str, field: str, of: str) -> None:
    """What holds for both sides; the code's middle says which one it is."""
    if who.organization not in {"1", "2"}:
        findings.add(f"{group}02", f"{field}/organization", f"Falta el tipo de persona {of}: jurídica o natural.")
    if not clean(who.name):
        code = "AJ43a" if group == SELLER else "AK20"
        findings.add(code, f"{field}/name", f"Falta el nombre {of}, como está en el RUT.")
    if not who.identification:
        code = "AJ44a" if group == SELLER else "AK21"
        findings.add(code, f"{field}/identification", f"Falta la identificación {of}.")
    elif not _PLAIN.fullmatch(who.identification):
        findings.add(
            f"{group}21", f"{field}/identification", f"La identificación {of} no lleva puntos, espacios ni dígito."
        )
    if who.identification_type not in IDENTIFICATION_TYPES:
        findings.add(
            f"{group}25", f"{field}/identificationType", f"El tipo de identificación {of} no está en la lista."
        )
    elif who.identification_type == NIT:
        digits = who.identification.isdigit()
        if not digits or who.dv != check_digit(who.identification):
            right = f": es {check_digit(who.identification)}" if digits else ""
            findings.add(f"{group}24", f"{field}/dv", f"El dígito de verificación {of} no corresponde al NIT{right}.")
    if not who.responsibilities or not set(who.responsibilities) <= RESPONSIBILITIES:
        findings.add(
            f"{group}26", f"{field}/responsibilities", f"Las responsabilidades fiscales {of} no son de la lista."
        )
    if who.tribute not in TRIBUTES:
        findings.add(f"{group}40", f"{field}/tribute", f"El tributo {of} debe ser IVA, INC, ambos o no aplica.")
    _address(findings, who, group, field, of)


def _address(findings: Findings, who: Party, group: str, field: str, of: str) -> None:
    where = who.address
    if where is None:
        return
    if where.country_code not in country_names():
        findings.add(f"{group}16", f"{field}/address/countryCode", f"El país {of} no está en la lista ISO.")
    if where.country_code != "CO":
        return
    place = municipalities().get(where.municipality_code)
    if place is None:
        findings.add(
            f"{group}09", f"{field}/address/municipalityCode", f"El municipio {of} no es de la lista del DANE."
        )
        return
    if place.department_code != where.department_code:
        findings.add(f"{group}12", f"{field}/address/departmentCode", f"El departamento {of} no es el del municipio.")
    if not clean(where.line):
        findings.add(f"{group}08", f"{field}/address/line", f"Falta la dirección {of}.", blocks=False)


def _issuer(findings: Findings, issuer: Party) -> None:
    if issuer.identification_type != NIT:
        findings.add("AJ25", "/issuer/identificationType", "La empresa que expide se identifica con su NIT.")
    if issuer.address is None:
        findings.add("AJ08", "/issuer/address", "Falta la dirección de su empresa, con su municipio.")
    if not _MAIL.fullmatch(issuer.email):
        findings.add(
            "AJ71",
            "/issuer/email",
            "Falta el correo de su empresa; debe ser el de recepción registrado en el portal de la DIAN.",
        )
    if not all(_CIIU.fullmatch(code) for code in issuer.activities):
        findings.add(
            "AJ04", "/issuer/activities", "Las actividades económicas son códigos CIIU de 4 cifras.", blocks=False
        )


def _customer(findings: Findings, customer: Party) -> None:
    if customer.is_final_consumer:
        if (customer.name, customer.tribute, customer.identification_type) != (
            FINAL_CONSUMER.name,
            FINAL_CONSUMER.tribute,
            FINAL_CONSUMER.identification_type,
        ):
            findings.add(
                "AK41", "/counterpart", "El consumidor final no lleva datos propios: use el que viene con el sistema."
            )
        return
    if customer.email and not _MAIL.fullmatch(customer.email):
        findings.add("AK55", "/counterpart/email", "El correo del cliente está mal escrito.", blocks=False)
    elif not customer.email:
        findings.add(
            "AK55",
            "/counterpart/email",
            "El cliente no tiene correo: no recibirá el documento por ese medio.",
            blocks=False,
        )
    if findings.document.kind is Kind.EXPORT and (customer.address is None or customer.address.country_code == "CO"):
        findings.add(
            "AK16", "/counterpart/address", "El cliente de una exportación necesita su dirección en el exterior."
        )
    if customer.identification_type in FOREIGN_TYPES and customer.dv is not None:
        findings.add("AK24", "/counterpart/dv", "Una identificación extranjera no lleva dígito de verificación.")


def _support_seller(findings: Findings, seller: Party, *, resident: bool) -> None:
    if resident:
        if seller.identification_type != NIT:
            findings.add(
                "AJ25", "/counterpart/identificationType", "Un vendedor residente se identifica con su NIT del RUT."
            )
        if seller.address is None:
            findings.add("AJ08", "/counterpart/address", "Falta la dirección del vendedor, con su municipio.")
    elif seller.address is not None and seller.address.country_code == "CO":
        findings.add("AJ08", "/counterpart/address", "Un vendedor no residente no lleva dirección en Colombia.")
