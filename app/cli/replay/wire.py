"""A small HTTP/1.1 client: keep-alive connections and JSON, with nothing between a sale and its socket.

It shares the machine with what it measures; a general client costs as much CPU a request as the API does.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

_ANSWER_SECONDS: Final = 60.0
_HEAD_LIMIT: Final = 65_536
_BREAK: Final = b"\r\n"


class Unreachable(Exception):
    """The server is not there, or went away before its answer was complete."""


@dataclass(frozen=True)
class Answer:
    """A complete answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Wire:
    """One connection, opened again whenever it was lost. One request at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url} is not an http:// or https:// address")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._prefix = parts.path.rstrip("/")
        self._name = parts.netloc.rpartition("@")[2]
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request and its whole answer. Raises `Unreachable`; whether it was carried out is then not known."""
        head = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self._name}", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = self._streams or await self._open()
                writer.write("\r\n".join((*head, "", "")).encode() + body)
                await writer.drain()
                answer = await _read(reader)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, ValueError) as error:
            await self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_HEAD_LIMIT)
        return self._streams


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(first.split(" ", 2)[1])
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await _chunks(reader))
    length = int(headers.get("content-length") or 0)
    return Answer(status, headers, await reader.readexactly(length) if length else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found: list[bytes] = []
    while size := int((await reader.readuntil(_BREAK)).split(b";")[0], 16):
        found.append((await reader.readexactly(size + len(_BREAK)))[:size])
    await reader.readuntil(_BREAK)
    return b"".join(found)
