"""Signatures of Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…` over id, time and body."""

import base64
import hmac
import time
from collections.abc import Callable

Headers = Callable[[bytes], dict[str, str]]
"""From the body as it is sent to the headers that go with it."""


def signing_with(secret: bytes, message_id: str) -> Headers:
    """Headers for a message; the same id names every attempt of it. The time is the wire's, never a moved clock's."""

    def sign(body: bytes) -> dict[str, str]:
        at = str(int(time.time()))
        signature = hmac.digest(secret, b".".join((message_id.encode(), at.encode(), body)), "sha256")
        return {
            "webhook-id": message_id,
            "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(signature).decode(),
        }

    return sign
