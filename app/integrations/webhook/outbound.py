"""Posting to an address that a customer chose: only to public ones, and to the very address that was checked.

The name is resolved once, every address it has is judged, and the connection goes to a judged one, so that a name which
answers differently a moment later leads nowhere. No redirects, no proxy of the environment, no decompression.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import httpcore
import msgspec
from httpcore._backends.auto import AutoBackend  # the library names no default backend in public

TIMEOUT: Final = 10.0
"""Seconds for all of it: name, connection, sending, answer."""
EXCERPT: Final = 2_000
"""Bytes of an answer that are read at most."""
_MAX_URL: Final = 2_000

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_REFUSED: Final = tuple(
    ipaddress.ip_network(block)
    for block in (
        "2002::/16",  # 6to4: carries an IPv4 address
        "2001::/32",  # Teredo: the same
        "64:ff9b:1::/48",  # NAT64 of somebody's own network
        "::/96",  # IPv4-compatible, deprecated
        "fec0::/10",  # site-local, deprecated
        "192.88.99.0/24",  # relays of 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)


class Refused(Exception):
    """The address is not one that we connect to. The message says why, in Spanish."""


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


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the internet; what it carries inside counts as well."""
    try:
        found: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    if any(found.version == block.version and found in block for block in _REFUSED):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def check_url(url: str, *, strict: bool) -> str:
    """The address as it will be called. Raises `Refused`; names are not looked up here.

    Not `strict`, as in development: http and addresses of the own machine are fine.
    """
    if len(url) > _MAX_URL or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise Refused("La dirección debe ser una URL sin espacios ni letras especiales, de hasta 2.000 caracteres.")
    try:
        parsed = httpcore.URL(url)
        scheme, host = parsed.scheme.decode(), parsed.host.decode()
    except (ValueError, UnicodeError) as error:
        raise Refused("La dirección no es una URL.") from error
    if scheme != "https" and (strict or scheme != "http"):
        raise Refused("La dirección debe empezar por https://.")
    if not host or "@" in url.partition("//")[2].partition("/")[0] or "#" in url:
        raise Refused("La dirección no puede llevar usuario, contraseña ni #.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:  # noqa: PLR2004 - ports
        raise Refused("El puerto no existe.")
    if strict:
        if _is_literal(host):
            if not is_public(host.strip("[]")):
                raise Refused("La dirección es de una red privada o reservada.")
        elif "." not in host.strip(".") or host.rstrip(".").lower().endswith(_LOCAL_NAMES):
            raise Refused("La dirección debe ser un nombre público de internet.")
    return url


_LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".onion")


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
        addresses = [bare] if _is_literal(bare) else await self._look_up(bare, port)
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
                    headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **headers},
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


def _is_literal(host: str) -> bool:
    bare = host.strip("[]").partition("%")[0]
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        # What the system's own resolver takes for an IPv4 address: 127.1, 0x7f000001, 2130706433.
        try:
            socket.inet_aton(bare)
        except OSError:
            return False
    return True
