"""Posting JSON to an address the operator configured; knows no domain."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

_LIMIT: Final = 10.0
"""Seconds."""


class NotDelivered(Exception):
    """The other side did not answer 2xx."""


async def post_json(
    url: str, body: dict[str, Any], *, headers: Callable[[bytes], dict[str, str]] | None = None
) -> None:
    """Post a body; no redirects, no proxy of the environment. `headers` signs the bytes. Raises `NotDelivered`."""
    # The API signs and lists channels; it posts only when somebody tries them.
    import httpx

    content = msgspec.json.encode(body)
    sent = {"Content-Type": "application/json"} | (headers(content) if headers else {})
    try:
        async with httpx.AsyncClient(timeout=_LIMIT, follow_redirects=False, trust_env=False) as client:
            answer = await client.post(url, content=content, headers=sent)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotDelivered(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise NotDelivered(f"answered {answer.status_code}")
