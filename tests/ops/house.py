"""A right installation in small: servers of its own, a mail server that asks who it is, outside services, a certificate."""

import base64
import datetime as dt
import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.dev.processes import free_port

APP, PLATFORM, BACKUP, SMTP = (f"{name}-of-a-right-installation" for name in ("app", "platform", "backup", "smtp"))


class Outside(ThreadingHTTPServer):
    """Slack, a webhook's receiver, Stripe and our own API, as `answers` says: path to status and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > 10_000_000:
            self.send_response(413)
            self.send_header("Connection", "close")
            self.end_headers()
            return
        self.rfile.read(length)
        assert isinstance(self.server, Outside)
        status, body = self.server.answers.get(self.path.partition("?")[0], (404, b"no_service"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Strict-Transport-Security", "max-age=63072000")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_OPTIONS = _answer  # noqa: N815 - named by the library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the library
        del format, args


class Secured(Outside):
    """The same behind TLS, with a certificate of so many days."""

    def __init__(self, folder: Path, days: int) -> None:
        super().__init__()
        self.authority = folder / f"authority-{days}.pem"
        key_file = folder / f"server-{days}.pem"
        _write_certificate(key_file, self.authority, days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key_file)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_address[1]}"


def _write_certificate(file: Path, authority: Path, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"mostrador.test {days}")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + shown)
    authority.write_bytes(shown)


def mail_server() -> Controller:
    """One that lets in nobody but `mostrador` with its password."""

    def judge(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"mostrador", SMTP.encode())
        return AuthResult(success=right, handled=False)

    controller = Controller(
        Sink(),
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=judge,
        auth_require_tls=False,
    )
    controller.start()
    return controller


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def json_of(body: Any) -> bytes:
    return json.dumps(body).encode()
