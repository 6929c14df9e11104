"""The signature of an event: HMAC-SHA-256 over the instant and the raw body, as Stripe's documentation has it.

Own code, since the library's check lets an event of the future pass and would be loaded by every API process.
"""

import hmac
from collections.abc import Sequence
from typing import Final

TOLERANCE: Final = 300
"""Seconds that an event may be old, or ahead of us."""
_LONGEST: Final = 2_000


class BadSignature(Exception):
    """The body is not from Stripe, or not from now. The text is for the log."""


def check_signature(body: bytes, header: str, secrets: Sequence[str], now: float) -> None:
    """Check `Stripe-Signature: t=…,v1=…` (of several secrets while one is rotated). Raises `BadSignature`."""
    if len(header) > _LONGEST:
        raise BadSignature("the header is too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    instants = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(instants) != 1 or not instants[0].isascii() or not instants[0].isdigit() or not signatures:
        raise BadSignature("the header names no instant or no signature")
    signed = instants[0].encode() + b"." + body
    expected = [hmac.digest(secret.encode(), signed, "sha256").hex() for secret in secrets]
    # Every pair is compared, whichever fits.
    fits = [hmac.compare_digest(one, given) for one in expected for given in signatures if given.isascii()]
    if not any(fits):
        raise BadSignature("no signature fits")
    if abs(now - int(instants[0])) > TOLERANCE:
        raise BadSignature("the event is too old" if now > int(instants[0]) else "the event is from the future")


def sign(body: bytes, secret: str, now: int) -> str:
    """The header that goes with a body."""
    return f"t={now},v1={hmac.digest(secret.encode(), str(now).encode() + b'.' + body, 'sha256').hex()}"
