"""What stands outside: Slack, the webhook's receiver and the dead-man service, on one real port."""

import asyncio
import hmac
import time
from base64 import b64encode
from typing import Any

import msgspec


class Receivers:
    """Takes everything with the instant it came; Slack may be told to fail."""

    def __init__(self) -> None:
        self.port = 0
        self.slack_fails = False
        self.taken: list[tuple[str, float, dict[str, Any]]] = []
        """Channel, monotonic seconds, body."""
        self.pings: list[float] = []
        self.secret = b"secret of the faults"
        self.forged = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if value}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        status = self._take(first.split(" ")[1], headers, body)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> str:
        now = time.monotonic()
        if path == "/ping":
            self.pings.append(now)
            return "200 OK"
        if path == "/slack":
            if self.slack_fails:
                return "500 Broken"
            text = msgspec.json.decode(body)["text"]
            self.taken.append(("slack", now, {"text": text}))
            return "200 OK"
        signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
        wanted = "v1," + b64encode(hmac.digest(self.secret, signed, "sha256")).decode()
        self.forged += headers["webhook-signature"] != wanted
        self.taken.append(("webhook", now, msgspec.json.decode(body)))
        return "204 Taken"
