"""The HTTP door: DIAN's address for the product, and the control door beside it."""

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec

from app.dev.dian_simulator import replies
from app.dev.dian_simulator.clock import Clock
from app.dev.dian_simulator.control import control
from app.dev.dian_simulator.faults import Fault, Faults, of_launcher
from app.dev.dian_simulator.service import Service
from app.dev.dian_simulator.transport import Call, SoapFault, read_call
from app.dev.fault_file import current_fault

PATH: Final = "/WcfDianCustomerServices.svc"
_SOAP: Final = "application/soap+xml; charset=utf-8"
_HUGE: Final = 50_000_000
_DOCTYPE: Final = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


_LARGEST_REQUEST: Final = 100_000_000
"""Bytes; DIAN takes 50 MB, which base64 makes a third larger."""
_DROPS: Final = 50


class Simulator(ThreadingHTTPServer):
    """One DIAN. Calls are decided one at a time; only silences and slow answers overlap.

    `folder` is its memory and where the launcher writes its fault; `clock_file` is the launcher's clock.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path, clock_file: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.folder = folder
        self.clock = Clock(clock_file)
        self.service = Service(folder, self.clock)
        self.faults = Faults()
        self.lock = threading.Lock()

    def fault_of(self, call: Call) -> Fault | None:
        """What goes wrong with this call: what was planted for it, else what the launcher was asked for."""
        service = self.service
        planted = self.faults.take(call.operation, lambda: service.numbers_in(call), self.clock.now())
        if planted is not None:
            return planted
        misbehaviour = current_fault(self.folder)
        return None if misbehaviour is None else of_launcher(misbehaviour)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no event; everything else is told, with its trace."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

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
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_REQUEST:
            self.close_connection = True
            self._say(411 if not length else 413, b"", "text/plain")
            return
        body = self.rfile.read(int(length))
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
        while server.faults.is_frozen:
            time.sleep(0.02)
        with server.lock:
            try:
                addresses = {server.url, server.url.replace("127.0.0.1", "localhost"), *server.service.registry.aliases}
                call = read_call(self.headers.get("Content-Type", ""), body, addresses, server.clock.now())
                fault = server.fault_of(call)
                answer = b""
                if fault is None or not fault.prevents:
                    answer = replies.envelope(call.operation, server.service.answer(call, fault), server.clock.now())
            except SoapFault as problem:
                self._say(500, replies.fault(problem), _SOAP)
                return
        if fault is None:
            self._say(200, answer, _SOAP)
        else:
            self._misbehave(fault, answer)

    def _misbehave(self, fault: Fault, answer: bytes) -> None:
        match fault.kind:
            case "status":
                self._say(fault.status, b"<html><body>Service Unavailable</body></html>", "text/html")
            case "timeout-after-processing" | "timeout-before-processing":
                self._silence(fault.seconds)
            case "hang-up":
                self.close_connection = True
            case "slow":
                time.sleep(fault.seconds)
                self._say(200, answer, _SOAP)
            case "trickle":
                self._say(200, answer, _SOAP, seconds=fault.seconds)
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
        except (msgspec.DecodeError, ValueError) as error:
            self._say(400, json.dumps({"detail": str(error)}).encode(), "application/json")
            return
        if answer is None:
            self._say(404, b"{}", "application/json")
        else:
            self._say(200, msgspec.json.encode(answer), "application/json")

    def _say(self, status: int, body: bytes, kind: str, only: int | None = None, seconds: float = 0.0) -> None:
        """Answer; `only` cuts the body off after so many bytes, `seconds` spreads it over a time."""
        if only is not None:
            self.close_connection = True
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            drop = len(body) // _DROPS + 1 if seconds else len(body) + 1
            for start in range(0, len(body), drop):
                self.wfile.write(body[:only][start : start + drop])
                time.sleep(seconds / _DROPS)
        except OSError:
            # The other side has hung up, which some faults are about.
            self.close_connection = True
