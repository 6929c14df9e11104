"""How the `/dev` routes reach the launcher: one JSON line each way over a Unix socket in a folder of its owner."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec

SERVICES = Literal["dian", "stripe", "smtp", "redis", "postgresql", "worker", "monitor"]
FAULTS = Literal["stop", "freeze", "slow", "error", "garbage", "timeout-after-processing", "kill"]


class ServiceOut(msgspec.Struct):
    """A line of `GET /dev/services`, without credentials."""

    url: str | None
    pid: int | None
    version: str


class Request(msgspec.Struct, tag_field="do"):
    """What the launcher can be asked."""


class ShowServices(Request, tag="services"): ...


class MoveClock(Request, tag="clock"):
    offset_seconds: float


class PutFault(Request, tag="fault"):
    service: SERVICES
    fault: FAULTS
    seconds: float | None = None


class ClearFaults(Request, tag="clear"): ...


class Answer(msgspec.Struct):
    refusal: str | None = None
    """Spanish, for whoever asked."""
    services: dict[str, ServiceOut] = {}


AnyRequest = ShowServices | MoveClock | PutFault | ClearFaults


class Refused(Exception):
    """The launcher cannot do what was asked; the text is Spanish, for whoever asked."""


async def ask(path: Path, request: AnyRequest) -> Answer:
    """Raises `Refused`, and `OSError` when the launcher is gone."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError("the launcher hung up")
    answer = msgspec.json.decode(line, type=Answer)
    if answer.refusal is not None:
        raise Refused(answer.refusal)
    return answer


async def listen(path: Path, answer: Callable[[AnyRequest], Awaitable[Answer]]) -> asyncio.Server:
    """Serve requests, each on its own connection, until the server is closed."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = msgspec.json.decode(await reader.readline(), type=AnyRequest)
            try:
                given = await answer(request)
            except Refused as refusal:
                given = Answer(refusal=str(refusal))
            writer.write(msgspec.json.encode(given) + b"\n")
            await writer.drain()
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, path)
