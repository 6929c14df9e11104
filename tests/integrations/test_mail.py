"""A message arrives as it was written, or the sender learns whether to try again."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.dev.processes import free_port
from app.domain.accounts.jobs import ToPerson, send_verification
from app.integrations.mail import Mail, MailSender, MailUnavailable
from app.lib.jobs import Bell
from app.settings import Settings, read_settings
from tests.shop import Shop

MESSAGE = Mail(to="ana@tienda.test", subject="Señal: ¿llegó?", text="Hola, Ana ñ\n", html="<p>Hola, Ana ñ</p>")


class Sink:
    """The mail sink of development, in a process of its own."""

    def __init__(self, folder: Path, environ: dict[str, str], port: int) -> None:
        self.folder = folder
        self.settings: Settings = read_settings(
            environ
            | {
                "SMTP_HOST": "127.0.0.1",
                "SMTP_PORT": str(port),
                "SMTP_TLS": "none",
                "MAIL_FROM": "Mostrador <no-responder@mostrador.test>",
            }
        )

    def received(self) -> list[EmailMessage]:
        files = sorted(self.folder.glob("*.eml"))
        return [BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes()) for file in files]

    def fail(self, fault: str | None) -> None:
        file = self.folder / "fault.json"
        file.unlink(missing_ok=True)
        if fault:
            file.write_bytes(msgspec.json.encode({"fault": fault, "until": None}))


@pytest.fixture
async def sink(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Sink]:
    port = free_port()
    command = (sys.executable, "-m", "app.dev.smtp", str(port), str(tmp_path))
    process = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(30):
        while not _listens(port):
            await asyncio.sleep(0.05)
    yield Sink(tmp_path, environ, port)
    process.terminate()
    await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_message_arrives_in_both_shapes(sink: Sink) -> None:
    await MailSender(sink.settings).send(MESSAGE)
    (mail,) = sink.received()
    assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == (MESSAGE.to, MESSAGE.subject, "auto-generated")
    assert mail["Message-ID"].endswith("@mostrador.test>")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == MESSAGE.text.splitlines()
    assert html.get_content().strip() == MESSAGE.html


@pytest.mark.parametrize("fault", ["error", "garbage"])
async def test_a_server_in_trouble_may_be_asked_again(sink: Sink, fault: str) -> None:
    sink.fail(fault)
    with pytest.raises(MailUnavailable):
        await MailSender(sink.settings).send(MESSAGE)
    sink.fail(None)
    await MailSender(sink.settings).send(MESSAGE)
    assert len(sink.received()) == 1


async def test_without_a_server_nothing_pretends_to_be_sent(settings: Settings) -> None:
    assert settings.smtp_host is None
    with pytest.raises(MailUnavailable):
        await MailSender(settings).send(MESSAGE)


async def test_no_recipient_smuggles_headers_in(sink: Sink) -> None:
    with pytest.raises(ValueError, match=r"linefeed|newline|CR"):
        await MailSender(sink.settings).send(msgspec.structs.replace(MESSAGE, to="a@b.test\r\nBcc: c@d.test"))
    assert sink.received() == []


async def test_the_link_in_the_mail_verifies_the_address_once(
    shop: Shop, sink: Sink, database: Database, admin: asyncpg.Connection
) -> None:
    bell: Bell = database.bell
    own = Database(sink.settings, bell)
    person = UUID(shop.user["id"])
    row = await admin.fetchrow(
        "SELECT id, tenant_id, payload::text FROM outbox WHERE kind = 'accounts.send-verification' AND tenant_id = $1",
        UUID(shop.tenant_id),
    )
    assert row is not None
    assert row["payload"] == f'{{"userId": "{person}"}}'
    context = JobContext(database=own, tenant_id=row["tenant_id"], job_id=row["id"], attempt=1, request_id="")
    await send_verification.run(context, ToPerson(user_id=person))
    (mail,) = sink.received()
    assert mail["To"] == shop.email
    text = mail.get_body(("plain",))
    assert text is not None
    (link,) = (word for word in text.get_content().split() if word.startswith("http"))
    assert link.startswith(f"{sink.settings.public_url}/verificar?token=")
    token = parse_qs(urlsplit(link).query)["token"][0]
    first = await shop.http.post("/v1/auth/verify-email", json={"token": token})
    again = await shop.http.post("/v1/auth/verify-email", json={"token": token})
    assert (first.status_code, again.status_code) == (204, 400)
    await send_verification.run(context, ToPerson(user_id=person))
    await own.close()
    assert len(sink.received()) == 1
