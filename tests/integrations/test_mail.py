"""A message arrives as it was written, or the sender learns whether to try again."""

from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.db.jobs import JobContext
from app.db.session import Database
from app.domain.accounts.jobs import ToPerson, send_verification
from app.integrations.mail import Mail, MailSender, MailUnavailable
from app.lib.jobs import Bell
from app.settings import Settings
from tests.shop import Shop
from tests.sink import Sink, token_in

MESSAGE = Mail(to="ana@tienda.test", subject="Señal: ¿llegó?", text="Hola, Ana ñ\n", html="<p>Hola, Ana ñ</p>")


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
    token = token_in(mail, "verificar")
    first = await shop.http.post("/v1/auth/verify-email", json={"token": token})
    again = await shop.http.post("/v1/auth/verify-email", json={"token": token})
    assert (first.status_code, again.status_code) == (204, 400)
    await send_verification.run(context, ToPerson(user_id=person))
    await own.close()
    assert len(sink.received()) == 1
