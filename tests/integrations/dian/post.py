"""A server on loopback that answers what the test says, byte by byte, and keeps what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Post:
    """One address, the requests it received, and its next answer."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.say: Say = answer(b"")


def answer(body: bytes, status: int = 200, headers: str = "", length: int | None = None) -> Say:
    """A whole answer; with another `length`, one that stops in the middle."""

    async def say(writer: asyncio.StreamWriter) -> None:
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml\r\nContent-Length: {size}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return say


@asynccontextmanager
async def post_office() -> AsyncIterator[Post]:
    post = Post()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head.splitlines()[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            post.requests.append((headers, body))
            await post.say(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    post.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/WcfDianCustomerServices.svc"
    async with server:
        yield post
