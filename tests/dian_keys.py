"""Throwaway certificates with the shape of the Colombian ones: root, subordinate, holder with its NIT."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

NIT_OID = x509.ObjectIdentifier("1.3.6.1.4.1.23267.2.3")
PASSWORD = "clave-del-p12"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2036, 1, 1, tzinfo=UTC)


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key a number; making them is what takes time."""
    del number
    return rsa.generate_private_key(65537, bits)


def name(common: str, *more: x509.NameAttribute[str]) -> x509.Name:
    entity = "Entidad de Prueba & Cía S.A."
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CO"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, entity),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            *more,
        ]
    )


ROOT_NAME = name("AC Raíz PRUEBA")
SUB_NAME = name("AC Sub PRUEBA, <no confiable>")


def issue(
    subject: x509.Name,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    *,
    is_authority: bool = False,
    start: datetime = START,
    end: datetime = END,
    may_sign: bool = True,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=may_sign and not is_authority,
                content_commitment=may_sign and not is_authority,
                key_encipherment=not may_sign,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer_key, SHA256())
    )


@cache
def authorities() -> tuple[x509.Certificate, x509.Certificate]:
    """Subordinate and root."""
    root = issue(ROOT_NAME, rsa_key(1), ROOT_NAME, rsa_key(1), is_authority=True)
    sub = issue(SUB_NAME, rsa_key(2), ROOT_NAME, rsa_key(1), is_authority=True)
    return sub, root


def holder_name(nit: str) -> x509.Name:
    return name("Comercial de Ejemplo S.A.S.", x509.NameAttribute(NIT_OID, nit))


def p12(
    nit: str = "999888777",
    *,
    start: datetime = START,
    end: datetime = END,
    password: str = PASSWORD,
    chain: tuple[x509.Certificate, ...] | None = None,
    subject: x509.Name | None = None,
    bits: int = 2048,
    may_sign: bool = True,
) -> bytes:
    key = rsa_key(3, bits)
    holder = issue(subject or holder_name(nit), key, SUB_NAME, rsa_key(2), start=start, end=end, may_sign=may_sign)
    return serialize_key_and_certificates(
        b"firma",
        key,
        holder,
        list(authorities() if chain is None else chain),
        BestAvailableEncryption(password.encode()),
    )


def days(count: int) -> timedelta:
    return timedelta(days=count)
