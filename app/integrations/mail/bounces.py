"""Reading the report of a mail server that could not deliver (RFC 3464)."""

from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from typing import Final

import msgspec

LARGEST: Final = 10_000_000
"""Bytes; a report repeats at most the message that it is about."""
_MOST_PARTS: Final = 60
"""A report has three, and those of the message that it is about."""
_IDS: Final = ("Message-ID", "In-Reply-To", "References")


class Bounce(msgspec.Struct, frozen=True):
    """A message that did not arrive."""

    message_id: str
    """Of the message that the report is about."""
    reason: str


def read_bounce(content: bytes) -> Bounce | None:
    """What a report says; None for a message that reports no final failure, or does not name its message.

    One of more parts than any report has is none.
    """
    content = content[:LARGEST]
    # A stranger wrote it: parts inside parts are read by recursion.
    if content.lower().count(b"content-type:") > _MOST_PARTS:
        return None
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
    reason = _failure(message)
    if reason is None:
        return None
    found = _reported(message)
    return None if not found else Bounce(found, reason)


def _failure(message: EmailMessage) -> str | None:
    """Why it failed for good; a delay or a success is no failure."""
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in _inside(part):
            if str(block.get("Action", "")).strip().lower() == "failed":
                said = [str(block.get(name, "")) for name in ("Status", "Diagnostic-Code")]
                return " ".join(" ".join(said).split())
    return None


def _reported(message: EmailMessage) -> str:
    inner: Message | None
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = next(iter(_inside(part)), None)
        elif kind == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            inner = (
                BytesParser(EmailMessage, policy=policy.default).parsebytes(text, headersonly=True)
                if isinstance(text, bytes)
                else None
            )
        else:
            continue
        if inner is not None and inner.get("Message-ID"):
            return str(inner["Message-ID"]).strip()
    return " ".join(str(message[name]) for name in _IDS[1:] if message.get(name))


def _inside(part: Message) -> "list[Message]":
    """Messages, or blocks of headers, that a part holds."""
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []
