"""The door and the operations beside sending: what a request must be, and what each answers from the store."""

import base64
import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import httpx
import pytest
from lxml import etree

from app.dev.dian_desk import DianDesk
from app.domain.invoicing.identify import identify
from app.domain.invoicing.kinds import Kind
from app.integrations.dian.certificate import Credential, open_p12
from app.integrations.dian.envelope import envelope
from app.integrations.dian.files import pack
from tests.dev.dian_simulator.house import NIT, Sender, teach
from tests.dian_keys import PASSWORD, p12
from tests.dian_keys import name as certificate_name
from tests.domain.invoicing.papers import KEYS, NOW, document

PAPER = document()
UUID = identify(PAPER, KEYS).uuid
SECURITY = "An error occurred when verifying security for the message."


class Caller:
    """Any operation, as the product's client would sign it."""

    def __init__(self, dian: DianDesk, sender: Sender) -> None:
        self.dian = dian
        self.sender = sender
        self.url = dian.url

    def body(
        self,
        operation: str,
        parameters: Mapping[str, str],
        *,
        to: str = "",
        at: datetime = NOW,
        credential: Credential | None = None,
    ) -> bytes:
        return envelope(operation, parameters, to or self.url, credential or self.sender.credential, at)

    def post(self, body: bytes, operation: str, kind: str = "application/soap+xml;charset=UTF-8") -> httpx.Response:
        action = f"http://wcf.dian.colombia/IWcfDianCustomerServices/{operation}"
        headers = {"Content-Type": f'{kind};action="{action}"'}
        return httpx.post(self.url, content=body, headers=headers, trust_env=False)

    def ask(self, operation: str, **parameters: str) -> dict[str, str]:
        """The fields of the answer."""
        answer = self.post(self.body(operation, parameters), operation)
        assert answer.status_code == 200, answer.text
        return {
            etree.QName(each).localname: (each.text or "").strip() for each in etree.fromstring(answer.content).iter()
        }


@pytest.fixture
def caller(dian: DianDesk) -> Caller:
    return Caller(dian, teach(dian))


def fault_of(answer: httpx.Response) -> str:
    assert answer.status_code == 500
    return str(etree.fromstring(answer.content).findtext(".//{*}Reason/{*}Text"))


def test_only_soap_1_2_with_a_known_action_is_understood(caller: Caller) -> None:
    body = caller.body("GetStatus", {"trackId": UUID})
    assert caller.post(body, "GetStatus").status_code == 200
    assert "SOAP 1.2" in fault_of(caller.post(body, "GetStatus", kind="text/xml"))
    older = body.replace(b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/")
    assert "SOAP 1.2" in fault_of(caller.post(older, "GetStatus"))
    assert "not known" in fault_of(caller.post(body, "GetStatusZip"))
    other = body.replace(b"wcf:GetStatus>", b"wcf:GetStatusZip>")
    assert "not known" in fault_of(caller.post(other, "GetStatus"))
    unknown = caller.body("GetEverything", {})
    assert "not known" in fault_of(caller.post(unknown, "GetEverything"))
    assert "not XML" in fault_of(caller.post(b"hola", "GetStatus"))
    assert "not XML" in fault_of(
        caller.post(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a', "GetStatus")
    )


def _changed(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert before in body
        return body.replace(before, after)

    return change


def _without(tag: str) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        root = etree.fromstring(body)
        found = root.find(f".//{{*}}{tag}/..")
        assert found is not None
        found.remove(next(found.iterchildren(f"{{*}}{tag}")))
        return etree.tostring(root)

    return change


def _value(body: bytes) -> bytes:
    root = etree.fromstring(body)
    (value,) = root.iter("{*}SignatureValue")
    value.text = base64.b64encode(bytes(256)).decode()
    return etree.tostring(root)


@pytest.mark.parametrize(
    "change",
    [
        _without("Timestamp"),
        _without("BinarySecurityToken"),
        _without("To"),
        _without("Signature"),
        _without("SecurityTokenReference"),
        _value,
        _changed(b"WcfDianCustomerServices.svc</wsa:To>", b"WcfDianCustomerServices.svc?wsdl</wsa:To>"),
        _changed(b"rsa-sha256", b"rsa-sha1"),
        _changed(b'"http://www.w3.org/2001/10/xml-exc-c14n#">', b'"http://www.w3.org/TR/2001/REC-xml-c14n-20010315">'),
    ],
    ids=["timestamp", "token", "to", "signature", "reference", "value", "address", "method", "canonical form"],
)
def test_the_header_is_verified(change: Callable[[bytes], bytes], caller: Caller) -> None:
    body = caller.body("GetStatus", {"trackId": UUID})
    assert fault_of(caller.post(change(body), "GetStatus")) == SECURITY
    # The body of the message is not signed: DIAN's own policy.
    assert caller.post(body.replace(UUID.encode(), b"0" * 96), "GetStatus").status_code == 200


def test_the_address_and_the_clock_must_be_its_own(caller: Caller) -> None:
    elsewhere = "https://vpfe-hab.dian.gov.co/WcfDianCustomerServices.svc"
    body = caller.body("GetStatus", {"trackId": UUID}, to=elsewhere)
    assert fault_of(caller.post(body, "GetStatus")) == SECURITY
    caller.dian.add(aliases=[elsewhere])
    assert caller.post(body, "GetStatus").status_code == 200
    for minutes, wanted in ((-6, 500), (-4, 200), (4, 200), (6, 500)):
        late = caller.body("GetStatus", {"trackId": UUID}, at=NOW + timedelta(minutes=minutes))
        assert caller.post(late, "GetStatus").status_code == wanted, minutes


def test_a_certificate_that_it_does_not_trust_is_told_otherwise(caller: Caller) -> None:
    expired = open_p12(p12(end=NOW - timedelta(days=1)), PASSWORD)
    body = caller.body("GetStatus", {"trackId": UUID}, credential=expired)
    assert "did not specify a Reason" in fault_of(caller.post(body, "GetStatus"))
    caller.dian.change(trusted=[])
    body = caller.body("GetStatus", {"trackId": UUID})
    assert "did not specify a Reason" in fault_of(caller.post(body, "GetStatus"))


def _zip(files: Mapping[str, bytes]) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(packed.getvalue()).decode()


NAME = "fv0999888777000260000000b"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("z0999888777000260000000b.zip", "no es base64!", "Archivo no enviado."),
        ("z0999888777000260000000b.zip", base64.b64encode(b"no es zip").decode(), "Archivo no enviado."),
        ("z0999888777000260000000b.zip", _zip({}), "No fue encontrado ningun documento XML"),
        ("z0999888777000260000000b.zip", _zip({"leame.txt": b"hola"}), "No fue encontrado ningun documento XML"),
        ("z0999888777000260000000b.zip", _zip({f"d/{NAME}.xml": b"<a/>"}), "No fue encontrado ningun documento XML"),
        (
            "z0999888777000260000000b.zip",
            _zip({f"{NAME}.xml": b"<a/>", "fv0999888777000260000000c.xml": b"<a/>"}),
            "El método síncrono solo puede recibir un documento.",
        ),
        ("z0999888777000260000000b.zip", _zip({"fv1.xml": b"<a/>"}), "Nombre de archivo no válido."),
        ("z.zip", _zip({f"{NAME}.xml": b"<a/>"}), "Nombre de archivo no válido."),
    ],
    ids=["base64", "zip", "empty", "no XML", "folder", "two", "name", "name of the zip"],
)
def test_what_is_no_document_in_a_zip_is_not_taken(name: str, content: str, words: str, caller: Caller) -> None:
    got = caller.ask("SendBillSync", fileName=name, contentFile=content)
    assert (got["StatusCode"], got["IsValid"]) == ("89", "false")
    assert words in got["StatusDescription"]


def test_more_than_fifty_in_a_batch_are_not_taken(caller: Caller) -> None:
    files = {f"fv0999888777000260000{number:04x}.xml": b"<a/>" for number in range(51)}
    got = caller.ask("SendBillAsync", fileName=f"{caller.sender.name('z')}.zip", contentFile=_zip(files))
    assert (got["ZipKey"], got["ProcessedMessage"]) == ("", "Máximo 50 documentos por archivo.")


def test_nobody_sends_for_another_but_its_provider(caller: Caller) -> None:
    other = open_p12(p12("800197268"), PASSWORD)
    name, archive = caller.sender.packed(PAPER)
    sending = {"fileName": name, "contentFile": base64.b64encode(archive).decode()}
    answer = caller.post(caller.body("SendBillSync", sending, credential=other), "SendBillSync")
    words = f"NIT 800197268 no autorizado a enviar documentos para emisor con NIT {NIT}."
    assert words in answer.text
    (software,) = caller.dian.ask("GET", "registry")["software"]
    caller.dian.change(software=[{**software, "provider_nit": "800197268"}])
    answer = caller.post(caller.body("SendBillSync", sending, credential=other), "SendBillSync")
    # Taken, and then rejected by what the document itself says of its provider.
    assert "FAB24b" in answer.text
    nameless = open_p12(p12(subject=certificate_name("Nadie")), PASSWORD)
    answer = caller.post(caller.body("SendBillSync", sending, credential=nameless), "SendBillSync")
    assert "NIT de la empresa no informado en el certificado." in answer.text


def test_ranges_are_told_to_their_company_and_its_provider(caller: Caller) -> None:
    software = "11111111-2222-3333-4444-555555555555"

    def code(nit: str, provider: str, program: str) -> str:
        return caller.ask("GetNumberingRange", accountCode=nit, accountCodeT=provider, softwareCode=program)[
            "OperationCode"
        ]

    assert code(NIT, NIT, software) == "100"
    assert code(NIT, "800197268", software) == "303"
    assert code(NIT, NIT, "otro") == "303"
    assert code("800197268", "800197268", software) == "401"
    ranges = caller.dian.ask("GET", "registry")["ranges"]
    caller.dian.change(ranges=[{**each, "software_id": "otro"} for each in ranges])
    assert code(NIT, NIT, software) == "302"
    caller.dian.change(ranges=[])
    assert code(NIT, NIT, software) == "301"


def test_a_stored_document_comes_back_byte_by_byte(caller: Caller) -> None:
    xml = caller.sender.signed(PAPER)
    assert caller.sender.post(xml).accepts(UUID)
    got = caller.ask("GetXmlByDocumentKey", trackId=UUID)
    assert (got["Code"], base64.b64decode(got["XmlBytesBase64"])) == ("100", xml)
    absent = caller.ask("GetXmlByDocumentKey", trackId="0" * 96)
    assert (absent["Code"], absent["XmlBytesBase64"]) == ("404", "")
    assert absent["Message"] == f"Xml con CUFE: '{'0' * 96}' no encontrado."


def test_notes_and_events_of_an_invoice_are_found(caller: Caller) -> None:
    note = document(Kind.CREDIT_NOTE)
    assert caller.ask("GetReferenceNotes", trackId=UUID)["StatusCode"] == "67"
    assert caller.ask("GetReferenceNotes", trackId="corto")["StatusCode"] == "68"
    for paper in (PAPER, note):
        assert caller.sender.send(paper).accepts(identify(paper, KEYS).uuid)
    assert caller.ask("GetReferenceNotes", trackId=UUID)["XmlDocumentKey"] == identify(note, KEYS).uuid
    assert caller.ask("GetStatusEvent", trackId=UUID)["StatusCode"] == "67"


def test_buyers_and_their_mails_are_known_if_registered(caller: Caller) -> None:
    caller.dian.add(
        acquirers=[{"kind": "31", "number": "999888666", "name": "Cliente Ñ", "mail": "c@ficticio.invalid"}]
    )
    found = caller.ask("GetAcquirer", identificationType="31", identificationNumber="999888666")
    assert (found["ReceiverName"], found["ReceiverEmail"], found["StatusCode"]) == (
        "Cliente Ñ", "c@ficticio.invalid", "200"
    )  # fmt: skip
    absent = caller.ask("GetAcquirer", identificationType="13", identificationNumber="999888666")
    assert (absent["ReceiverName"], absent["StatusCode"]) == ("", "")
    mails = base64.b64decode(caller.ask("GetExchangeEmails")["CsvBase64Bytes"]).decode()
    assert mails == "999888666;c@ficticio.invalid\r\n"


@pytest.mark.parametrize("operation", ["SendBillAttachmentAsync", "SendNominaSync"])
def test_what_is_not_served_says_so(operation: str, caller: Caller) -> None:
    got = caller.ask(operation, contentFile=base64.b64encode(pack({})).decode())
    assert (got["StatusCode"], got["StatusDescription"]) == ("89", "Método no disponible.")
