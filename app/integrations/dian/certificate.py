"""The issuer's certificate: a .p12 opened, its chain put in order, and what makes it useless said plainly.

DIAN reads the NIT from the subject (SPEC of the Anexo técnico 1.9, ZE03) and wants holder, subordinate and root (DC25).
"""

import base64
import re
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import ExtensionOID

from app.lib.errors import RuleBroken
from app.lib.nit import check_digit

MAX_FILE: Final = 256 * 1024
"""Bytes of a .p12; real ones have less than 20 kB."""
MIN_KEY_BITS: Final = 2048
_SEQUENCE: Final = b"\x30"
_P12_VERSION: Final = b"\x02\x01\x03"
_NIT_OIDS: Final = (
    "1.3.6.1.4.1.23267.2.3",
    "2.5.4.5",
    "2.5.4.4",
    "1.3.6.1.4.1.31136.1.1.20.2",
    "2.5.4.97",
)
"""Where the Colombian entities write the NIT, as DIAN looks for it."""


class CertificateUnusable(RuleBroken):
    """The .p12 cannot sign this company's documents; `code` says why."""

    code = "certificate-unreadable"


class Listed(msgspec.Struct, frozen=True):
    """A certificate as a signature names it."""

    digest: str
    """SHA-256 of the DER, in base64."""
    issuer: str
    """RFC 2253."""
    serial: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its certificate, ready to sign. Never logged, never stored open."""

    key: RSAPrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """Issuers found in the file, from the holder's upwards."""
    der: str
    """The certificate in base64."""
    listed: tuple[Listed, ...]
    """Holder first, then the chain."""

    def alone(self) -> "Credential":
        """The same, for signatures that name the holder's certificate and none of its issuers'."""
        return msgspec.structs.replace(self, listed=self.listed[:1])

    @property
    def nits(self) -> frozenset[str]:
        """Digits found where DIAN looks for the NIT; with or without check digit, as the entity wrote them."""
        return _nits(self.certificate)

    @property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def not_before(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()

    @property
    def is_chain_complete(self) -> bool:
        """Whether the chain ends in a root; DIAN may ask for it (DC25)."""
        last = self.chain[-1] if self.chain else self.certificate
        return last.subject == last.issuer

    def __repr__(self) -> str:
        return f"Credential({self.certificate.serial_number:x})"


def open_p12(file: bytes, password: str) -> Credential:
    """Open a .p12 of our own making; `upload.py` opens the others.

    Raises `CertificateUnusable`: not such a file, wrong password, no key, no certificate, weak key.
    """
    if len(file) > MAX_FILE or not looks_like_p12(file):
        raise CertificateUnusable("El archivo no es un certificado .p12 o .pfx.")
    try:
        found = load_pkcs12(file, password.encode())
    except ValueError as error:
        raise CertificateUnusable(
            "La clave no abre el certificado, o el archivo está dañado.", code="certificate-password"
        ) from error
    if found.key is None or found.cert is None:
        raise CertificateUnusable(
            "El archivo no trae la llave privada con su certificado: expórtelo de nuevo con la llave.",
            code="certificate-without-key",
        )
    key, certificate = found.key, found.cert.certificate
    if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_KEY_BITS:
        raise CertificateUnusable(f"La llave debe ser RSA de {MIN_KEY_BITS} bits o más.", code="certificate-weak-key")
    if _public(certificate) != key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise CertificateUnusable("La llave no es la de este certificado.", code="certificate-without-key")
    chain = _chain(certificate, [each.certificate for each in found.additional_certs])
    return Credential(
        key=key,
        certificate=certificate,
        chain=chain,
        der=base64.b64encode(certificate.public_bytes(Encoding.DER)).decode(),
        listed=tuple(_list(each) for each in (certificate, *chain)),
    )


def check_credential(credential: Credential, nit: str, at: datetime) -> None:
    """Refuse a certificate that DIAN would refuse: expired, not yet valid, of another NIT, self-made, not for signing.

    Raises `CertificateUnusable`.
    """
    if at > credential.not_after:
        raise CertificateUnusable(
            f"El certificado venció el {credential.not_after:%Y-%m-%d}: pida uno nuevo a su entidad de certificación.",
            code="certificate-expired",
        )
    if at < credential.not_before:
        raise CertificateUnusable(
            f"El certificado solo sirve desde el {credential.not_before:%Y-%m-%d}.", code="certificate-not-yet-valid"
        )
    if not credential.nits & {nit, nit + check_digit(nit)}:
        raise CertificateUnusable(
            f"El certificado no es del NIT {nit}: la DIAN rechazaría los documentos (ZE03).",
            code="certificate-of-another-nit",
            found=sorted(credential.nits),
        )
    if credential.certificate.subject == credential.certificate.issuer:
        raise CertificateUnusable(
            "El certificado no lo emitió una entidad acreditada por el ONAC.", code="certificate-self-signed"
        )
    for issuer in credential.chain:
        if not issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc:
            raise CertificateUnusable(
                "Un certificado de la cadena de la entidad no está vigente.", code="certificate-chain"
            )
    if not _may_sign(credential.certificate):
        raise CertificateUnusable("El certificado no está autorizado para firmar.", code="certificate-not-for-signing")


def looks_like_p12(file: bytes) -> bool:
    """A DER sequence whose first member is the version, 3; so that a wrong file is not called a wrong password."""
    if not file[1:] or not file.startswith(_SEQUENCE):
        return False
    # The length takes one byte, or as many more as its low bits say.
    skip = 2 + (file[1] & 0x7F if file[1] & 0x80 else 0)
    return file[skip : skip + 3] == _P12_VERSION


def _chain(holder: x509.Certificate, others: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The issuers among `others`, each having signed the one before; strangers are left out. Raises when one only claims to."""
    chain: list[x509.Certificate] = []
    below = holder
    while below.subject != below.issuer:
        above = [each for each in others if each.subject == below.issuer and each not in chain]
        if not above:
            break
        signed = next((each for each in above if _issued(below, each)), None)
        if signed is None:
            raise CertificateUnusable(
                "La cadena del certificado está rota: uno de sus emisores no firmó el anterior.",
                code="certificate-chain",
            )
        chain.append(signed)
        below = signed
    return tuple(chain)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _list(certificate: x509.Certificate) -> Listed:
    digest = sha256(certificate.public_bytes(Encoding.DER)).digest()
    return Listed(
        digest=base64.b64encode(digest).decode(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=str(certificate.serial_number),
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _nits(certificate: x509.Certificate) -> frozenset[str]:
    found: set[str] = set()
    for attribute in certificate.subject:
        if attribute.oid.dotted_string in _NIT_OIDS:
            value = attribute.value if isinstance(attribute.value, str) else attribute.value.decode("utf-8", "replace")
            found.add(re.sub(r"\D", "", value))
    return frozenset(found - {""})


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(usage, x509.KeyUsage) and (usage.digital_signature or usage.content_commitment)
