"""What DIAN checks of a document's signature and of the certificate behind it."""

import base64
import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

import xmlsec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from app.dev.dian_simulator.reading import Node, Paper

POLICY: Final = "https://facturaelectronica.dian.gov.co/politicadefirma/v2/politicadefirmav2.pdf"
POLICY_HASHES: Final = {
    "dMoMvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y=",
    "EQC0kiWPaAME6IsEZ7WuaTWJ97Zmf6hIO69rMCVURmQxBB9ebgLrjhL5BArQ0a0l",
    "Zcjw1Z9nGQn2j6NyGx8kAaLbOfJGd/fJxRTCeirlqAg7zRG27piJkJOpflGu7XACpMj9hC6dVMcCyzqHxxPZeQ==",
}
_INCLUSIVE: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_METHODS: Final = {f"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{bits}" for bits in (256, 384, 512)}
_NIT_OIDS: Final = {
    "1.3.6.1.4.1.23267.2.3",
    "2.5.4.5",
    "2.5.4.4",
    "1.3.6.1.4.1.31136.1.1.20.2",
    "2.5.4.97",
}
_REFERENCES: Final = 3


class Trust:
    """Which certificates count."""

    def __init__(self, authorities: Iterable[x509.Certificate], revoked: Iterable[str]) -> None:
        self._authorities = list(authorities)
        self._revoked = set(revoked)

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        return str(certificate.serial_number) in self._revoked

    def trusts(self, certificate: x509.Certificate) -> bool:
        """Whether a chain of known authorities ends in a root."""
        below = certificate
        for _ in range(5):
            above = next((each for each in self._authorities if _issued(below, each)), None)
            if above is None:
                return False
            if above.subject == above.issuer:
                return True
            below = above
        return False


def certificate_problem(certificate: x509.Certificate, trust: Trust, at: datetime) -> str | None:
    """The rule that a certificate breaks by itself."""
    if trust.is_revoked(certificate):
        return "ZD04"
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return "ZD07"
    return None if trust.trusts(certificate) else "ZD05"


def nits_of(certificate: x509.Certificate) -> set[str]:
    """Digits where DIAN looks for the NIT."""
    return {
        re.sub(r"\D", "", str(each.value)) for each in certificate.subject if each.oid.dotted_string in _NIT_OIDS
    } - {""}


def signature_problem(paper: Paper, trust: Trust, allowed: set[str], at: datetime) -> str | None:
    """The first rule that the signature breaks; `allowed` are the NITs that may sign."""
    found = list(paper.each(".//ds:Signature"))
    if len(found) != 1:
        return "ZE02"
    (signature,) = found
    body = signature.text("ds:KeyInfo/ds:X509Data/ds:X509Certificate")
    if not body:
        return "ZD06"
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(body))
    except ValueError:
        return "ZD06"
    if not _verifies(paper, signature, certificate) or not _says_what_the_policy_asks(signature, certificate):
        return "ZE02"
    problem = certificate_problem(certificate, trust, at)
    if problem is not None:
        return problem
    return None if nits_of(certificate) & allowed else "ZE03"


def _verifies(paper: Paper, signature: Node, certificate: x509.Certificate) -> bool:
    if signature.attribute("ds:SignedInfo/ds:CanonicalizationMethod", "Algorithm") != _INCLUSIVE:
        return False
    if signature.attribute("ds:SignedInfo/ds:SignatureMethod", "Algorithm") not in _METHODS:
        return False
    key_info = signature.attribute("ds:KeyInfo", "Id")
    properties = signature.attribute("ds:Object/xades:QualifyingProperties/xades:SignedProperties", "Id")
    uris = [each.element.get("URI") for each in signature.each("ds:SignedInfo/ds:Reference")]
    if len(uris) != _REFERENCES or set(uris) != {"", f"#{key_info}", f"#{properties}"}:
        return False
    ids = [each for element in paper.element.iter() if (each := element.get("Id")) is not None]
    if len(set(ids)) != len(ids):
        return False
    xmlsec.tree.add_ids(paper.element, ["Id"])
    context = xmlsec.SignatureContext()
    pem = certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    try:
        context.verify(signature.element)
    except xmlsec.Error:
        return False
    return True


def _says_what_the_policy_asks(signature: Node, certificate: x509.Certificate) -> bool:
    path = "ds:Object/xades:QualifyingProperties/xades:SignedProperties/xades:SignedSignatureProperties"
    properties = next(signature.each(path), None)
    if properties is None:
        return False
    policy = "xades:SignaturePolicyIdentifier/xades:SignaturePolicyId"
    holder = properties.text("xades:SigningCertificate/xades:Cert/xades:CertDigest/ds:DigestValue")
    expected = base64.b64encode(sha256(certificate.public_bytes(Encoding.DER)).digest()).decode()
    return (
        properties.text(f"{policy}/xades:SigPolicyId/xades:Identifier") == POLICY
        and properties.text(f"{policy}/xades:SigPolicyHash/ds:DigestValue") in POLICY_HASHES
        and holder == expected
        and properties.text("xades:SignerRole/xades:ClaimedRoles/xades:ClaimedRole") in {"supplier", "third party"}
        and bool(properties.text("xades:SigningTime"))
    )


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
