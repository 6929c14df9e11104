"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, in base64 after `v1,`, one for each key."""

import base64
import hmac
from collections.abc import Sequence


def signed_headers(keys: Sequence[bytes], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; the same id names every attempt of it. `at` is seconds since 1970."""
    stamp = str(at)
    text = b".".join((message_id.encode(), stamp.encode(), body))
    signatures = ["v1," + base64.b64encode(hmac.digest(key, text, "sha256")).decode() for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}
