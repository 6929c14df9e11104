"""The rules of DIAN that can be computed here, so that no number is spent on a document it would reject.

`preflight_draft` asks what does not depend on the number: call it before one is taken. `preflight` asks everything, on
the frozen copy, right before the signature.
"""

from datetime import datetime

from app.domain.invoicing.identify import Keys, identify, page_url
from app.domain.invoicing.model import Document, Identity
from app.domain.invoicing.preflight.amounts import check_amounts
from app.domain.invoicing.preflight.finding import Finding, Findings
from app.domain.invoicing.preflight.lines import check_lines
from app.domain.invoicing.preflight.numbering import check_dates, check_number, check_range, check_software
from app.domain.invoicing.preflight.parties import check_parties
from app.domain.invoicing.preflight.special import check_correction, check_payments, check_special

__all__ = ["Finding", "blocking", "preflight", "preflight_draft"]


def preflight_draft(document: Document, at: datetime) -> list[Finding]:
    """What is wrong with a document that has no number yet; `at` is this instant."""
    return _common(document, at).all


def preflight(document: Document, identity: Identity, keys: Keys, at: datetime) -> list[Finding]:
    """What is wrong with a numbered document that is about to be signed at `at`."""
    findings = _common(document, at)
    check_number(findings)
    if not document.fixed.uses_technical_key or keys.technical_key:
        _check_identity(findings, identity, keys)
    else:
        findings.add("AB05c", "/range", "El rango no tiene clave técnica: impórtelo de la DIAN otra vez.")
    return findings.all


def blocking(findings: list[Finding]) -> list[Finding]:
    """Those for which DIAN would reject."""
    return [finding for finding in findings if finding.blocks]


def _common(document: Document, at: datetime) -> Findings:
    findings = Findings(document)
    check_software(findings)
    check_range(findings)
    check_dates(findings, at)
    check_parties(findings)
    check_correction(findings)
    check_special(findings)
    check_payments(findings)
    check_lines(findings)
    check_amounts(findings)
    return findings


def _check_identity(findings: Findings, identity: Identity, keys: Keys) -> None:
    expected = identify(findings.document, keys)
    scheme = findings.document.fixed.scheme.partition("-")[0]
    if identity.uuid != expected.uuid:
        findings.add(
            "AD06", "/number", f"El {scheme} no corresponde a los datos del documento: hay que calcularlo de nuevo."
        )
    if identity.security_code != expected.security_code:
        findings.add(
            "AB27b", "/software", "El código de seguridad no corresponde al identificador y al PIN del software."
        )
    if identity.url != page_url(identity.uuid, findings.document.environment):
        findings.add("AB36", "/number", "La dirección del código QR no corresponde al documento.")
