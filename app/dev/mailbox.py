"""What the mail sink received, read from its folder: it can be read while the sink is stopped or frozen."""

import mimetypes
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import lru_cache
from pathlib import Path

import msgspec

from app.lib.schemas import Output

NEWEST = 500
"""How many messages one look shows."""


class Attachment(Output):
    name: str
    type: str
    size: int
    """Bytes."""
    url: str


class Mail(Output):
    to: str
    """Recipients of the envelope, separated by commas."""
    from_: str = msgspec.field(name="from")
    subject: str
    text: str | None
    html: str | None
    attachments: list[Attachment]
    at: str


class MailList(Output):
    items: list[Mail]


def received(folder: Path, to: str | None) -> list[Mail]:
    """Newest first; `to` keeps those with that recipient, whatever the case of the letters."""
    wanted = to.strip().lower() if to else None
    found: list[Mail] = []
    for file in sorted(folder.glob("*.eml"), reverse=True):
        mail = _read(file)
        if wanted is None or wanted in (address.strip().lower() for address in mail.to.split(",")):
            found.append(mail)
        if len(found) == NEWEST:
            break
    return found


def attachment(folder: Path, message: str, number: int) -> tuple[str, str, bytes] | None:
    """Name, type and content of an attachment, by the numbers in its address; None if there is none."""
    file = folder / f"{message}.eml"
    if file not in folder.glob("*.eml"):
        return None
    parts = list(_attachments(_parse(file)))
    if not 0 <= number < len(parts):
        return None
    part = parts[number]
    return _name(part, number), part.get_content_type(), _content(part)


@lru_cache(maxsize=2 * NEWEST)
def _read(file: Path) -> Mail:
    """A message never changes once its file has this name."""
    message = _parse(file)
    return Mail(
        to=str(message.get("X-Sink-To", "")),
        from_=str(message.get("From") or message.get("X-Sink-From", "")),
        subject=str(message.get("Subject", "")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=[
            Attachment(
                name=_name(part, number),
                type=part.get_content_type(),
                size=len(_content(part)),
                url=f"/dev/mail/{file.stem}/attachments/{number}",
            )
            for number, part in enumerate(_attachments(message))
        ],
        at=str(message["X-Sink-At"]),
    )


def _parse(file: Path) -> EmailMessage:
    with file.open("rb") as content:
        # Long recipients' lists were folded by nobody: the head that the sink adds is one line each.
        return BytesParser(EmailMessage, policy=policy.default).parse(content)


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return part.get_content() if isinstance(part, EmailMessage) else None


def _attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    for part in message.iter_attachments():
        if isinstance(part, EmailMessage):
            yield part


def _content(part: EmailMessage) -> bytes:
    content = part.get_content()
    if isinstance(content, EmailMessage):
        return content.as_bytes()
    return content if isinstance(content, bytes) else str(content).encode()


def _name(part: EmailMessage, number: int) -> str:
    return part.get_filename() or f"adjunto-{number + 1}{mimetypes.guess_extension(part.get_content_type()) or ''}"
