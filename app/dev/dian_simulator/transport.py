"""What comes in: SOAP 1.2, the signed header, the zip."""

import base64
import binascii
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import xmlsec
from cryptography import x509
from lxml import etree

from app.dev.dian_simulator.reading import parse

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSA: Final = "http://www.w3.org/2005/08/addressing"
_WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_CANONICAL: Final = (f"{{{_DS}}}CanonicalizationMethod", f"{{{_DS}}}Transform")
_WCF: Final = "http://wcf.dian.colombia"
_ACTION: Final = f"{_WCF}/IWcfDianCustomerServices/"
_SKEW: Final = timedelta(minutes=5)
_FILE: Final = re.compile(r"[a-z]{1,3}[0-9]{10}[0-9a-z]{3}[0-9]{2}[0-9a-fA-F]{8}", re.IGNORECASE)
MAX_UNZIPPED: Final = 50 * 1024 * 1024
OPERATIONS: Final = frozenset(
    {
        "SendBillSync", "SendBillAsync", "SendTestSetAsync", "GetStatus", "GetStatusZip", "GetStatusEvent",
        "GetNumberingRange", "GetXmlByDocumentKey", "GetReferenceNotes", "SendEventUpdateStatus", "GetAcquirer",
        "GetExchangeEmails", "SendBillAttachmentAsync", "SendNominaSync",
    }
)  # fmt: skip


class SoapFault(Exception):
    """Answered with HTTP 500: what stands in the fault."""

    def __init__(self, reason: str, code: str = "s:Sender", subcode: str = "") -> None:
        super().__init__(reason)
        self.reason, self.code, self.subcode = reason, code, subcode


class NotSent(Exception):
    """Answered with code 89."""


class Call(NamedTuple):
    """One request whose header is in order."""

    operation: str
    parameters: dict[str, str]
    certificate: x509.Certificate


class Received(NamedTuple):
    """A file out of a zip."""

    stem: str
    xml: bytes


def security() -> SoapFault:
    return SoapFault("An error occurred when verifying security for the message.", subcode="a:InvalidSecurity")


def untrusted() -> SoapFault:
    return SoapFault("The creator of this fault did not specify a Reason.", code="s:Client")


def read_call(content_type: str, body: bytes, addresses: set[str], now: datetime) -> Call:
    """Check envelope and header. Raises `SoapFault`."""
    try:
        root = parse(body)
    except etree.XMLSyntaxError as error:
        raise SoapFault("The message is not XML.") from error
    inside = root.find(f"{{{SOAP}}}Body/*")
    if not content_type.startswith("application/soap+xml") or root.tag != f"{{{SOAP}}}Envelope" or inside is None:
        raise SoapFault("The message is not a SOAP 1.2 envelope.")
    operation = etree.QName(inside).localname
    action = root.findtext(f".//{{{_WSA}}}Action", "")
    if operation not in OPERATIONS or action != _ACTION + operation or f'action="{action}"' not in content_type:
        raise SoapFault(f"The action {action} is not known here.")
    certificate = _verify_header(root, addresses, now)
    parameters = {etree.QName(each).localname: each.text or "" for each in inside}
    return Call(operation, parameters, certificate)


def _verify_header(root: etree._Element, addresses: set[str], now: datetime) -> x509.Certificate:
    """The certificate that signed `wsa:To`. Raises `SoapFault`."""
    created, expires = (_instant(root.findtext(f".//{{{_WSU}}}{name}", "")) for name in ("Created", "Expires"))
    if created is None or expires is None or abs(now - created) > _SKEW or now > expires:
        raise security()
    to = root.find(f".//{{{_WSA}}}To")
    token = root.find(f".//{{{_WSSE}}}BinarySecurityToken")
    signature = root.find(f".//{{{_WSSE}}}Security/{{{_DS}}}Signature")
    if to is None or token is None or signature is None or (to.text or "") not in addresses:
        raise security()
    referenced = {each.get("URI") for each in signature.iterfind(f"{{{_DS}}}SignedInfo/{{{_DS}}}Reference")}
    named = signature.find(f"{{{_DS}}}KeyInfo/{{{_WSSE}}}SecurityTokenReference/{{{_WSSE}}}Reference")
    identity = f"{{{_WSU}}}Id"
    if f"#{to.get(identity)}" not in referenced or named is None or named.get("URI") != f"#{token.get(identity)}":
        raise security()
    methods = {each.get("Algorithm") for each in signature.iterfind(f"{{{_DS}}}SignedInfo/{{{_DS}}}SignatureMethod")}
    canonical = [each.get("Algorithm") for each in signature.iter(*_CANONICAL)]
    if methods != {_RSA_SHA256} or set(canonical) != {_EXCLUSIVE}:
        raise security()
    context = xmlsec.SignatureContext()
    for element in root.iter():
        if element.get(identity):
            context.register_id(element, "Id", _WSU)
    try:
        der = base64.b64decode(token.text or "", validate=True)
        certificate = x509.load_der_x509_certificate(der)
        context.key = xmlsec.Key.from_memory(der, xmlsec.constants.KeyDataFormatCertDer)
        context.verify(signature)
    except (ValueError, binascii.Error, xmlsec.Error) as error:
        raise security() from error
    return certificate


def unpack(call: Call, most: int) -> list[Received]:
    """The documents of a sending, at most so many. Raises `NotSent`."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(call.parameters.get("contentFile", ""), validate=True)))
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNZIPPED:
            raise NotSent("Archivo no enviado.")
        files = [(entry.filename, archive.read(entry)) for entry in entries]
    except (ValueError, binascii.Error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise NotSent("Archivo no enviado.") from error
    documents = [Received(name[:-4], xml) for name, xml in files if name.lower().endswith(".xml") and "/" not in name]
    if not documents or len(documents) != len(files):
        raise NotSent("Error descomprimiendo el archivo ZIP: No fue encontrado ningun documento XML válido.")
    if len(documents) > most:
        raise NotSent(
            "El método síncrono solo puede recibir un documento."
            if most == 1
            else f"Máximo {most} documentos por archivo."
        )
    names = [call.parameters["fileName"].removesuffix(".zip")] if "fileName" in call.parameters else []
    if not all(_FILE.fullmatch(name) for name in (*names, *(document.stem for document in documents))):
        raise NotSent("Nombre de archivo no válido.")
    return documents


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
