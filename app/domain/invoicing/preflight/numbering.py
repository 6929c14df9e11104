"""Number, authorisation, software and dates."""

import re
from datetime import datetime, timedelta
from typing import Final

from app.domain.invoicing.kinds import OPERATIONS, Kind
from app.domain.invoicing.model import BOGOTA
from app.domain.invoicing.preflight.finding import Findings
from app.lib.nit import check_digit

_NUMBER: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_PREFIX: Final = 4
_MOST_DAYS: Final = timedelta(days=10)


def check_software(findings: Findings) -> None:
    document = findings.document
    software = document.software
    if not _UUID.fullmatch(software.id):
        findings.add("AB24a", "/software/id", "Falta el identificador del software: cópielo del portal de la DIAN.")
    if not software.provider_nit.isdigit() or check_digit(software.provider_nit) != software.provider_dv:
        findings.add(
            "AB22b",
            "/software/providerNit",
            "El NIT del dueño del software no corresponde a su dígito de verificación.",
        )
    if document.operation_code not in OPERATIONS[document.kind]:
        findings.add(
            "AD02", "/operation", f"El tipo de operación {document.operation_code} no existe para este documento."
        )
    if document.currency != "COP":
        findings.add("AD15a", "/currency", "Los documentos se expiden en pesos colombianos (COP).")


def check_range(findings: Findings) -> None:
    """The authorisation and its dates, whatever the number turns out to be."""
    document = findings.document
    if not document.fixed.is_numbered:
        if document.range is not None:
            findings.add_exactly("ZB01", "/range", "Las notas no llevan resolución de numeración.")
        return
    numbering = document.range
    if numbering is None or not numbering.authorization:
        findings.add("AB05a", "/range", "Falta la resolución de numeración: impórtela de la DIAN o escríbala.")
        return
    if numbering.first < 1 or numbering.last < numbering.first:
        findings.add("AB11a", "/range/first", "El rango de numeración no tiene un comienzo y un final válidos.")
    if numbering.prefix != document.prefix:
        findings.add("AB10b", "/prefix", f"El prefijo no es el de la resolución, {numbering.prefix or '(ninguno)'}.")
    issued_on = document.local_time.date()
    support = document.kind is Kind.SUPPORT
    if issued_on < numbering.valid_from:
        findings.add(
            "AB07a" if support else "AD09a", "/range", f"La resolución solo sirve desde el {numbering.valid_from}."
        )
    if issued_on > numbering.valid_to:
        findings.add(
            "AB08a" if support else "AD09b",
            "/range",
            f"La resolución venció el {numbering.valid_to}: pida una nueva en la DIAN.",
        )


def check_number(findings: Findings) -> None:
    """The number itself: its letters, its prefix, its place in the range."""
    document = findings.document
    number, prefix = document.number, document.prefix
    form = "AD05" if document.fixed.root != "Invoice" else "AD05a"
    if not _NUMBER.fullmatch(number):
        findings.add(form, "/number", "El número solo puede tener letras y cifras, hasta 20, sin espacios ni guiones.")
        return
    if len(prefix) > _LONGEST_PREFIX or (document.fixed.is_note and not prefix):
        findings.add(form, "/prefix", "El prefijo debe tener de 1 a 4 letras o cifras.")
    consecutive = number.removeprefix(prefix)
    if not number.startswith(prefix) or not consecutive.isdigit() or str(int(consecutive)) != consecutive:
        findings.add(
            form, "/number", "El número debe ser el prefijo seguido del consecutivo, sin ceros a la izquierda."
        )
        return
    numbering = document.range
    if numbering is not None and not numbering.first <= int(consecutive) <= numbering.last:
        findings.add(
            "AD05d",
            "/number",
            f"El número {number} está fuera del rango autorizado, {numbering.first} a {numbering.last}.",
        )


def check_dates(findings: Findings, at: datetime) -> None:
    document = findings.document
    issued_on, today = document.local_time.date(), at.astimezone(BOGOTA).date()
    if document.issued_at.microsecond:
        findings.add("AD10", "/issuedAt", "La hora del documento no lleva fracciones de segundo.")
    if issued_on != today:
        findings.add(
            "AD09e",
            "/issuedAt",
            f"El documento tiene fecha {issued_on} y se firmaría el {today}: deben ser el mismo día.",
        )
    if today - issued_on > _MOST_DAYS:
        findings.add("AD09c", "/issuedAt", "La fecha del documento es de hace más de 10 días.")
