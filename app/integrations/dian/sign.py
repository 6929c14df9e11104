"""XAdES-EPES, enveloped, as DIAN's policy version 2 wants it: three references, inclusive canonical XML, RSA with SHA-256.

The whole document is digested with its empty place; key info and signed properties are canonicalised where they stand,
because inclusive canonical XML repeats every namespace of the root; then nothing is formatted any more.
"""

import base64
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Final, Literal
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from app.integrations.dian.certificate import Credential

Element = etree._Element  # the library exports no public name for it
Role = Literal["supplier", "third party"]
"""The issuer itself, or a provider that signs for it."""

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
_BOGOTA: Final = timezone(timedelta(hours=-5))
_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_POLICY: Final = "https://facturaelectronica.dian.gov.co/politicadefirma/v2/politicadefirmav2.pdf"
_POLICY_NAME: Final = "Política de firma para facturas electrónicas de la República de Colombia."
_POLICY_HASH: Final = "dMoMvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y="
"""SHA-256 of the policy's PDF."""

_METHOD: Final = f'<ds:DigestMethod Algorithm="{_SHA256}"/>'
_CERTIFICATE: Final = (
    f"<xades:Cert><xades:CertDigest>{_METHOD}<ds:DigestValue>{{digest}}</ds:DigestValue></xades:CertDigest>"
    "<xades:IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
    "<ds:X509SerialNumber>{serial}</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert>"
)
_SIGNATURE: Final = (
    f'<ds:Signature xmlns:ds="{_DS}" xmlns:xades="{_XADES}" Id="{{id}}"><ds:SignedInfo>'
    '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    '<ds:Reference Id="{id}-ref0" URI=""><ds:Transforms>'
    f'<ds:Transform Algorithm="{_DS}enveloped-signature"/></ds:Transforms>{_METHOD}'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    f'<ds:Reference URI="#{{id}}-keyinfo">{_METHOD}<ds:DigestValue/></ds:Reference>'
    '<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#{id}-signedprops">'
    f"{_METHOD}<ds:DigestValue/></ds:Reference></ds:SignedInfo>"
    '<ds:SignatureValue Id="{id}-sigvalue"/>'
    '<ds:KeyInfo Id="{id}-keyinfo"><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>'
    '<ds:Object><xades:QualifyingProperties Target="#{id}"><xades:SignedProperties Id="{id}-signedprops">'
    "<xades:SignedSignatureProperties><xades:SigningTime>{time}</xades:SigningTime>"
    "<xades:SigningCertificate>{certificates}</xades:SigningCertificate>"
    "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>"
    f"<xades:Identifier>{_POLICY}</xades:Identifier><xades:Description>{_POLICY_NAME}</xades:Description>"
    f"</xades:SigPolicyId><xades:SigPolicyHash>{_METHOD}<ds:DigestValue>{_POLICY_HASH}</ds:DigestValue>"
    "</xades:SigPolicyHash></xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
    "<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>{role}</xades:ClaimedRole></xades:ClaimedRoles>"
    "</xades:SignerRole></xades:SignedSignatureProperties></xades:SignedProperties>"
    "</xades:QualifyingProperties></ds:Object></ds:Signature>"
)


def sign(root: Element, place: Element, credential: Credential, at: datetime, role: Role = "supplier") -> bytes:
    """Put the signature into its empty place and return the document's final bytes.

    `at` must be the instant printed in the document: DIAN compares the days. The same arguments give the same bytes.
    """
    assert not len(place), "the place of the signature must be empty"
    digest = sha256(_canonical(root)).digest()
    signature = etree.fromstring(
        _SIGNATURE.format(
            id=f"xmldsig-{digest.hex()[:32]}",
            digest=_base64(digest),
            der=credential.der,
            time=at.astimezone(_BOGOTA).isoformat(timespec="seconds"),
            certificates="".join(
                _CERTIFICATE.format(digest=each.digest, issuer=escape(each.issuer), serial=each.serial)
                for each in credential.listed
            ),
            role=role,
        )
    )
    place.append(signature)
    signed_info, value, key_info, held = signature
    *_, key_reference, properties_reference = signed_info
    key_reference[-1].text = _base64(sha256(_canonical(key_info)).digest())
    properties_reference[-1].text = _base64(sha256(_canonical(held[0][0])).digest())
    value.text = _base64(credential.key.sign(_canonical(signed_info), PKCS1v15(), SHA256()))
    # Without the encoding, letters inside CDATA would turn into character references and corrupt what it carries.
    return DECLARATION + etree.tostring(root, encoding="UTF-8")


def _canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", with_comments=False)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
