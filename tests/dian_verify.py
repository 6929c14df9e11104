"""Two verifiers that share no code with the signer, and the schemas."""

from functools import cache
from pathlib import Path
from typing import Any

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.verifier import SignatureConfiguration, XMLVerifier

SCHEMAS = Path(__file__).parents[1] / "app" / "dev" / "dian_simulator" / "xsd" / "maindoc"
DS = "{http://www.w3.org/2000/09/xmldsig#}"


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / f"UBL-{name}-2.1.xsd")))


def schema_errors(xml: bytes) -> list[str]:
    """What the official schema says against a document."""
    root = parse(xml)
    schema = _schema(etree.QName(root).localname)
    return [] if schema.validate(root) else [str(each) for each in schema.error_log]  # type: ignore[attr-defined]


def parse(xml: bytes) -> Any:
    return etree.fromstring(xml, etree.XMLParser(strip_cdata=False, huge_tree=True, resolve_entities=False))


def verify_with_xmlsec(xml: bytes) -> int:
    """Number of references verified with the certificate inside. Raises when the signature is wrong."""
    root = parse(xml)
    xmlsec.tree.add_ids(root, ["Id"])
    node = _own_signature(root)
    context = xmlsec.SignatureContext()
    certificate = node.findtext(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate")
    context.key = xmlsec.Key.from_memory(_pem(certificate), xmlsec.constants.KeyDataFormatCertPem)
    context.verify(node)
    return len(node.findall(f"{DS}SignedInfo/{DS}Reference"))


def verify_with_signxml(xml: bytes, certificate: x509.Certificate) -> int:
    """Number of references verified with this certificate. Raises when the signature is wrong."""
    results = XMLVerifier().verify(
        xml,
        x509_cert=certificate.public_bytes(Encoding.PEM).decode(),
        expect_config=SignatureConfiguration(expect_references=3, location=".//"),
    )
    return len(results) if isinstance(results, list) else 1


def certificate_in(xml: bytes) -> x509.Certificate:
    node = _own_signature(parse(xml))
    return x509.load_pem_x509_certificate(_pem(node.findtext(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate")))


def _own_signature(root: Any) -> Any:
    found = root.findall(f".//{DS}Signature")
    assert len(found) == 1
    return found[0]


def _pem(body: str) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
