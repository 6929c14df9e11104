"""What `mostrador up` decides for its children: generated secrets, addresses, and how both are remembered."""

import base64
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from app.dev.server import write_private

DATABASE = "mostrador"


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    return secrets.token_urlsafe(24)


class DemoLogin(msgspec.Struct):
    email: str
    password: str


class Secrets(msgspec.Struct):
    """Made once for a data folder and kept there, readable by its owner only."""

    token_signing_key: str = msgspec.field(default_factory=_key)
    secret_key: str = msgspec.field(default_factory=_key)
    metrics_token: str = msgspec.field(default_factory=_password)
    app_password: str = msgspec.field(default_factory=_password)
    platform_password: str = msgspec.field(default_factory=_password)
    backup_password: str = msgspec.field(default_factory=_password)
    stripe_webhook_secret: str = msgspec.field(default_factory=_password)
    demo: DemoLogin | None = None
    """Set when the demo shop is complete."""

    @classmethod
    def load(cls, data: Path) -> "Secrets":
        """Those of the folder; what it does not have yet is made, and kept from now on."""
        file = data / "secrets.json"
        loaded = msgspec.json.decode(file.read_bytes() if file.exists() else b"{}", type=cls)
        loaded.save(data)
        return loaded

    def save(self, data: Path) -> None:
        write_private(data / "secrets.json", msgspec.json.format(msgspec.json.encode(self), indent=2))


def defaults(made: Secrets, port: int, clock: Path, mail: Path) -> dict[str, str]:
    """Variables that hold unless the caller's environment says otherwise."""
    return {
        "ENVIRONMENT": "development",
        "TOKEN_SIGNING_KEY": made.token_signing_key,
        "SECRET_KEY": made.secret_key,
        "METRICS_TOKEN": made.metrics_token,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MAIL_FROM": "mostrador@mostrador.test",
        "ALERTS_ENABLED": "true",
        "ALERT_EMAIL": "operador@mostrador.test",
        "API_WORKERS": "1",
        # Everyone who tries the system signs up from the same address.
        "SIGNUPS_PER_HOUR": "10000",
        "MOSTRADOR_CLOCK_FILE": str(clock),
        "MOSTRADOR_DEV_MAIL": str(mail),
        "PYTHONUNBUFFERED": "1",
    }


def save(data: Path, chosen: Mapping[str, str]) -> None:
    """Write `<data>/environment` for a shell: `set -a; . .data/environment` talks to the running installation."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in sorted(chosen.items()))
    write_private(data / "environment", "".join(lines).encode())


def configured(name: str) -> str | None:
    """What the caller's environment says, an empty value being none."""
    return os.environ.get(name, "").strip() or None


def without_credentials(url: str) -> str:
    """The address alone, for lines that anyone may read."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
