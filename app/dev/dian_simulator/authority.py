"""The simulator's own certification entity, and certificates in the shape of the Colombian ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

DIAN_NIT: Final = "800197268"
_NIT: Final = x509.ObjectIdentifier("1.3.6.1.4.1.23267.2.3")
_YEARS: Final = timedelta(days=3650)


class Authority:
    """Root, subordinate and DIAN's own key; made once and kept in the folder."""

    def __init__(self, folder: Path) -> None:
        file = folder / "authority.pem"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_make())
            file.chmod(0o600)
        pem = file.read_bytes()
        keys = [
            load_pem_private_key(part + b"-----END PRIVATE KEY-----\n", None)
            for part in pem.split(b"-----END PRIVATE KEY-----\n")[:-1]
        ]
        self.root, self.subordinate, self.own = x509.load_pem_x509_certificates(pem)
        self._subordinate_key, self._own_key = keys
        assert isinstance(self._subordinate_key, rsa.RSAPrivateKey)

    @property
    def own_key(self) -> bytes:
        """The key that signs answers, in PEM."""
        return self._own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def issue(self, nit: str, name: str, password: str, at: datetime) -> bytes:
        """A .p12 for a company: certificate, key and chain."""
        key = rsa.generate_private_key(65537, 2048)
        assert isinstance(self._subordinate_key, rsa.RSAPrivateKey)
        holder = _certificate(_name(name, nit), key, self.subordinate.subject, self._subordinate_key, at)
        return serialize_key_and_certificates(
            nit.encode(), key, holder, [self.subordinate, self.root], BestAvailableEncryption(password.encode())
        )


def _make() -> bytes:
    now = datetime.now(UTC)
    root_key, sub_key, own_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    root_name, sub_name = _name("AC Raíz SIMULADOR (no confiable)"), _name("AC Sub SIMULADOR (no confiable)")
    certificates = [
        _certificate(root_name, root_key, root_name, root_key, now, is_authority=True),
        _certificate(sub_name, sub_key, root_name, root_key, now, is_authority=True),
        _certificate(_name("SIMULADOR DIAN (no es la DIAN)", DIAN_NIT), own_key, sub_name, sub_key, now),
    ]
    keys = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in (sub_key, own_key)]
    return b"".join(keys) + b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _name(common: str, nit: str = "") -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CO"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulador de Mostrador"),
        x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
    ]
    return x509.Name([*attributes, x509.NameAttribute(_NIT, nit)] if nit else attributes)


def _certificate(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    at: datetime,
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Tests move the clock back: valid long before it was made.
        .not_valid_before(at - _YEARS)
        .not_valid_after(at + _YEARS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(issuer_key, SHA256())
    )
