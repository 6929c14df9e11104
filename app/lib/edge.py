"""The outermost layer of the API: request id, body limits, security headers, one log line a request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from uuid_utils.compat import uuid7

from app.lib import tracing
from app.lib.log import access_line
from app.lib.metrics import REQUESTS
from app.lib.schemas import JSON

BODY_LIMIT: Final = 1_048_576
UPLOAD_LIMIT: Final = 10 * 1_048_576
_UPLOADS: Final = ("/v1/imports/",)
_PHOTOS: Final = ("/photo", "/photos")
_WEBHOOK_LIMIT: Final = 262_144
BODY_SECONDS: Final = 30.0
UPLOAD_SECONDS: Final = 60.0
"""A whole body may take so long: proxies limit only the pauses in between."""
_WEBHOOKS: Final = ("/billing/webhooks/",)

Event = MutableMapping[str, Any]
"""An ASGI message or scope, as plain as the protocol has it."""
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Event, Receive, Send], Awaitable[None]]

_ID: Final = "mostrador.request_id"
_ADDRESS: Final = "mostrador.client_address"

_API_HEADERS: Final[list[tuple[bytes, bytes]]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_PAGE_POLICY: Final = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
)
"""For the bundled OpenAPI page alone, which sets styles inline and loads nothing from elsewhere."""


def request_id(scope: Mapping[str, Any]) -> str:
    """Id of a request, as answered in `X-Request-Id`."""
    return str(scope.get(_ID, ""))


def client_address(scope: Mapping[str, Any]) -> str:
    """Address of the client; from `X-Forwarded-For` only when a trusted proxy spoke to us."""
    return str(scope.get(_ADDRESS, ""))


class Edge:
    """ASGI application around the framework's: cheap, and first and last to see each request."""

    def __init__(self, app: Application, trusted_proxies: Iterable[str]) -> None:
        self._app = app
        self._trusted = tuple(ip_network(network, strict=False) for network in trusted_proxies)

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif tracing.is_tracing():
            await self._traced(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _traced(self, scope: Event, receive: Receive, send: Send) -> None:
        caller = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}
        with tracing.span(scope["method"], caller=caller, kind="SERVER") as span:
            status = await self._serve(scope, receive, send)
            claims = scope.get("state", {}).get("claims")
            span.note(
                name=f"{scope['method']} {scope.get('path_template') or 'none'}",
                status=status,
                request_id=request_id(scope),
                tenant_id=getattr(claims, "tenant_id", None),
            )

    async def _serve(self, scope: Event, receive: Receive, send: Send) -> int:
        """Answer it; tells the status."""
        started = time.perf_counter()
        identity = str(uuid7())
        scope[_ID] = identity
        scope[_ADDRESS] = self._address(scope)
        status = 500
        page = scope["path"].startswith("/schema")

        async def send_dressed(message: Event) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(b"x-request-id", identity.encode()), *_API_HEADERS]
                if page:
                    own = [(n, _PAGE_POLICY if n == b"content-security-policy" else v) for n, v in own]
                if rate := scope.get("state", {}).get("rate"):
                    own += _rate_headers(*rate)
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(header for header in own if header[0] not in present)]
            await send(message)

        try:
            refusal = self._refuse(scope)
            if refusal is not None:
                await _answer(send_dressed, identity, *refusal)
                return status
            await self._app(scope, _limited(receive, _limit_of(scope["path"])), send_dressed)
        except BodyTooSlowError:
            await _answer(send_dressed, identity, 408, "too-slow", "La solicitud tardó demasiado en llegar completa.")
        except BodyTooLargeError:
            await _answer(send_dressed, identity, 413, "too-large", "El cuerpo de la solicitud es demasiado grande.")
        finally:
            seconds = time.perf_counter() - started
            REQUESTS.count(scope, status, seconds)
            access_line(identity, scope, status, seconds * 1000)
        return status

    def _address(self, scope: Event) -> str:
        client = scope.get("client")
        address = client[0] if client else ""
        if not self._trusted or not _inside(address, self._trusted):
            return address
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            candidate = hop.strip()
            if not _is_address(candidate):
                break
            address = candidate
            if not _inside(candidate, self._trusted):
                break
        return address

    @staticmethod
    def _refuse(scope: Event) -> tuple[int, str, str] | None:
        if b"%00" in scope["query_string"] or "\0" in scope["path"]:
            return 400, "malformed", "La dirección contiene un carácter nulo (NUL)."
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > _limit_of(scope["path"])):
                return 413, "too-large", "El cuerpo de la solicitud es demasiado grande."
        return None


def _rate_headers(burst: int, remaining: int, per_minute: int) -> list[tuple[bytes, bytes]]:
    used = burst - remaining
    return [
        (b"ratelimit-limit", str(burst).encode()),
        (b"ratelimit-remaining", str(max(0, remaining)).encode()),
        (b"ratelimit-reset", str(-(-max(0, used) * 60 // per_minute)).encode()),
    ]


class BodyTooLargeError(Exception):
    """More bytes came than the route accepts."""


class BodyTooSlowError(Exception):
    """The body did not come in time."""


def _limit_of(path: str) -> int:
    if path.startswith(_UPLOADS) or path.endswith(_PHOTOS):
        return UPLOAD_LIMIT
    return _WEBHOOK_LIMIT if path.startswith(_WEBHOOKS) else BODY_LIMIT


def _limited(receive: Receive, limit: int) -> Receive:
    seen = 0
    # After the body only the end of the connection is waited for, and that may take as long as the answer.
    deadline: float | None = asyncio.get_running_loop().time() + (
        UPLOAD_SECONDS if limit == UPLOAD_LIMIT else BODY_SECONDS
    )

    async def receive_counted() -> Event:
        nonlocal seen, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise BodyTooSlowError from error
        if message["type"] == "http.request":
            if not message.get("more_body"):
                deadline = None
            seen += len(message["body"])
            if seen > limit:
                raise BodyTooLargeError
        return message

    return receive_counted


_TITLES: Final = {400: "Datos inválidos", 408: "Demasiado lenta", 413: "Demasiado grande"}


async def _answer(send: Send, identity: str, status: int, code: str, detail: str) -> None:
    body = JSON.encode(
        {
            "type": f"https://mostrador.co/problemas/{code}",
            "title": _TITLES[status],
            "status": status,
            "detail": detail,
            "code": code,
            "instance": identity,
        }
    )
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _inside(address: str, networks: tuple[Any, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)
