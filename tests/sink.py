"""The mail sink of development as tests use it: a real SMTP server in a process of its own, and what came to it."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import msgspec

from app.db.session import Database
from app.dev.processes import free_port
from app.lib.jobs import Bell
from app.settings import Settings, read_settings
from worker.pace import Pace
from worker.registry import MODULES
from worker.runner import JobRunner

__all__ = ["MODULES", "Sink"]


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

    def received(self, to: str | None = None) -> list[EmailMessage]:
        """In order of arrival; all, or those to one address."""
        files = sorted(self.folder.glob("*.eml"))
        mails = [BytesParser(EmailMessage, policy=policy.default).parsebytes(file.read_bytes()) for file in files]
        return [mail for mail in mails if to is None or mail["To"] == to]

    def fail(self, fault: str | None) -> None:
        file = self.folder / "fault.json"
        file.unlink(missing_ok=True)
        if fault:
            file.write_bytes(msgspec.json.encode({"fault": fault, "until": None}))

    async def deliver(self, database: Database, admin: "asyncpg.Connection", tenant_id: str) -> None:
        """Run what a company's outbox holds, as the worker does."""
        bell: Bell = database.bell
        own = Database(self.settings, bell)
        try:
            rows = await admin.fetch(
                "SELECT id FROM outbox WHERE tenant_id = $1 AND status = 'pending' ORDER BY id", UUID(tenant_id)
            )
            for row in rows:
                await JobRunner(own, "short", Pace()).run(UUID(tenant_id), row["id"])
                status = await admin.fetchval("SELECT status FROM outbox WHERE id = $1", row["id"])
                assert status == "done", await admin.fetchval("SELECT last_error FROM outbox WHERE id = $1", row["id"])
        finally:
            await own.close()


@asynccontextmanager
async def open_sink(environ: dict[str, str], folder: Path) -> AsyncIterator[Sink]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.dev.smtp", str(port), str(folder))
    async with asyncio.timeout(30):
        while not _listens(port):
            await asyncio.sleep(0.05)
    yield Sink(folder, environ, port)
    process.terminate()
    await process.wait()


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None, f"the message has no {kind} part"
    return str(part.get_content())


def token_in(mail: EmailMessage, page: str) -> str:
    """The token of the one link to a page in the plain text; the HTML has the same link."""
    (link,) = (word for word in text_of(mail).split() if word.startswith("http") and urlsplit(word).path == f"/{page}")
    assert f'href="{link}"' in text_of(mail, "html")
    return parse_qs(urlsplit(link).query)["token"][0]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
