"""The HTTP door: Stripe's API for the product, pages for a browser, and the control door beside them.

| Control | |
|---|---|
| `GET /ready` | 200 |
| `PUT /control/clock` `{now: seconds, back: true}` | everything that falls due on the way happens; `back` sets an advanced clock back |
| `GET /control/events?after=n` | events in the order of their making |
| `POST /control/customers/{id}` `{card: "ok" or "declined"}` | the card from now on |
| `POST /control/checkout/{id}` `{card}` | what the page's button does |
| `POST /control/invoices/{id}/refund` or `/dispute` or `/pay` or `/uncollectible` | |
| `POST /control/coupons` `{code, percentOff, duration}` · `POST /control/tax-rates` `{id, percentage}` | |
| `PUT /control/fault` `{kind: "error" or "garbage" or "hang-up" or "timeout-after-processing" or null}` | |
"""

import hmac
import html
import json
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from app.dev.fault_file import current_fault
from app.dev.stripe_fake.api import answer, read_form
from app.dev.stripe_fake.engine import Engine, Refused
from app.dev.stripe_fake.store import Store

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_SLOW: Final = 3.0
_TICK: Final = 0.5
_TRIES: Final = 40


class Fake(ThreadingHTTPServer):
    """One Stripe. `hook` and `secret` are where events go; without them they wait to be fetched."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path, clock: Path | None, hook: str | None, secret: str) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.folder, self.clock, self.hook, self.secret = folder, clock, hook, secret
        self.store = Store(folder)
        self.engine = Engine(self.store, int(time.time()), f"http://127.0.0.1:{self.server_address[1]}")
        self.lock = threading.RLock()
        self.fault: str | None = None
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.moved = False
        if hook is not None:
            threading.Thread(target=self._live, daemon=True).start()

    def fault_now(self) -> str | None:
        return self.fault or current_fault(self.folder)

    def _live(self) -> None:
        """Let time pass, and deliver what happened until it is taken."""
        sent = 0
        while True:
            time.sleep(_TICK)
            with self.lock:
                if not self.moved:
                    self.engine.advance(int(time.time() + self._offset()))
                events = list(self.store.all("event"))
            for event in events[sent:]:
                if not self._deliver(event):
                    break
                sent += 1

    def _offset(self) -> float:
        if self.clock is None or not self.clock.exists():
            return 0.0
        return float(json.loads(self.clock.read_bytes()).get("offset_seconds", 0.0))

    def _deliver(self, event: dict[str, Any]) -> bool:
        event["_tries"] = event.get("_tries", 0) + 1
        body = json.dumps({name: value for name, value in event.items() if not name.startswith("_")}).encode()
        now = str(int(time.time() + self._offset()))
        signature = hmac.digest(self.secret.encode(), now.encode() + b"." + body, "sha256").hex()
        headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": _JSON}
        assert self.hook is not None
        try:
            request = urllib.request.Request(self.hook, body, headers)
            with urllib.request.urlopen(request, timeout=5) as taken:
                return bool(200 <= taken.status < 300 or event["_tries"] >= _TRIES)
        except (OSError, urllib.error.HTTPError):
            return bool(event["_tries"] >= _TRIES)


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Fake  # pyright: ignore[reportIncompatibleVariableOverride]  # the only server it serves
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Silent: the store tells what happened."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    do_PUT = do_POST  # noqa: N815 - the library's name

    def _serve(self, body: bytes) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/v1/"):
            self._api(path, body)
            return
        try:
            with self.server.lock:
                status, content, kind = self._page(path, body)
        except Refused as refused:
            status, content, kind = refused.status, json.dumps({"detail": str(refused)}).encode(), _JSON
        except (KeyError, ValueError) as error:
            status, content, kind = 400, json.dumps({"detail": repr(error)}).encode(), _JSON
        self._say(status, content, kind)

    def _api(self, path: str, body: bytes) -> None:
        server, fault = self.server, self.server.fault_now()
        if fault == "error":
            self._say(503, b'{"error": {"type": "api_error", "message": "away"}}', _JSON)
            return
        if fault == "hang-up":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(_SLOW)
        if not self.headers.get("Authorization", "").startswith("Bearer sk_"):
            self._say(401, b'{"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}', _JSON)
            return
        form = read_form(body.decode() if body else urlsplit(self.path).query)
        key = self.headers.get("Idempotency-Key")
        with server.lock:
            if key is not None and key in server.answers:
                status, content = server.answers[key]
            else:
                try:
                    status, content = 200, json.dumps(answer(server.engine, self.command, path, form)).encode()
                except Refused as refused:
                    told = {"type": refused.kind, "code": refused.code or None, "message": str(refused)}
                    status, content = refused.status, json.dumps({"error": told}).encode()
                if key is not None and status < 500:
                    server.answers[key] = (status, content)
        if fault == "timeout-after-processing":
            self.close_connection = True
            return
        self._say(status, b"\x00<<< not JSON" if fault == "garbage" else content, _JSON)

    def _page(self, path: str, body: bytes) -> tuple[int, bytes, str]:
        engine, store = self.server.engine, self.server.store
        match (self.command, *path.strip("/").split("/")):
            case ("GET", "ready"):
                return 200, b"{}", _JSON
            case ("GET", "checkout", identity):
                session = engine.need("session", identity)
                price = engine.need("price", session["_price"])
                return (
                    200,
                    _form(f"{price['_name']}: {price['unit_amount'] / 100:,.2f} COP", path, session["status"]),
                    _HTML,
                )
            case ("POST", "checkout", identity):
                session = engine.need("session", identity)
                paid = session["status"] == "open" and engine.subscribe(session, _card(body))
                return 303, (session["success_url"] if paid else session["url"]).encode(), "redirect"
            case ("GET", "portal", identity):
                return 200, _form("Cambiar la tarjeta", path, "open"), _HTML
            case ("POST", "portal", identity):
                portal = engine.need("portal", identity)
                _set_card(self.server, portal["customer"], _card(body))
                return 303, portal["return_url"].encode(), "redirect"
            case ("GET", "invoice", identity):
                invoice = engine.need("invoice", identity)
                return (
                    200,
                    _form(f"Factura {invoice['number']}: {invoice['total'] / 100:,.2f} COP", path, invoice["status"]),
                    _HTML,
                )
            case ("GET", "invoice", identity, "pdf"):
                number = str(engine.need("invoice", identity)["number"])
                return 200, f"%PDF-1.4\n% {number}\n%%EOF\n".encode(), "application/pdf"
            case ("POST", "invoice", identity):
                invoice = engine.need("invoice", identity)
                _set_card(self.server, invoice["customer"], _card(body))
                engine.pay(invoice)
                return 303, invoice["hosted_invoice_url"].encode(), "redirect"
            case ("GET", "control", "events"):
                after = int(parse_qs(urlsplit(self.path).query).get("after", ["0"])[0])
                events = list(store.all("event"))[after:]
                return 200, json.dumps({"items": events, "next": after + len(events)}).encode(), _JSON
            case (_, "control", *words):
                return 200, json.dumps(self._control(words, json.loads(body or b"{}"))).encode(), _JSON
            case _:
                return 404, b"{}", _JSON

    def _control(self, words: list[str], body: dict[str, Any]) -> Any:
        engine, store = self.server.engine, self.server.store
        match words:
            case ["clock"]:
                self.server.moved = True
                if body.get("back"):
                    engine.now = min(engine.now, int(body["now"]))
                engine.advance(int(body["now"]))
                return {"now": engine.now}
            case ["customers", identity]:
                return _set_card(self.server, identity, body["card"])
            case ["checkout", identity]:
                return {"paid": engine.subscribe(engine.need("session", identity), body["card"])}
            case ["invoices", identity, "refund" | "dispute" as what]:
                return engine.refund(engine.need("invoice", identity), what == "dispute")
            case ["invoices", identity, "pay"]:
                return {"paid": engine.pay(engine.need("invoice", identity))}
            case ["invoices", identity, "uncollectible"]:
                return engine.write_off(engine.need("invoice", identity))
            case ["subscriptions", identity, "end"]:
                return engine.end(engine.need("subscription", identity))
            case ["coupons"]:
                coupon = {"percent_off": body["percentOff"], "duration": body.get("duration", "forever")}
                return store.put("promotion_code", {
                    "id": store.new_id("promo"), "object": "promotion_code", "code": body["code"], "active": True,
                    "coupon": coupon})  # fmt: skip
            case ["tax-rates"]:
                return store.put("tax_rate", {"id": body["id"], "percentage": body["percentage"]})
            case ["fault"]:
                self.server.fault = body["kind"]
                return {}
            case _:
                raise Refused("no such control", status=404)

    def _say(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        if kind == "redirect":
            self.send_header("Location", content.decode())
            content = b""
        else:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _card(body: bytes) -> str:
    return parse_qs(body.decode()).get("card", ["ok"])[0]


def _set_card(server: Fake, identity: str, card: str) -> dict[str, Any]:
    customer = server.engine.need("customer", identity)
    customer["_card"] = card
    return server.store.put("customer", customer)


def _form(title: str, path: str, status: str) -> bytes:
    buttons = (
        f'<form method="post" action="{html.escape(path)}"><button name="card" value="ok">Pagar con tarjeta 4242</button> '
        '<button name="card" value="declined">Pagar con tarjeta rechazada</button></form>'
    )
    page = (
        f"<!doctype html><meta charset=utf-8><title>Stripe de prueba</title><h1>{html.escape(title)}</h1>"
        f"<p>{html.escape(status)}</p>{buttons if status == 'open' else ''}"
    )
    return page.encode()
