"""What goes out: SOAP answers in the shape of DIAN's, and the signed ApplicationResponse inside them."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha384
from typing import Final
from uuid import uuid4
from xml.sax.saxutils import escape

import msgspec
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from app.dev.dian_simulator.authority import DIAN_NIT, Authority
from app.dev.dian_simulator.reading import Paper
from app.dev.dian_simulator.registry import Acquirer, Range
from app.dev.dian_simulator.signature import POLICY
from app.dev.dian_simulator.transport import SoapFault

_UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd"
_ARRAYS: Final = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"
_DATA: Final = "http://schemas.datacontract.org/2004/07"
_METHOD: Final = '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
_AGENCY: Final = 'schemeAgencyID="195" schemeAgencyName="CO, DIAN (Dirección de Impuestos y Aduanas Nacionales)"'
_DIAN_NAME: Final = "Unidad Especial Dirección de Impuestos y Aduanas Nacionales"


class Rule(msgspec.Struct, frozen=True):
    """A line of the validation."""

    code: str
    text: str
    rejects: bool

    def __str__(self) -> str:
        return f"Regla: {self.code}, {'Rechazo' if self.rejects else 'Notificación'}: {self.text}"


class Verdict(msgspec.Struct, kw_only=True):
    """What is answered about one document."""

    code: str
    is_valid: bool = False
    description: str = ""
    message: str = ""
    rules: list[Rule] = []
    response: bytes | None = None
    key: str = ""
    file: str = ""


def response_for(paper: Paper, rules: Sequence[Rule], authority: Authority, at: datetime) -> bytes:
    """The ApplicationResponse: valid without rejections, signed with the simulator's own certificate."""
    accepted = not any(rule.rejects for rule in rules)
    identity = str(uuid4().int)[:16]
    local = at.strftime("%Y-%m-%d"), at.strftime("%H:%M:%S-05:00")
    uuid = sha384(f"{identity}{''.join(local)}{DIAN_NIT}{paper.issuer}{paper.uuid}".encode()).hexdigest()
    code, words = ("02", "Documento validado por la DIAN") if accepted else ("04", "Documento rechazado por la DIAN")
    lines = [("0000", "0")] + [(rule.code, rule.text) for rule in rules]
    if accepted:
        lines.append(("0", f"El documento {paper.number}, ha sido autorizado."))
    text = (
        f'<ApplicationResponse xmlns="{_UBL}:ApplicationResponse-2" xmlns:cac="{_UBL}:CommonAggregateComponents-2" '
        f'xmlns:cbc="{_UBL}:CommonBasicComponents-2" xmlns:ext="{_UBL}:CommonExtensionComponents-2" '
        'xmlns:sts="dian:gov:co:facturaelectronica:Structures-2-1" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
        'xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"><ext:UBLExtensions>'
        f"<ext:UBLExtension><ext:ExtensionContent>{_extension()}</ext:ExtensionContent></ext:UBLExtension>"
        f"<ext:UBLExtension><ext:ExtensionContent>{_template(authority, at)}</ext:ExtensionContent></ext:UBLExtension>"
        "</ext:UBLExtensions><cbc:UBLVersionID>UBL 2.1</cbc:UBLVersionID><cbc:CustomizationID>1</cbc:CustomizationID>"
        f"<cbc:ProfileID>DIAN 2.1</cbc:ProfileID><cbc:ProfileExecutionID>{paper.text('cbc:ProfileExecutionID')}"
        f"</cbc:ProfileExecutionID><cbc:ID>{identity}</cbc:ID>"
        f'<cbc:UUID schemeName="CUDE-SHA384">{uuid}</cbc:UUID><cbc:IssueDate>{local[0]}</cbc:IssueDate>'
        f"<cbc:IssueTime>{local[1]}</cbc:IssueTime>"
        f"{_party('SenderParty', _DIAN_NAME, DIAN_NIT)}{_party('ReceiverParty', paper.issuer, paper.issuer)}"
        f"<cac:DocumentResponse><cac:Response><cbc:ResponseCode>{code}</cbc:ResponseCode>"
        f"<cbc:Description>{words}</cbc:Description></cac:Response>"
        f"<cac:DocumentReference><cbc:ID>{escape(paper.number)}</cbc:ID>"
        f'<cbc:UUID schemeName="{escape(paper.attribute("cbc:UUID", "schemeName"))}">{escape(paper.uuid)}</cbc:UUID>'
        "</cac:DocumentReference>"
        + "".join(
            f"<cac:LineResponse><cac:LineReference><cbc:LineID>{place}</cbc:LineID></cac:LineReference><cac:Response>"
            f"<cbc:ResponseCode>{line}</cbc:ResponseCode><cbc:Description>{escape(words)}</cbc:Description>"
            "</cac:Response></cac:LineResponse>"
            for place, (line, words) in enumerate(lines, start=1)
        )
        + "</cac:DocumentResponse></ApplicationResponse>"
    )
    root = etree.fromstring(text.encode())
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(authority.own_key, xmlsec.constants.KeyDataFormatPem)
    context.sign(root.findall(".//{http://www.w3.org/2000/09/xmldsig#}Signature")[0])
    return b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n' + etree.tostring(root, encoding="UTF-8")


def _extension() -> str:
    dian = f'{_AGENCY} schemeID="4" schemeName="31"'
    return (
        '<sts:DianExtensions><sts:InvoiceSource><cbc:IdentificationCode listAgencyID="6" '
        'listAgencyName="United Nations Economic Commission for Europe" '
        f'listSchemeURI="{_UBL.replace("schema:xsd", "codelist:gc")}:CountryIdentificationCode-2.1">CO'
        f"</cbc:IdentificationCode></sts:InvoiceSource><sts:SoftwareProvider><sts:ProviderID {dian}>{DIAN_NIT}"
        f"</sts:ProviderID><sts:SoftwareID {_AGENCY}>...</sts:SoftwareID></sts:SoftwareProvider>"
        f"<sts:SoftwareSecurityCode {_AGENCY}>...</sts:SoftwareSecurityCode><sts:AuthorizationProvider>"
        f"<sts:AuthorizationProviderID {dian}>{DIAN_NIT}</sts:AuthorizationProviderID></sts:AuthorizationProvider>"
        "</sts:DianExtensions>"
    )


def _party(name: str, called: str, nit: str) -> str:
    return (
        f"<cac:{name}><cac:PartyTaxScheme><cbc:RegistrationName>{escape(called)}</cbc:RegistrationName>"
        f'<cbc:CompanyID schemeName="31">{escape(nit)}</cbc:CompanyID><cac:TaxScheme><cbc:ID>01</cbc:ID>'
        f"<cbc:Name>IVA</cbc:Name></cac:TaxScheme></cac:PartyTaxScheme></cac:{name}>"
    )


def _template(authority: Authority, at: datetime) -> str:
    """A signature with empty digests, for xmlsec to fill."""
    mark = f"xmldsig-{uuid4().hex}"
    certificates = "".join(_listed(each) for each in (authority.own, authority.subordinate, authority.root))
    empty = f"{_METHOD}<ds:DigestValue/>"
    return (
        f'<ds:Signature Id="{mark}"><ds:SignedInfo>'
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
        f'<ds:Reference Id="{mark}-ref0" URI=""><ds:Transforms>'
        '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></ds:Transforms>'
        f'{empty}</ds:Reference><ds:Reference URI="#{mark}-keyinfo">{empty}</ds:Reference>'
        f'<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties" URI="#{mark}-signedprops">{empty}'
        f'</ds:Reference></ds:SignedInfo><ds:SignatureValue Id="{mark}-sigvalue"/><ds:KeyInfo Id="{mark}-keyinfo">'
        f"<ds:X509Data><ds:X509Certificate>{_der(authority.own)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f'<ds:Object><xades:QualifyingProperties Target="#{mark}"><xades:SignedProperties Id="{mark}-signedprops">'
        f"<xades:SignedSignatureProperties><xades:SigningTime>{at.isoformat(timespec='seconds')}</xades:SigningTime>"
        f"<xades:SigningCertificate>{certificates}</xades:SigningCertificate><xades:SignaturePolicyIdentifier>"
        f"<xades:SignaturePolicyId><xades:SigPolicyId><xades:Identifier>{POLICY}</xades:Identifier></xades:SigPolicyId>"
        f"<xades:SigPolicyHash>{_METHOD}<ds:DigestValue>dMoMvtcG5aIzgYo0tIsSQeVJBDnUnfSOfBpxXrmor0Y="
        "</ds:DigestValue></xades:SigPolicyHash></xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
        "<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>supplier</xades:ClaimedRole></xades:ClaimedRoles>"
        "</xades:SignerRole></xades:SignedSignatureProperties></xades:SignedProperties></xades:QualifyingProperties>"
        "</ds:Object></ds:Signature>"
    )


def _listed(certificate: x509.Certificate) -> str:
    digest = base64.b64encode(sha256(certificate.public_bytes(Encoding.DER)).digest()).decode()
    return (
        f"<xades:Cert><xades:CertDigest>{_METHOD}<ds:DigestValue>{digest}</ds:DigestValue></xades:CertDigest>"
        f"<xades:IssuerSerial><ds:X509IssuerName>{escape(certificate.issuer.rfc4514_string())}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert>"
    )


def _der(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def verdict(answer: Verdict) -> str:
    """A DianResponse, without the element around it."""
    rules = "".join(f"<c:string>{escape(str(rule))}</c:string>" for rule in answer.rules)
    encoded = base64.b64encode(answer.response).decode() if answer.response is not None else ""
    return (
        f'<b:ErrorMessage xmlns:c="{_ARRAYS}">{rules}</b:ErrorMessage><b:IsValid>{str(answer.is_valid).lower()}</b:IsValid>'
        f"<b:StatusCode>{answer.code}</b:StatusCode>{_field('StatusDescription', answer.description)}"
        f"{_field('StatusMessage', answer.message)}{_field('XmlBase64Bytes', encoded)}{_field('XmlBytes', '')}"
        f"{_field('XmlDocumentKey', answer.key)}{_field('XmlFileName', answer.file)}"
    )


def one(answer: Verdict) -> tuple[str, str]:
    """Contract and content of the answer about one document."""
    return f"{_DATA}/DianResponse", verdict(answer)


def several(answers: Sequence[Verdict]) -> tuple[str, str]:
    return f"{_DATA}/DianResponse", "".join(f"<b:DianResponse>{verdict(each)}</b:DianResponse>" for each in answers)


def receipt(key: str, problem: str = "", file: str = "") -> tuple[str, str]:
    """The answer to an asynchronous sending: a key, or why not."""
    space = f'xmlns:c="{_DATA}/XmlParamsResponseTrackId"'
    if not problem:
        return f"{_DATA}/UploadDocumentResponse", (
            f'<b:ErrorMessageList i:nil="true" {space}/><b:ZipKey>{key}</b:ZipKey>'
        )
    return f"{_DATA}/UploadDocumentResponse", (
        f'<b:ErrorMessageList {space}><c:XmlParamsResponseTrackId><c:DocumentKey i:nil="true"/>'
        f'<c:ProcessedMessage>{escape(problem)}</c:ProcessedMessage><c:SenderCode i:nil="true"/><c:Success>false</c:Success>'
        f"<c:XmlFileName>{escape(file)}</c:XmlFileName></c:XmlParamsResponseTrackId></b:ErrorMessageList>"
        '<b:ZipKey i:nil="true"/>'
    )


def numbering(code: str, words: str, ranges: Sequence[Range]) -> tuple[str, str]:
    listed = "".join(
        f"<c:NumberRangeResponse><c:ResolutionNumber>{each.authorization}</c:ResolutionNumber>"
        f"<c:ResolutionDate>{each.valid_from}</c:ResolutionDate><c:Prefix>{escape(each.prefix)}</c:Prefix>"
        f"<c:FromNumber>{each.first}</c:FromNumber><c:ToNumber>{each.last}</c:ToNumber>"
        f"<c:ValidDateFrom>{each.valid_from}</c:ValidDateFrom><c:ValidDateTo>{each.valid_to}</c:ValidDateTo>"
        f"<c:TechnicalKey>{each.technical_key}</c:TechnicalKey></c:NumberRangeResponse>"
        for each in ranges
    )
    return f"{_DATA}/NumberRangeResponseList", (
        f"<b:OperationCode>{code}</b:OperationCode><b:OperationDescription>{words}</b:OperationDescription>"
        f'<b:ResponseList xmlns:c="{_DATA}/NumberRangeResponse">{listed}</b:ResponseList>'
    )


def stored_xml(xml: bytes | None, key: str) -> tuple[str, str]:
    code, words = (
        ("100", "Acción completada OK.") if xml is not None else ("404", f"Xml con CUFE: '{key}' no encontrado.")
    )
    encoded = base64.b64encode(xml).decode() if xml is not None else ""
    return f"{_DATA}/EventResponse", (
        f"<b:Code>{code}</b:Code><b:Message>{escape(words)}</b:Message>{_field('XmlBytesBase64', encoded)}"
    )


def mails(known: Sequence[Acquirer]) -> tuple[str, str]:
    """The list of reception mails, as a CSV."""
    rows = "".join(f"{each.number};{each.mail}\r\n" for each in known if each.mail)
    return f"{_DATA}/ExchangeEmailResponse", (
        f"<b:CsvBase64Bytes>{base64.b64encode(rows.encode()).decode()}</b:CsvBase64Bytes>{_field('Message', '')}"
        "<b:StatusCode>00</b:StatusCode><b:Success>true</b:Success>"
    )


def acquirer(found: Acquirer | None) -> tuple[str, str]:
    mail, name, code = (found.mail, found.name, "200") if found is not None else ("", "", "")
    return f"{_DATA}/Gosocket.Dian.Services.Utils.Common", (
        f"{_field('Message', '')}{_field('ReceiverEmail', mail)}{_field('ReceiverName', name)}{_field('StatusCode', code)}"
    )


def envelope(operation: str, answer: tuple[str, str], at: datetime) -> bytes:
    """The SOAP answer to an operation."""
    space, content = answer
    created, expires = (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") for moment in (at, at + timedelta(minutes=5))
    )
    wss = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity"
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" '
        f'xmlns:u="{wss}-utility-1.0.xsd"><s:Header><a:Action s:mustUnderstand="1">'
        f"http://wcf.dian.colombia/IWcfDianCustomerServices/{operation}Response</a:Action>"
        f'<o:Security s:mustUnderstand="1" xmlns:o="{wss}-secext-1.0.xsd"><u:Timestamp u:Id="_0">'
        f"<u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp></o:Security></s:Header>"
        f'<s:Body><{operation}Response xmlns="http://wcf.dian.colombia"><{operation}Result xmlns:b="{space}" '
        f'xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{content}</{operation}Result></{operation}Response>'
        "</s:Body></s:Envelope>"
    ).encode()


def fault(problem: SoapFault) -> bytes:
    wss = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    subcode = f'<s:Subcode><s:Value xmlns:a="{wss}">{problem.subcode}</s:Value></s:Subcode>' if problem.subcode else ""
    return (
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>{problem.code}'
        f'</s:Value>{subcode}</s:Code><s:Reason><s:Text xml:lang="en-US">{escape(problem.reason)}</s:Text></s:Reason>'
        "</s:Fault></s:Body></s:Envelope>"
    ).encode()


def _field(name: str, text: str) -> str:
    return f"<b:{name}>{escape(text)}</b:{name}>" if text else f'<b:{name} i:nil="true"/>'
