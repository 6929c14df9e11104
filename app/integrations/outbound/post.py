"""Posting to an address that a customer chose: only to public ones, and to the very address that was checked.

The name is resolved once, every address it has is judged, and the connection goes to a judged one, so that a name which
answers differently a moment later leads nowhere. No redirects, no proxy of the environment, no decompression.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import httpcore
import msgspec
from httpcore._backends.auto import AutoBackend  # the library names no default backend in public

from app.integrations.outbound.addresses import Refused, check_url, is_literal, is_public

TIMEOUT: Final = 10.0
"""Seconds for all of it: name, connection, sending, answer."""
EXCERPT: Final = 2_000
"""Bytes of an answer that are read at most."""
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How one delivery went."""

    status: int | None
    """None when no answer came."""
    duration_ms: int
    excerpt: str
    error: str
    """Why no answer came, in Spanish; empty when one did."""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, as the system knows it. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were judged; TLS still asks for the name."""

    def __init__(self, look_up: Resolve, *, strict: bool) -> None:
        self._look_up = look_up
        self._strict = strict
        self._network = AutoBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        bare = host.strip("[]")
        addresses = [bare] if is_literal(bare) else await self._look_up(bare, port)
        if self._strict and not all(is_public(address) for address in addresses):
            # One bad address spoils the name: which one a connection takes is not ours to hope for.
            raise Refused("El nombre lleva a una red privada o reservada.")
        error: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses[:_TRIED]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as failure:
                error = failure
        raise error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002 - the library's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.AsyncNetworkStream:
        raise Refused(f"no socket of the machine is an address: {path}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_TRIED: Final = 3


async def post_signed(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    strict: bool,
    look_up: Resolve = resolve,
    ssl_context: ssl.SSLContext | None = None,
) -> Answer:
    """Post once and tell how it went; only a mistake of ours raises."""
    started = time.perf_counter()
    status, excerpt, error = None, "", ""
    try:
        check_url(url, strict=strict)
        async with asyncio.timeout(TIMEOUT):
            network = _CheckedNetwork(look_up, strict=strict)
            async with (
                httpcore.AsyncConnectionPool(
                    ssl_context=ssl_context, max_connections=1, http1=True, http2=False, network_backend=network
                ) as pool,
                pool.stream(
                    "POST",
                    url,
                    headers=[("Content-Type", "application/json"), ("Accept-Encoding", "identity"), *headers.items()],
                    content=content,
                    extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT)},
                ) as answer,
            ):
                status = answer.status
                excerpt = await _excerpt(answer)
    except Refused as refusal:
        error = str(refusal)
    except (TimeoutError, httpcore.TimeoutException):
        error = "" if status is not None else f"No respondió en {TIMEOUT:.0f} segundos."
    except ssl.SSLError as failure:
        error = _no_certificate(failure)
    except httpcore.ConnectError as failure:
        error = _no_certificate(failure) if "CERTIFICATE" in str(failure).upper() else "No se pudo conectar."
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as failure:
        error = "" if status is not None else f"La conexión falló ({type(failure).__name__})."
    duration = round((time.perf_counter() - started) * 1000)
    return Answer(status=status, duration_ms=duration, excerpt=excerpt, error=error)


def _no_certificate(failure: Exception) -> str:
    return f"El certificado TLS no es válido: {failure}"[:300]


async def _excerpt(answer: httpcore.Response) -> str:
    found = b""
    async for piece in answer.aiter_stream():
        found += piece
        if len(found) >= EXCERPT:
            break
    # Kept in a text column, which takes no NUL, and shown as text.
    return found[:EXCERPT].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
