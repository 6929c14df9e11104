"""The client against a server that answers well, badly, late, half, too much, or not at all."""

import asyncio
import base64
import gzip
import io
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import xmlsec
from lxml import etree

from app.integrations.dian.answers import MAX_ANSWER, Answer, Outcome, Rule
from app.integrations.dian.certificate import Credential, open_p12
from app.integrations.dian.files import file_stem, pack
from app.integrations.dian.soap import DianClient
from tests.dian_keys import PASSWORD, p12
from tests.integrations.dian.post import Post, answer, post_office

SAMPLES = Path(__file__).parents[2] / "data" / "dian" / "examples" / "soap"
UUID = "99bb75081a0dcbe1d29ebede850316dde00b798bda0834241d6b57dde4d90361c9eaf62072162ea334f620cbbb267242"
NOW = datetime(2026, 11, 20, 15, 15, 40, tzinfo=UTC)
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSA = "http://www.w3.org/2005/08/addressing"
DS = "http://www.w3.org/2000/09/xmldsig#"


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.response.xml").read_bytes()


@pytest.fixture(scope="module")
def credential() -> Credential:
    return open_p12(p12(), PASSWORD)


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with post_office() as office:
        yield office


@pytest.fixture
async def client(post: Post, credential: Credential) -> AsyncIterator[DianClient]:
    async with httpx.AsyncClient(timeout=1.0, trust_env=False) as http:
        yield DianClient(http, post.url, credential, lambda: NOW)


def verify_header(envelope: bytes) -> Any:
    """Check the signature over `wsa:To` with xmlsec, and return the envelope."""
    root = etree.fromstring(envelope)
    to = root.find(f".//{{{WSA}}}To")
    assert to is not None
    node = root.find(f".//{{{DS}}}Signature")
    assert node is not None
    context = xmlsec.SignatureContext()
    for element in root.iter():
        if element.get(f"{{{WSU}}}Id"):
            context.register_id(element, "Id", WSU)
    token = root.findtext(".//{*}BinarySecurityToken") or ""
    context.key = xmlsec.Key.from_memory(base64.b64decode(token), xmlsec.constants.KeyDataFormatCertDer)
    context.verify(node)
    assert [each.get("URI") for each in root.iter(f"{{{DS}}}Reference")] == [f"#{to.get(f'{{{WSU}}}Id')}"]
    return root


async def test_a_request_is_signed_over_its_address(post: Post, client: DianClient) -> None:
    post.say = answer(sample("SendBillSync.accepted"))
    await client.send_bill("z1.zip", b"zip & bytes")
    headers, body = post.requests[0]
    root = verify_header(body)
    action = "http://wcf.dian.colombia/IWcfDianCustomerServices/SendBillSync"
    assert headers["content-type"] == f'application/soap+xml;charset=UTF-8;action="{action}"'
    assert root.findtext(f".//{{{WSA}}}To") == post.url
    assert root.findtext(f".//{{{WSA}}}Action") == action
    assert root.findtext(".//{*}Created") == "2026-11-20T15:15:40.000Z"
    assert root.findtext(".//{*}Expires") == "2026-11-20T15:20:40.000Z"
    assert base64.b64decode(root.findtext(".//{*}contentFile")) == b"zip & bytes"


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.request.xml")))
def test_the_verifier_of_headers_accepts_the_examples(name: str) -> None:
    verify_header((SAMPLES / name).read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "SendBillSync.accepted",
        "SendTestSetAsync",
        "SendEventUpdateStatus",
        "GetStatus",
        "GetStatusZip",
        "GetNumberingRange",
    ],
)
async def test_a_request_has_the_shape_of_the_examples(name: str, post: Post, client: DianClient) -> None:
    """Same elements, attributes and order; only ids, values and the address differ."""
    wanted = etree.fromstring((SAMPLES / f"{name}.request.xml").read_bytes())
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "SendBillSync.accepted": lambda: client.send_bill("a", b""),
        "SendTestSetAsync": lambda: client.send_test_set("a", b"", "b"),
        "SendEventUpdateStatus": lambda: client.send_event(b""),
        "GetStatus": lambda: client.status("a"),
        "GetStatusZip": lambda: client.status_of_zip("a"),
        "GetNumberingRange": lambda: client.numbering_ranges("a", "b", "c"),
    }
    await calls[name]()
    assert shape(etree.fromstring(post.requests[0][1])) == shape(wanted)


def shape(element: Any) -> list[Any]:
    return [element.tag, sorted(element.attrib), [shape(each) for each in element]]


@pytest.mark.parametrize(
    ("name", "outcome", "code"),
    [
        ("SendBillSync.accepted", Outcome.ACCEPTED, "00"),
        ("SendBillSync.rejected", Outcome.REJECTED, "99"),
        ("SendBillSync.duplicate", Outcome.REJECTED, "99"),
        ("SendBillSync.bad_zip", Outcome.REFUSED, "89"),
        ("GetStatus", Outcome.ACCEPTED, "00"),
        ("GetStatus.unknown", Outcome.ABSENT, "66"),
        ("SendEventUpdateStatus", Outcome.ACCEPTED, "00"),
    ],
)
async def test_an_answer_about_a_document(
    name: str, outcome: Outcome, code: str, post: Post, client: DianClient
) -> None:
    post.say = answer(sample(name))
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.status_code, got.is_outage) == (outcome, code, False)


async def test_an_acceptance_brings_the_signed_response_and_its_notices(post: Post, client: DianClient) -> None:
    post.say = answer(sample("SendBillSync.accepted"))
    got = await client.send_bill("z1.zip", b"")
    assert got.accepts(UUID)
    assert got.response is not None
    assert b"<ApplicationResponse" in got.response
    assert got.rules == (
        Rule(
            "FAJ43b",
            "Nombre informado No corresponde al registrado en el RUT con respecto al Nit suministrado.",
            rejects=False,
        ),
    )


async def test_a_rejection_names_its_rules(post: Post, client: DianClient) -> None:
    post.say = answer(sample("SendBillSync.rejected"))
    got = await client.send_bill("z1.zip", b"")
    assert [(rule.code, rule.rejects) for rule in got.rules] == [("FAD06", True), ("FAJ43b", False)]
    assert not got.accepts(UUID)


async def test_a_duplicate_is_a_success_only_under_our_own_key(post: Post, client: DianClient) -> None:
    post.say = answer(sample("SendBillSync.duplicate"))
    got = await client.send_bill("z1.zip", b"")
    assert got.is_duplicate
    assert got.accepts(UUID)
    assert got.accepts(UUID.upper())
    assert not got.accepts("0" * 96)


def test_an_acceptance_of_another_document_is_none_of_ours() -> None:
    assert not Answer(outcome=Outcome.ACCEPTED, document_key="0" * 96).accepts(UUID)


async def test_the_state_of_a_zip(post: Post, client: DianClient) -> None:
    post.say = answer(sample("GetStatusZip.pending"))
    assert [each.outcome for each in await client.status_of_zip("k")] == [Outcome.PENDING]
    post.say = answer(sample("GetStatusZip.done"))
    assert [each.outcome for each in await client.status_of_zip("k")] == [Outcome.ACCEPTED]
    post.say = answer(b"nothing")
    assert [each.outcome for each in await client.status_of_zip("k")] == [Outcome.UNKNOWN]


async def test_a_test_set_is_taken_or_already_accepted(post: Post, client: DianClient) -> None:
    post.say = answer(sample("SendTestSetAsync"))
    got = await client.send_test_set("z1.zip", b"", "set")
    assert (got.outcome, got.zip_key) == (Outcome.PENDING, "12345678-90ab-cdef-1234-567890abcdef")
    post.say = answer(sample("SendTestSetAsync.already_accepted"))
    got = await client.send_test_set("z1.zip", b"", "set")
    assert got.outcome is Outcome.SET_ACCEPTED


async def test_numbering_ranges_are_read_as_they_are(post: Post, client: DianClient) -> None:
    post.say = answer(sample("GetNumberingRange"))
    got = await client.numbering_ranges("999888777", "999888777", "software")
    assert (got.outcome, got.code) == (Outcome.ACCEPTED, "100")
    (only,) = got.ranges
    assert (only.authorization, only.prefix, only.first, only.last) == ("18760000001", "SETP", 990000000, 995000000)
    assert (only.valid_from, only.valid_to) == (date(2019, 1, 19), date(2030, 1, 19))
    assert only.technical_key == "fc8eac422eba16e22ffd8c6f94b3f40a6e38162c"
    assert only.technical_key not in repr(got)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fault.security", "An error occurred when verifying security for the message."),
        ("fault.untrusted_certificate.http500", "The creator of this fault did not specify a Reason."),
    ],
)
async def test_a_fault_is_a_refusal_and_no_outage(name: str, words: str, post: Post, client: DianClient) -> None:
    post.say = answer(sample(name), status=500)
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage) == (Outcome.REFUSED, False)
    assert words in got.message


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(
    "reason", ["The server was unable to process the request.", "The creator of this fault did not specify a Reason."]
)
async def test_a_server_that_falls_over_is_an_outage(status: int, reason: str, post: Post, client: DianClient) -> None:
    fault = sample("fault.security").replace(b"s:Sender", b"s:Receiver")
    fault = fault.replace(b"An error occurred when verifying security for the message.", reason.encode())
    post.say = answer(fault, status=status)
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage, got.http_status) == (Outcome.UNKNOWN, True, status)
    assert reason in got.message


async def test_a_hostile_line_is_cut_before_it_is_read(post: Post, client: DianClient) -> None:
    """The worker has other companies to serve: eight megabytes of blanks cost no more than eight of anything."""
    line = b"Regla: 90, Rechazo: Documento procesado anteriormente."
    blanks = b"Regla:" + b" " * 100_000
    many = blanks + b"</c:string>" + b"<c:string>Regla: FAD06, Rechazo: no</c:string>" * 50_000 + b"<c:string>,"
    assert line in sample("SendBillSync.duplicate")
    post.say = answer(sample("SendBillSync.duplicate").replace(line, many))
    began = time.process_time()
    got = await client.send_bill("z1.zip", b"")
    assert time.process_time() - began < 2
    assert got.outcome is Outcome.REJECTED
    assert len(got.rules) == 500
    assert (got.rules[0].code, got.rules[1].code) == ("", "FAD06")
    assert max(len(rule.text) for rule in got.rules) <= 2000


async def test_a_key_that_is_nil_is_read_from_the_signed_answer(post: Post, client: DianClient) -> None:
    duplicate = sample("SendBillSync.duplicate")
    nil = duplicate.replace(f">{UUID}</b:XmlDocumentKey>".encode(), b"></b:XmlDocumentKey>")
    assert nil != duplicate
    post.say = answer(nil)
    got = await client.send_bill("z1.zip", b"")
    assert got.document_key == UUID
    assert got.accepts(UUID)


GOOD = sample("SendBillSync.accepted")
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Envelope><Body><SendBillSyncResponse><r>&b;</r></SendBillSyncResponse></Body></Envelope>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Service Unavailable</body></html>",
        b"\xff\xfe\x00garbage\x00",
        GOOD[: len(GOOD) // 2],
        GOOD.replace(b"<b:StatusCode>00<", b"<b:StatusCode>77<"),
        GOOD.replace(b"<b:IsValid>true<", b"<b:IsValid>false<"),
        BOMB,
        BOMB.decode().replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>' + BOMB.decode().partition("?>")[2].encode("utf-7"),
        b"<a>" * 100_000,
        b"<Envelope><Body/></Envelope>",
        b"<Envelope><Body><OtherResponse/></Body></Envelope>",
        GOOD.replace(b"<b:XmlBase64Bytes>", b"<b:XmlBase64Bytes>*"),
    ],
    ids=[
        "empty", "html", "bytes", "half", "code", "contradiction", "doctype", "utf16", "utf7", "deep", "no-result", "other",
        "base64",
    ],
)  # fmt: skip
async def test_nonsense_is_unknown(body: bytes, post: Post, client: DianClient) -> None:
    post.say = answer(body)
    got = await client.send_bill("z1.zip", b"")
    assert got.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [500, 503, 507, 508, 403])
async def test_a_server_error_is_unknown_and_an_outage(status: int, post: Post, client: DianClient) -> None:
    post.say = answer(b"<html/>", status=status)
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage, got.http_status) == (Outcome.UNKNOWN, True, status)


async def test_a_redirect_is_not_followed(post: Post, client: DianClient) -> None:
    post.say = answer(b"", status=302, headers=f"Location: {post.url}x\r\n")
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, len(post.requests)) == (Outcome.UNKNOWN, 1)


async def test_an_answer_that_stops_in_the_middle_is_unknown(post: Post, client: DianClient) -> None:
    post.say = answer(GOOD[:500], length=len(GOOD))
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage) == (Outcome.UNKNOWN, True)


async def test_silence_is_unknown_and_an_outage(post: Post, client: DianClient) -> None:
    async def silence(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    post.say = silence
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage) == (Outcome.UNKNOWN, True)
    assert len(post.requests) == 1


async def test_a_closed_door_is_transport(credential: Credential) -> None:
    """Nothing was delivered, so that it may be sent again at once."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with httpx.AsyncClient(timeout=1.0, trust_env=False) as http:
        got = await DianClient(http, f"http://127.0.0.1:{port}/", credential).send_bill("z1.zip", b"")
    assert (got.outcome, got.is_outage) == (Outcome.TRANSPORT, True)


async def test_fifty_megabytes_are_not_read(post: Post, client: DianClient) -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            writer.write(b"<" * 1_000_000)
            await writer.drain()
            sent += 1_000_000

    post.say = flood
    got = await client.send_bill("z1.zip", b"")
    assert (got.outcome, got.message) == (Outcome.UNKNOWN, "the answer is larger than allowed")
    assert sent < 3 * MAX_ANSWER


async def test_a_compressed_bomb_is_not_unfolded(post: Post, client: DianClient) -> None:
    post.say = answer(gzip.compress(b" " * 100_000_000), headers="Content-Encoding: gzip\r\n")
    got = await client.send_bill("z1.zip", b"")
    assert got.outcome is Outcome.UNKNOWN
    assert "compressed" in got.message


def test_the_name_of_a_file() -> None:
    assert file_stem("fv", "999888777", 2026, 10) == "fv0999888777000260000000a"
    assert file_stem("fv", "800197268", 2019, 17) == "fv08001972680001900000011"
    assert file_stem("z", "8001972680", 2019, 17, "1") == "z80019726800011900000011"
    with pytest.raises(ValueError, match="eight hexadecimal"):
        file_stem("fv", "999888777", 2026, 0)


def test_the_same_document_is_packed_into_the_same_bytes() -> None:
    archive = pack({"fv1.xml": b"<a/>"})
    assert archive == pack({"fv1.xml": b"<a/>"})
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert [(each.filename, opened.read(each)) for each in opened.infolist()] == [("fv1.xml", b"<a/>")]
