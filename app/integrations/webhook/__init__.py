"""Posting JSON to an address the operator configured; knows no domain."""

from typing import Any, Final

import httpx

_LIMIT: Final = 10.0
"""Seconds."""


class NotDelivered(Exception):
    """The other side did not answer 2xx."""


async def post_json(url: str, body: dict[str, Any]) -> None:
    """Post a body; no redirects, no proxy of the environment. Raises `NotDelivered`."""
    try:
        async with httpx.AsyncClient(timeout=_LIMIT, follow_redirects=False, trust_env=False) as client:
            answer = await client.post(url, json=body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotDelivered(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise NotDelivered(f"answered {answer.status_code}")
