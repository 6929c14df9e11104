"""A request to DIAN's service: SOAP 1.2 with WS-Security, whose signature covers `wsa:To` and nothing else.

Here the canonical XML is the exclusive one with named prefixes, the opposite of a document's signature.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from app.integrations.dian.certificate import Credential

CONTRACT: Final = "http://wcf.dian.colombia"
_LIFE: Final = timedelta(minutes=5)
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_WSU: Final = f"{_WSS}-wssecurity-utility-1.0.xsd"
_TOKEN: Final = f"{_WSS}-x509-token-profile-1.0#X509v3"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SIGNED_INFO_PREFIXES: Final = ["wsa", "soap", "wcf"]
_TO_PREFIXES: Final = ["soap", "wcf"]

_ENVELOPE: Final = (
    '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:wcf="http://wcf.dian.colombia">'
    '<soap:Header xmlns:wsa="http://www.w3.org/2005/08/addressing">'
    f'<wsse:Security xmlns:wsse="{_WSS}-wssecurity-secext-1.0.xsd" xmlns:wsu="{_WSU}">'
    '<wsu:Timestamp wsu:Id="TS-{id}"><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>'
    f'<wsse:BinarySecurityToken EncodingType="{_WSS}-soap-message-security-1.0#Base64Binary" '
    f'ValueType="{_TOKEN}" wsu:Id="X509-{{id}}">{{der}}</wsse:BinarySecurityToken>'
    '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="SIG-{id}"><ds:SignedInfo>'
    f'<ds:CanonicalizationMethod Algorithm="{_EXCLUSIVE}">'
    f'<ec:InclusiveNamespaces xmlns:ec="{_EXCLUSIVE}" PrefixList="{" ".join(_SIGNED_INFO_PREFIXES)}"/>'
    "</ds:CanonicalizationMethod>"
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    f'<ds:Reference URI="#ID-{{id}}"><ds:Transforms><ds:Transform Algorithm="{_EXCLUSIVE}">'
    f'<ec:InclusiveNamespaces xmlns:ec="{_EXCLUSIVE}" PrefixList="{" ".join(_TO_PREFIXES)}"/>'
    "</ds:Transform></ds:Transforms>"
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>'
    "</ds:SignedInfo><ds:SignatureValue/>"
    '<ds:KeyInfo Id="KI-{id}"><wsse:SecurityTokenReference wsu:Id="STR-{id}">'
    f'<wsse:Reference URI="#X509-{{id}}" ValueType="{_TOKEN}"/>'
    "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security>"
    "<wsa:Action>{action}</wsa:Action>"
    f'<wsa:To xmlns:wsu="{_WSU}" wsu:Id="ID-{{id}}">{{to}}</wsa:To></soap:Header>'
    "<soap:Body><wcf:{operation}>{parameters}</wcf:{operation}></soap:Body></soap:Envelope>"
)


def action_of(operation: str) -> str:
    return f"{CONTRACT}/IWcfDianCustomerServices/{operation}"


def envelope(
    operation: str, parameters: Mapping[str, str], endpoint: str, credential: Credential, at: datetime
) -> bytes:
    """The whole request, valid for five minutes from `at`. `endpoint` must be the address it is posted to."""
    root = etree.fromstring(
        _ENVELOPE.format(
            id=uuid4().hex.upper(),
            created=_instant(at),
            expires=_instant(at + _LIFE),
            der=credential.der,
            action=action_of(operation),
            to=escape(endpoint),
            operation=operation,
            parameters="".join(f"<wcf:{name}>{escape(text)}</wcf:{name}>" for name, text in parameters.items()),
        ),
        # The zip travels as one text of several megabytes.
        etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True),
    )
    header = root[0]
    security, _, to = header
    signed_info, value, _ = security[2]
    signed_info[-1][-1].text = _base64(sha256(_canonical(to, _TO_PREFIXES)).digest())
    value.text = _base64(credential.key.sign(_canonical(signed_info, _SIGNED_INFO_PREFIXES), PKCS1v15(), SHA256()))
    return etree.tostring(root, encoding="UTF-8")


def _canonical(element: etree._Element, prefixes: list[str]) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes)


def _instant(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
