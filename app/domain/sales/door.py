"""The counter's own door: `POST /v1/sales` answered before the framework, everything unusual sent on to it.

The route stands in `controller.py` like any other: its permission, its document, and the long way that this door hands
over to (a body that cannot be read, a ticket that was posted before under its id). Measured in docs/BENCHMARKS.md:
routing, dependency resolution and the response object cost a sale as much as its arithmetic.
"""

from typing import Any, Final, cast

import msgspec
from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection

from app.db.unit_of_work import Replay, RequestGate
from app.domain.sales.post import Caller, SaleExists, SalePoster
from app.domain.sales.schemas import PostSale
from app.lib.access import check_idempotency_key
from app.lib.edge import Application, Event, Receive, Send
from app.lib.errors import DomainError
from app.lib.problem import NUL_ESCAPE, problem_of
from app.lib.schemas import json_decoder

PATH: Final = "/v1/sales"
_DECODER: Final = json_decoder(PostSale)
_JSON: Final = b"application/json"


class SaleDoor:
    """ASGI application in front of the framework's."""

    def __init__(self, app: Application, gate: RequestGate, poster: SalePoster, cors: CORSConfig | None) -> None:
        self._app = app
        self._gate = gate
        self._poster = poster
        self._cors = cors

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self._post(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _post(self, scope: Event, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        data = _decoded(body)
        if data is not None:
            # The framework makes both anew when it takes the request over.
            scope["path_template"] = PATH
            scope["state"] = {}
            try:
                status, answer, headers = await self._answer(scope, data, body)
            except (SaleExists, _LongWay):
                scope["state"] = {}
            else:
                await self._send(scope, send, status, answer, headers)
                return
        await self._app(scope, _again(body, receive), send)

    async def _answer(self, scope: Event, data: PostSale, body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Status, body and headers of the answer. Raises `SaleExists` and `_LongWay`, which only the long way can answer."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(cast("Any", scope))
        try:
            claims = await self._gate.identify(connection)
            key = _key(connection)
            if key is None or claims.is_support:
                raise _LongWay
            caller = Caller.of(scope, claims, key, body)
            return 201, await self._poster.post(data, caller), [(b"content-type", _JSON)]
        except (SaleExists, _LongWay):
            raise
        except Replay as replay:
            return replay.status, replay.answer, [(b"content-type", _JSON), (b"idempotency-replayed", b"true")]
        except Exception as error:  # noqa: BLE001 - every failure leaves as a problem, as from the framework's routes
            return problem_of(scope, error)

    async def _send(
        self, scope: Event, send: Send, status: int, answer: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        headers.append((b"content-length", str(len(answer)).encode()))
        if self._cors is not None:
            headers += _cross_origin(scope, self._cors)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})


class _LongWay(Exception):
    """Not an ordinary sale: the framework's guard finds out who calls before anything is said of the request."""


def _key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The idempotency key; None for a missing or malformed one, of which only who may sell is told."""
    try:
        return check_idempotency_key(connection, required=True)
    except DomainError:
        return None


def _decoded(body: bytes) -> PostSale | None:
    """The ticket; None for what the long way refuses with its reasons."""
    if NUL_ESCAPE in body:
        return None
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, DomainError, ValueError, RecursionError):
        return None


async def _whole(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """What the framework reads after us: the body once more, then whatever the client still says."""
    read = False

    async def receive_again() -> Event:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _cross_origin(scope: Event, cors: CORSConfig) -> list[tuple[bytes, bytes]]:
    """The headers with which the framework answers a page of an allowed origin."""
    origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
    if origin is None:
        return []
    headers = dict(cors.simple_headers)
    if cors.is_origin_allowed(origin):
        headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
