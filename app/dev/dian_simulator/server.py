"""The HTTP door: DIAN's address for the product, and a control door for whoever runs it.

| Control | |
|---|---|
| `GET /ready` | 200 |
| `PUT /control/registry`, `POST` the same | replace the registry, or add to it |
| `GET /control/registry` | |
| `POST /control/certificates` `{nit, name, password}` | a .p12 of the simulator's own entity, in base64 |
| `PUT /control/clock` `{now: instant or null, stands?: bool}` | |
| `POST /control/faults`, `GET`, `DELETE` | `faults.Fault` |
| `GET /control/documents`, `DELETE` | valid ones, and how often each was sent |
| `PUT /control/batches` `{pendingCalls}` | how often GetStatusZip says that it is not ready |
"""

import base64
import json
import socket
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec

from app.dev.dian_simulator import replies
from app.dev.dian_simulator.clock import Clock
from app.dev.dian_simulator.faults import Fault, Faults
from app.dev.dian_simulator.registry import Registry
from app.dev.dian_simulator.service import Service
from app.dev.dian_simulator.transport import SoapFault, read_call

PATH: Final = "/WcfDianCustomerServices.svc"
_SOAP: Final = "application/soap+xml; charset=utf-8"
_HUGE: Final = 50_000_000
_DOCTYPE: Final = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


class Simulator(ThreadingHTTPServer):
    """One DIAN. Calls are decided one at a time; only silences and slow answers overlap."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.clock = Clock()
        self.service = Service(folder, self.clock)
        self.faults = Faults()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"


class Door(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Simulator  # pyright: ignore[reportIncompatibleVariableOverride]  # the only server it serves
    timeout = 120

    def setup(self) -> None:
        super().setup()
        # Head and body go out in two writes; without this the second waits for the first's receipt.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == PATH:
            self._soap(body)
        else:
            self._control(body)

    def do_GET(self) -> None:
        if self.path == "/ready":
            self._say(200, b"{}", "application/json")
        else:
            self._control(b"")

    do_PUT = do_POST  # noqa: N815 - the library's name

    def do_DELETE(self) -> None:
        self._control(b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Silent: the control door tells what arrived."""

    def _soap(self, body: bytes) -> None:
        server = self.server
        with server.lock:
            try:
                addresses = {server.url, *server.service.registry.aliases}
                call = read_call(self.headers.get("Content-Type", ""), body, addresses, server.clock.now())
            except SoapFault as problem:
                self._say(500, replies.fault(problem), _SOAP)
                return
            answer = b""
            fault = server.faults.take(call.operation, server.service.numbers_in(call))
            if fault is None or fault.kind not in {"status", "timeout-before-processing"}:
                try:
                    answer = replies.envelope(call.operation, server.service.answer(call, fault), server.clock.now())
                except SoapFault as problem:
                    self._say(500, replies.fault(problem), _SOAP)
                    return
        if fault is None:
            self._say(200, answer, _SOAP)
        elif fault.kind == "status":
            self._say(fault.status, b"<html><body>Service Unavailable</body></html>", "text/html")
        elif fault.kind == "timeout-before-processing":
            self._silence(fault.seconds)
        else:
            self._misbehave(fault, answer)

    def _misbehave(self, fault: Fault, answer: bytes) -> None:
        match fault.kind:
            case "timeout-after-processing":
                self._silence(fault.seconds)
            case "slow":
                time.sleep(fault.seconds)
                self._say(200, answer, _SOAP)
            case "truncated":
                self._say(200, answer, _SOAP, only=len(answer) // 2)
            case "garbage":
                self._say(200, b"\x00\xff<<< not SOAP", _SOAP)
            case "doctype":
                self._say(200, _DOCTYPE, _SOAP)
            case "huge":
                self._say(200, b"<" * _HUGE, _SOAP)
            case _:
                self._say(200, answer, _SOAP)

    def _silence(self, seconds: float) -> None:
        """Say nothing until the other side has lost patience, then hang up."""
        self.close_connection = True
        self.connection.settimeout(seconds)
        try:
            self.connection.recv(1)
        except OSError:
            return

    def _control(self, body: bytes) -> None:
        try:
            with self.server.lock:
                answer = control(self.server, self.command, self.path, body)
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            self._say(400, json.dumps({"detail": str(error)}).encode(), "application/json")
            return
        if answer is None:
            self._say(404, b"{}", "application/json")
        else:
            self._say(200, msgspec.json.encode(answer), "application/json")

    def _say(self, status: int, body: bytes, kind: str, only: int | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if only is None else body[:only])
        except OSError:
            # The other side has hung up, which some faults are about.
            self.close_connection = True
        if only is not None:
            self.close_connection = True


def control(server: Simulator, command: str, path: str, body: bytes) -> Any:
    """One request at the control door; None for what it does not know. Raises `ValueError` for a wrong body."""
    service = server.service
    match command, path.removeprefix("/control/"):
        case "GET", "registry":
            return service.registry
        case "PUT", "registry":
            service.registry = msgspec.json.decode(body, type=Registry)
            return service.registry
        case "POST", "registry":
            service.registry.add(msgspec.json.decode(body, type=Registry))
            return service.registry
        case "POST", "certificates":
            asked = msgspec.json.decode(body, type=dict[str, str])
            made = service.authority.issue(asked["nit"], asked["name"], asked["password"], server.clock.now())
            return {"p12": base64.b64encode(made).decode()}
        case "PUT", "clock":
            moved = msgspec.json.decode(body, type=dict[str, str | bool | None])
            now = moved.get("now")
            instant = datetime.fromisoformat(now) if isinstance(now, str) else None
            if instant is not None and not moved.get("stands"):
                server.clock.run_from(instant)
            else:
                server.clock.stand_at(instant)
            return {"now": server.clock.now()}
        case "GET", "faults":
            return server.faults.all()
        case "POST", "faults":
            return {"id": server.faults.plant(msgspec.json.decode(body, type=Fault))}
        case "DELETE", "faults":
            server.faults.clear()
            return {}
        case "GET", "documents":
            return {
                "valid": [
                    {
                        "issuer": each.key[0],
                        "kind": each.kind,
                        "number": each.key[2],
                        "uuid": each.uuid,
                        "date": each.date,
                    }
                    for each in service.store.by_key.values()
                ],
                "sent": service.store.sent,
            }
        case "DELETE", "documents":
            service.store.clear()
            return {}
        case "PUT", "batches":
            service.pending_calls = msgspec.json.decode(body, type=dict[str, int])["pendingCalls"]
            return {}
        case _:
            return None
