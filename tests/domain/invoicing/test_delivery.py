"""What the buyer gets: made when DIAN accepted, mailed once whatever happens, kept whole."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.cli.bounce import take
from app.db.jobs import JobContext
from app.db.session import Database
from app.dev.processes import free_port
from app.domain.invoicing import mailing
from app.domain.invoicing.mailing import HELD, LARGEST, WAITS, Mailing
from app.integrations.dian.files import pack
from app.integrations.mail import parcels
from app.lib import clock
from tests.dian_verify import certificate_in, schema_errors, verify_with_signxml, verify_with_xmlsec
from tests.domain.invoicing.issuer import Company
from tests.domain.invoicing.test_sales import sold
from tests.paper import text_of
from tests.shop import Shop
from tests.sink import Sink

BUYER = "compras@cliente.test"


@pytest.fixture
async def posted(company: Company, sink: Sink) -> AsyncIterator[Company]:
    """The company with a mail server."""
    before = company.database
    settings = msgspec.structs.replace(
        before.settings,
        smtp_host="127.0.0.1",
        smtp_port=sink.settings.smtp_port,
        smtp_tls="none",
        smtp_user=None,
        smtp_pass=None,
        mail_from=sink.settings.mail_from,
    )
    company.database = Database(settings, before.bell)
    yield company
    await before.close()


async def bought(company: Company, email: str = BUYER, **body: Any) -> dict[str, Any]:
    """A sale to a buyer who left an address."""
    customer = await company.shop.post(
        "/v1/customers",
        {"identificationType": "13", "identification": str(uuid4().int)[:9], "name": "Ana & Íñigo", "email": email},
    )
    assert customer.status_code == 201, customer.text
    return await sold(company, customerId=customer.json()["id"], **body)


async def deliveries(company: Company, document_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await company.shop.get(f"/v1/dian/documents/{document_id}/deliveries")).json()[
        "items"
    ]
    return found


async def file_of(company: Company, document_id: str, path: str, **params: str) -> bytes:
    answer = await company.shop.get(f"/v1/dian/documents/{document_id}/{path}", **params)
    assert answer.status_code == 200, answer.text
    assert sha256(answer.content).hexdigest() == answer.headers["x-content-sha256"]
    return answer.content


def unpacked(mail: EmailMessage) -> dict[str, bytes]:
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content_type() == "application/zip"
    with zipfile.ZipFile(io.BytesIO(attachment.get_payload(decode=True))) as archive:  # type: ignore[arg-type]
        return {name: archive.read(name) for name in archive.namelist()}


def run_of(company: Company, delivery_id: str) -> Mailing:
    context = JobContext(
        database=company.database, tenant_id=company.tenant_id, job_id=uuid7(), attempt=1, request_id="test"
    )
    return Mailing(context, UUID(delivery_id))


async def waiting_delivery(company: Company) -> tuple[str, str]:
    """A document that was accepted and made, and its mailing that nobody looked after yet."""
    document_id = (await bought(company, document="invoice"))["document"]["id"]
    for kind in ("invoicing.transmit", "invoicing.wrap"):
        (row,) = await company.rows(
            "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND status = 'pending' AND kind = :kind",
            kind=kind,
        )
        await company.run_job(row.id, row.kind, row.payload)
    (delivery,) = await deliveries(company, document_id)
    assert delivery["status"] == "pending"
    return document_id, delivery["id"]


@pytest.mark.parametrize("kind", ["invoice", "pos"])
async def test_an_accepted_document_goes_to_the_buyer_whole(posted: Company, sink: Sink, kind: str) -> None:
    sale = await bought(posted, document=kind)
    document = sale["document"]
    await posted.work()
    (mail,) = sink.received(BUYER)
    code = {"invoice": "01", "pos": "20"}[kind]
    name = "Tienda de Prueba"
    assert mail["Subject"] == f"{posted.nit};{name};{document['number']};{code};{name}"
    assert mail["Reply-To"] == "caja@tienda.test"
    files = unpacked(mail)
    (container,) = (name for name in files if name.startswith(f"ad{posted.nit:0>10}000"))
    assert container.endswith("00000001.xml")
    assert set(files) == {container, f"{document['number']}.pdf"}
    # The container is good by itself, and holds both byte for byte.
    attached = files[container]
    assert schema_errors(attached) == []
    verify_with_xmlsec(attached)
    verify_with_signxml(attached, certificate_in(attached))
    for kept in ("xml", "response"):
        inside = await file_of(posted, document["id"], "xml", file=kept)
        assert inside.decode() in attached.decode()
    assert files[container] == await file_of(posted, document["id"], "attached-document")
    assert files[f"{document['number']}.pdf"] == await file_of(posted, document["id"], "pdf")
    (delivery,) = await deliveries(posted, document["id"])
    assert (delivery["status"], delivery["to"], delivery["isAutomatic"], delivery["attempts"]) == (
        "sent",
        BUYER,
        True,
        1,
    )
    events = (await posted.shop.get(f"/v1/dian/documents/{document['id']}/events")).json()["items"]
    assert [event["kind"] for event in events] == ["signed", "sent", "accepted", "wrapped", "mailed"]


async def test_whoever_left_no_address_gets_nothing_and_the_archive_has_everything(posted: Company, sink: Sink) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    assert sink.received() == []
    assert await deliveries(posted, document_id) == []
    kept = (await posted.shop.get(f"/v1/dian/documents/{document_id}/files")).json()["items"]
    assert [each["kind"] for each in kept] == ["xml", "response", "attached", "pdf"]


@pytest.mark.parametrize(
    ("mails", "kind", "count"), [("none", "invoice", 0), ("invoices", "pos", 0), ("invoices", "invoice", 1)]
)
async def test_the_company_says_what_goes_by_itself(
    posted: Company, sink: Sink, mails: str, kind: str, count: int
) -> None:
    body = {"mails": mails, "attachPdf": False, "lineOfBusiness": "Bogotá; norte"}
    assert (await posted.put("/v1/dian/delivery-settings", body)).json() == body
    await bought(posted, document=kind)
    await posted.work()
    received = sink.received(BUYER)
    assert len(received) == count
    for mail in received:
        assert mail["Subject"].endswith(";Bogotá, norte")
        assert [name[-4:] for name in unpacked(mail)] == [".xml"]


async def test_a_document_made_twice_at_once_is_kept_and_mailed_once(posted: Company, sink: Sink) -> None:
    document_id = (await bought(posted))["document"]["id"]
    (row,) = await posted.rows(
        "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND kind = 'invoicing.transmit'"
    )
    await posted.run_job(row.id, row.kind, row.payload)
    (row,) = await posted.rows("SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND kind = 'invoicing.wrap'")
    await asyncio.gather(*(posted.run_job(row.id, row.kind, row.payload) for _ in range(3)))
    await posted.work()
    assert len(sink.received(BUYER)) == 1
    kinds = await posted.rows(
        "SELECT kind FROM document_file WHERE tenant_id = :t AND document_id = :d ORDER BY id", d=UUID(document_id)
    )
    assert [each.kind for each in kinds] == ["xml", "response", "attached", "pdf"]


async def test_two_workers_never_have_one_mailing(posted: Company, sink: Sink) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    sink.fail("slow")
    await asyncio.gather(*(run_of(posted, delivery_id).run() for _ in range(4)))
    assert len(sink.received(BUYER)) == 1
    (delivery,) = await deliveries(posted, document_id)
    assert (delivery["status"], delivery["attempts"]) == ("sent", 1)
    # And whoever was too late looks again, and finds it done.
    await posted.work(ahead=timedelta(minutes=5))
    assert len(sink.received(BUYER)) == 1


@pytest.mark.parametrize(("handed", "status", "count"), [(False, "sent", 1), (True, "uncertain", 0)])
async def test_a_run_that_was_killed_is_repeated_only_if_nothing_can_have_gone(
    posted: Company, sink: Sink, handed: bool, status: str, count: int
) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    killed = run_of(posted, delivery_id)
    async with posted.database.job_transaction(posted.tenant_id) as work:
        assert await killed._take(work, clock.now()) is not None
    if handed:
        assert await killed._going()
    # While its claim holds, others leave it alone and come back.
    await run_of(posted, delivery_id).run()
    assert sink.received() == []
    await posted.rows(
        "UPDATE document_delivery_state SET claimed_until = now() - interval '1 second' WHERE tenant_id = :t RETURNING 1"
    )
    await posted.work(ahead=HELD + timedelta(seconds=5))
    assert len(sink.received(BUYER)) == count
    (delivery,) = await deliveries(posted, document_id)
    assert delivery["status"] == status
    # The dead one wakes up: it has nothing any more.
    assert not await killed._going()


async def test_a_server_that_takes_the_message_and_says_nothing_gets_it_once(
    posted: Company, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "_LAST_LIMIT", 1.0)
    document_id, delivery_id = await waiting_delivery(posted)
    sink.fail("timeout-after-processing")
    await run_of(posted, delivery_id).run()
    sink.fail(None)
    await posted.work(ahead=timedelta(days=3))
    assert len(sink.received(BUYER)) == 1
    (delivery,) = await deliveries(posted, document_id)
    assert delivery["status"] == "uncertain"
    assert "pregúntele" in delivery["message"]


@pytest.mark.parametrize("fault", ["error", "garbage"])
async def test_a_server_that_is_away_is_tried_again_for_days(posted: Company, sink: Sink, fault: str) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    sink.fail(fault)
    await run_of(posted, delivery_id).run()
    (delivery,) = await deliveries(posted, document_id)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 1)
    sink.fail(None)
    await posted.work(ahead=timedelta(minutes=2))
    assert len(sink.received(BUYER)) == 1
    assert [each["status"] for each in await deliveries(posted, document_id)] == ["sent"]


async def test_a_server_that_never_comes_back_ends_it(posted: Company, sink: Sink) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    sink.fail("error")
    await posted.work(ahead=timedelta(days=30))
    (delivery,) = await deliveries(posted, document_id)
    assert (delivery["status"], delivery["attempts"]) == ("failed", len(WAITS) + 1)
    assert "451" in delivery["message"]
    assert sink.received() == []
    assert delivery_id == delivery["id"]


class Refusing:
    """A mail server that knows nobody."""

    async def handle_RCPT(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "550 5.1.1 No such user here"


async def test_an_address_that_does_not_exist_is_told(posted: Company) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    server = Controller(Refusing(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        before = posted.database
        posted.database = Database(msgspec.structs.replace(before.settings, smtp_port=server.port), before.bell)
        await run_of(posted, delivery_id).run()
        await before.close()
    finally:
        server.stop()
    (delivery,) = await deliveries(posted, document_id)
    assert (delivery["status"], delivery["attempts"]) == ("refused", 1)
    assert "No such user" in delivery["message"]
    assert await posted.work(ahead=timedelta(days=9)) == 1


async def test_a_document_is_sent_again_to_another_address(posted: Company, sink: Sink) -> None:
    sale = await bought(posted)
    path = f"/v1/dian/documents/{sale['document']['id']}/deliver"
    early = await posted.shop.post(path, {"to": "otro@cliente.test"})
    assert (early.status_code, early.json()["code"]) == (409, "document-not-accepted")
    await posted.work()
    body = {"to": "otro@cliente.test", "id": str(uuid4())}
    asked = await posted.shop.post(path, body)
    assert (asked.status_code, asked.json()["status"]) == (201, "pending")
    again = await posted.shop.post(path, body)
    assert (again.status_code, again.json()["id"]) == (200, body["id"])
    other = await posted.shop.post(path, body | {"to": "tercero@cliente.test"})
    assert (other.status_code, other.json()["code"]) == (409, "id-taken")
    same = await posted.shop.post(path)
    assert (same.status_code, same.json()["to"]) == (201, BUYER)
    await posted.work()
    assert [len(sink.received(to)) for to in ("otro@cliente.test", BUYER, "tercero@cliente.test")] == [1, 2, 0]
    assert unpacked(sink.received("otro@cliente.test")[0]) == unpacked(sink.received(BUYER)[0])
    trail = await posted.rows(
        "SELECT action FROM audit_entry WHERE tenant_id = :t AND action LIKE 'document.%' ORDER BY seq"
    )
    assert [row.action for row in trail][-4:] == ["document.delivery-asked"] * 2 + ["document.mailed"] * 2


async def test_without_any_address_it_must_be_named(posted: Company) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    answer = await posted.shop.post(f"/v1/dian/documents/{document_id}/deliver")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to")


@pytest.mark.parametrize(
    "address", ["", "nadie", "a@b.co\r\nBcc: x@y.co", "a@b.co, c@d.co", "a@b.co>", "ñ@b.co", "a@" + "b" * 260 + ".co"]
)
async def test_what_is_no_address_is_refused(posted: Company, address: str) -> None:
    document_id = (await sold(posted))["document"]["id"]
    answer = await posted.shop.post(f"/v1/dian/documents/{document_id}/deliver", {"to": address})
    assert answer.status_code == 400, answer.text


async def test_a_document_bothers_nobody_more_than_twenty_times(posted: Company) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    path = f"/v1/dian/documents/{document_id}/deliver"
    answers = [(await posted.shop.post(path, {"to": f"x{n}@cliente.test"})).status_code for n in range(21)]
    assert answers == [201] * 20 + [422]


async def test_what_is_too_heavy_with_its_pdf_goes_without_and_heavier_not_at_all(
    posted: Company, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id, delivery_id = await waiting_delivery(posted)
    attached = await file_of(posted, document_id, "attached-document")
    monkeypatch.setattr(mailing, "LARGEST", len(pack({"ad00000000000000000000000001.xml": attached})) + 200)
    await run_of(posted, delivery_id).run()
    assert [name[-4:] for name in unpacked(sink.received(BUYER)[0])] == [".xml"]
    monkeypatch.setattr(mailing, "LARGEST", 100)
    await posted.shop.post(f"/v1/dian/documents/{document_id}/deliver")
    await posted.work()
    assert [each["status"] for each in await deliveries(posted, document_id)] == ["failed", "sent"]
    assert LARGEST == 2_000_000


async def test_without_a_certificate_it_waits_and_says_so_once(posted: Company, sink: Sink) -> None:
    sale = await bought(posted)
    (row,) = await posted.rows(
        "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND kind = 'invoicing.transmit'"
    )
    await posted.run_job(row.id, row.kind, row.payload)
    await posted.rows("UPDATE dian_certificate SET sealed = NULL, retired_at = now() WHERE tenant_id = :t RETURNING 1")
    await posted.work(rounds=3, ahead=timedelta(hours=5))
    assert sink.received() == []
    events = (await posted.shop.get(f"/v1/dian/documents/{sale['document']['id']}/events")).json()["items"]
    assert [event["kind"] for event in events][-1:] == ["waits"]
    assert [event["kind"] for event in events].count("waits") == 1
    await posted.install_certificate()
    await posted.work(ahead=timedelta(hours=5))
    assert len(sink.received(BUYER)) == 1


async def test_an_answer_of_dian_that_is_not_here_is_asked_for(posted: Company, sink: Sink) -> None:
    sale = await bought(posted)
    (row,) = await posted.rows(
        "SELECT id, kind, payload FROM outbox WHERE tenant_id = :t AND kind = 'invoicing.transmit'"
    )
    await posted.run_job(row.id, row.kind, row.payload)
    await forget_answer(posted)
    await posted.work()
    assert len(sink.received(BUYER)) == 1
    assert b"ApplicationResponse" in await file_of(posted, sale["document"]["id"], "xml", file="response")


async def forget_answer(company: Company) -> None:
    """As after an answer without the ApplicationResponse. The application may not delete it: the test's own connection does."""
    import asyncpg

    connection = await asyncpg.connect(str(company.database.settings.database_admin_url))
    try:
        gone = await connection.execute(
            "DELETE FROM document_file WHERE tenant_id = $1 AND kind = 'response'", company.tenant_id
        )
        assert gone == "DELETE 1"
    finally:
        await connection.close()


async def test_the_archive_is_one_zip_whose_hashes_agree(posted: Company) -> None:
    document_id = (await bought(posted, document="invoice"))["document"]["id"]
    path = f"/v1/dian/documents/{document_id}/archive"
    assert (await posted.shop.get(path)).status_code == 404
    await posted.work()
    content = await file_of(posted, document_id, "archive")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    hashes = [line.split("  ") for line in files.pop("sha256.txt").decode().splitlines()]
    history = msgspec.json.decode(files.pop("historia.json"))
    assert {name: sha256(content).hexdigest() for name, content in files.items()} == {
        name: known for known, name in hashes
    }
    assert [name.split("-")[2] for name in files] == ["xml", "response", "attached", "pdf"]
    assert [event["kind"] for event in history] == ["signed", "sent", "accepted", "wrapped", "mailed"]


@pytest.mark.parametrize("path", ["pdf", "pdf?width=80", "attached-document", "archive", "xml", "xml?file=response"])
async def test_a_file_has_its_version(posted: Company, path: str) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    url = f"/v1/dian/documents/{document_id}/{path}"
    first = (
        await posted.shop.get(url) if "?" not in path else await posted.shop.http.get(url, headers=posted.shop.headers)
    )
    again = await posted.shop.http.get(url, headers=posted.shop.headers | {"If-None-Match": first.headers["etag"]})
    other = await posted.shop.http.get(url, headers=posted.shop.headers | {"If-None-Match": '"other"'})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert (other.status_code, other.content) == (200, first.content)


async def test_an_archived_file_that_changed_is_not_handed_out(posted: Company) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    import asyncpg

    connection = await asyncpg.connect(str(posted.database.settings.database_admin_url))
    try:
        await connection.execute(
            "UPDATE document_file SET content = content || 'x'::bytea WHERE tenant_id = $1 AND kind = 'pdf'",
            posted.tenant_id,
        )
    finally:
        await connection.close()
    answer = await posted.shop.get(f"/v1/dian/documents/{document_id}/archive")
    assert (answer.status_code, answer.json()["code"]) == (409, "archive-damaged")


async def test_the_application_cannot_remove_what_is_kept(posted: Company) -> None:
    async with posted.database.job_transaction(posted.tenant_id) as work:
        with pytest.raises(Exception, match="permission denied"):
            await work.session.execute(text("DELETE FROM document_file WHERE tenant_id = :t"), {"t": posted.tenant_id})


async def test_a_stranger_gets_none_of_it(posted: Company, other_shop: Shop, sink: Sink) -> None:
    document_id = (await sold(posted))["document"]["id"]
    await posted.work()
    stranger = Company(other_shop, posted.database, posted.server)
    await stranger.switch_on()
    await stranger.close()
    for path in ("pdf", "attached-document", "archive", "files", "deliveries"):
        assert (await other_shop.get(f"/v1/dian/documents/{document_id}/{path}")).status_code == 404, path
    answer = await other_shop.post(f"/v1/dian/documents/{document_id}/deliver", {"to": "x@y.test"})
    assert answer.status_code == 404
    assert sink.received() == []


async def test_before_dian_decides_the_printed_form_says_so(posted: Company) -> None:
    sale = await sold(posted, document="invoice")
    waiting = text_of(await file_of(posted, sale["document"]["id"], "pdf"))
    assert "pendiente" in waiting
    await posted.work()
    whole = text_of(await file_of(posted, sale["document"]["id"], "pdf"))
    assert "pendiente" not in whole
    assert sale["document"]["uuid"] in whole.replace("\r\n", "")


REPORT = """From: MAILER-DAEMON@mail.test
To: no-responder@mostrador.test
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

Sorry.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.test

Final-Recipient: rfc822; compras@cliente.test
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 mailbox
    unavailable

--B
Content-Type: {kind}

{head}Message-ID: {message_id}
Subject: uno

--B--
"""


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
async def test_a_report_of_the_mail_server_marks_what_came_back(posted: Company, sink: Sink, kind: str) -> None:
    document_id = (await bought(posted))["document"]["id"]
    await posted.work()
    message_id = sink.received(BUYER)[0]["Message-ID"]

    async def told(action: str, named: str) -> str:
        report = REPORT.format(action=action, kind=kind, head="From: a@b.test\n", message_id=named)
        return await take(posted.database.settings, report.encode())

    assert await told("delayed", message_id) == "no report about a mailing of ours"
    assert await told("failed", "<other@mail.test>") == "no report about a mailing of ours"
    assert "unknown" in await told("failed", f"<{uuid4()}.{posted.tenant_id}@x>")
    assert "did not arrive" in await told("failed", message_id)
    (delivery,) = await deliveries(posted, document_id)
    assert delivery["status"] == "bounced"
    assert "550 5.1.1 mailbox unavailable" in delivery["message"]
    assert "known to have failed" in await told("failed", message_id)
    listed = (await posted.shop.get("/v1/dian/deliveries", status="bounced")).json()["items"]
    assert [each["id"] for each in listed] == [delivery["id"]]
    assert (await posted.shop.get("/v1/dian/deliveries", status="sent")).json()["items"] == []


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"Content-Type: multipart/report; boundary=x\r\n\r\n--x", b"<" * 10_000]
)
async def test_what_is_no_report_is_passed_over(posted: Company, content: bytes) -> None:
    assert await take(posted.database.settings, content) == "no report about a mailing of ours"
