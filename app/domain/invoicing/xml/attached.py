"""AttachedDocument: what the buyer receives, with the signed document and DIAN's answer inside, byte for byte."""

from datetime import datetime
from typing import Final

from lxml import etree

from app.domain.invoicing.model import BOGOTA, Document, Identity, Party, Validation
from app.domain.invoicing.xml.documents import UBL, Built
from app.domain.invoicing.xml.extensions import signature_place
from app.domain.invoicing.xml.parties import put_tax_scheme
from app.domain.invoicing.xml.ubl import Element, group, new_root, put, put_exactly

_VALIDATOR: Final = "Unidad Especial Dirección de Impuestos y Aduanas Nacionales"
_VALIDATED: Final = "02"


def build_attached(
    document: Document, identity: Identity, signed: bytes, validation: Validation | None, at: datetime
) -> Built:
    """The container. Without DIAN's answer only for a document of type 04, delivered while DIAN is away."""
    root = new_root("AttachedDocument")
    place = signature_place(root)
    local = at.astimezone(BOGOTA)
    put_exactly(root, "cbc:UBLVersionID", UBL)
    put_exactly(root, "cbc:CustomizationID", "Documentos adjuntos")
    put_exactly(root, "cbc:ProfileID", "Factura Electrónica de Venta")
    put_exactly(root, "cbc:ProfileExecutionID", document.environment)
    put_exactly(root, "cbc:ID", f"AD-{document.number}")
    put_exactly(root, "cbc:IssueDate", local.strftime("%Y-%m-%d"))
    put_exactly(root, "cbc:IssueTime", local.strftime("%H:%M:%S-05:00"))
    put_exactly(root, "cbc:DocumentType", "Contenedor de Factura Electrónica")
    put_exactly(root, "cbc:ParentDocumentID", document.number)
    _party(root, "cac:SenderParty", document.issuer)
    _party(root, "cac:ReceiverParty", document.counterpart)
    _attach(root, signed)
    if validation is not None:
        _answer(root, document, identity, validation)
    return Built(root, place)


def _party(root: Element, name: str, who: Party) -> None:
    put_tax_scheme(group(root, name), who, addressed=False)


def _answer(root: Element, document: Document, identity: Identity, validation: Validation) -> None:
    line = group(root, "cac:ParentDocumentLineReference")
    put_exactly(line, "cbc:LineID", "1")
    reference = group(line, "cac:DocumentReference")
    put_exactly(reference, "cbc:ID", document.number)
    put_exactly(reference, "cbc:UUID", identity.uuid, {"schemeName": document.fixed.scheme})
    put_exactly(reference, "cbc:IssueDate", document.issue_date)
    put_exactly(reference, "cbc:DocumentType", "ApplicationResponse")
    _attach(reference, validation.response)
    result = group(reference, "cac:ResultOfVerification")
    validated = validation.validated_at.astimezone(BOGOTA)
    put_exactly(result, "cbc:ValidatorID", _VALIDATOR)
    put_exactly(result, "cbc:ValidationResultCode", _VALIDATED)
    put_exactly(result, "cbc:ValidationDate", validated.strftime("%Y-%m-%d"))
    put_exactly(result, "cbc:ValidationTime", validated.strftime("%H:%M:%S-05:00"))


def _attach(parent: Element, xml: bytes) -> None:
    """Append a document as text: CDATA keeps its bytes readable; where it cannot, escaping says the same."""
    reference = group(group(parent, "cac:Attachment"), "cac:ExternalReference")
    put(reference, "cbc:MimeCode", "text/xml")
    put(reference, "cbc:EncodingCode", "UTF-8")
    description = put_exactly(reference, "cbc:Description", "")
    text = xml.decode("utf-8")
    description.text = text if "]]>" in text else etree.CDATA(text)
