"""Every variable: present, of the right shape, strong, its own, and not the example's."""

import difflib
import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from app.ops.verify.check import Check, Context, Fault, NotAsked

_EXAMPLES: Final = ("CHANGE-ME", "example.co", "db.internal", "redis.internal")
"""What `.env.example` says where something of one's own belongs."""
_LEAST_PASSWORD: Final = 16
_LEAST_TOKEN: Final = 24
_WIDE: Final = 8
"""Prefix of the widest network that proxies of one's own need (IPv4)."""
_LIKE: Final = 0.86
_URLS: Final = ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_ADMIN_URL", "DATABASE_BACKUP_URL", "REDIS_URL")
_ROLES: Final = ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_BACKUP_URL")
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_KEY: Final = "openssl rand -base64 32"


async def shape(context: Context) -> Sequence[Fault]:
    """What the settings themselves refuse."""
    faults = []
    for reason in context.refused:
        name, _, rest = reason.partition(" ")
        faults.append(
            Fault(
                f"{name} {rest}",
                "Vea .env.example, que explica cada variable.",
                name.rstrip(":") if name.rstrip(":").isupper() else None,
            )
        )
    return faults


async def own(context: Context) -> Sequence[Fault]:
    """Nothing of the example is left."""
    return [
        Fault("conserva el valor de ejemplo", "Ponga el suyo.", name)
        for name in sorted(context.known)
        if any(example in context.environ.get(name, "") for example in _EXAMPLES)
    ]


async def production(context: Context) -> Sequence[Fault]:
    if context.whole.environment == "production":
        return []
    return [Fault(f"es {context.whole.environment}", "ENVIRONMENT=production.", "ENVIRONMENT")]


async def spelling(context: Context) -> Sequence[Fault]:
    """A variable that nobody reads, and that looks like one that is read."""
    faults = []
    for name in sorted(set(context.environ) - context.known):
        near = difflib.get_close_matches(name, context.known, n=1, cutoff=_LIKE)
        if near and not context.is_set(near[0]):
            faults.append(Fault(f"nadie lee {name}", f"¿Quiso decir {near[0]}?", name))
    return faults


async def secrets(context: Context) -> Sequence[Fault]:
    """Strong, and each another."""
    faults = []
    held: dict[str, str] = {}
    for name, secret in _secrets(context):
        if secret in held:
            faults.append(Fault(f"es igual a {held[secret]}", f"Haga otro: {_KEY}.", name))
        held.setdefault(secret, name)
    for name in _URLS:
        if not context.is_set(name):
            continue
        url = urlsplit(context.environ[name].strip())
        password = unquote(url.password or "")
        if not password and url.hostname in _LOCAL and name == "DATABASE_ADMIN_URL":
            continue
        if len(password) < _LEAST_PASSWORD or password == url.username:
            faults.append(Fault(f"su contraseña tiene menos de {_LEAST_PASSWORD} caracteres", f"{_KEY}.", name))
    token = context.whole.metrics_token
    if token is not None and len(token) < _LEAST_TOKEN:
        faults.append(Fault(f"tiene menos de {_LEAST_TOKEN} caracteres", f"{_KEY}.", "METRICS_TOKEN"))
    return faults


def _secrets(context: Context) -> Iterator[tuple[str, str]]:
    for name in ("SECRET_KEY", "TOKEN_SIGNING_KEY", "BACKUP_KEY", "METRICS_TOKEN", "PROVIDER_TOKEN"):
        if context.is_set(name):
            yield name, context.environ[name].strip()
    for name in _ROLES:
        if context.is_set(name) and (password := urlsplit(context.environ[name].strip()).password):
            yield name, unquote(password)


async def web(context: Context) -> Sequence[Fault]:
    """How browsers and proxies reach us."""
    faults = []
    settings = context.whole
    if urlsplit(settings.public_url).scheme != "https":
        faults.append(Fault(f"es {settings.public_url}", "La dirección pública, con https.", "PUBLIC_URL"))
    faults += [
        Fault(f"permite {origin}", "Solo orígenes https, uno a uno, sin *.", "CORS_ORIGINS")
        for origin in settings.cors_origins
        if not re.fullmatch(r"https://[^/*]+", origin)
    ]
    if not settings.trusted_proxies:
        faults.append(
            Fault(
                "está vacía: toda solicitud parece venir del proxy, y los límites por dirección son de todos juntos",
                "La red de su proxy, por ejemplo 127.0.0.1/32.",
                "TRUSTED_PROXIES",
            )
        )
    for network in settings.trusted_proxies:
        try:
            width = ipaddress.ip_network(network, strict=False).prefixlen
        except ValueError:
            width = -1
        if width < _WIDE:
            faults.append(
                Fault(f"{network} no es una red de proxies", "Solo las redes de sus proxies.", "TRUSTED_PROXIES")
            )
    return faults


async def channels(context: Context) -> Sequence[Fault]:
    """Somebody is told when something breaks."""
    settings = context.whole
    if not settings.alerts_enabled:
        return [Fault("los avisos están apagados", "ALERTS_ENABLED=true.", "ALERTS_ENABLED")]
    if not (settings.alert_email or settings.slack_webhook_url or settings.alert_webhook_url):
        return [Fault("no hay a quién avisar", "ALERT_EMAIL, SLACK_WEBHOOK_URL o ALERT_WEBHOOK_URL.")]
    if "DEADMAN_URL" in context.known and not context.is_set("DEADMAN_URL"):
        return [
            Fault(
                "nadie notará que el monitor mismo murió",
                "Un servicio que espere sus llamadas (docs/operaciones/monitor-externo.md).",
                "DEADMAN_URL",
                is_warning=True,
            )
        ]
    return []


async def transport(context: Context) -> Sequence[Fault]:
    """Nothing secret travels in clear to another machine."""
    faults = []
    settings = context.whole
    for name in (*_ROLES, "DATABASE_ADMIN_URL"):
        url = urlsplit(context.environ.get(name, "").strip())
        if url.hostname and url.hostname not in _LOCAL and "sslmode=" not in url.query:
            faults.append(
                Fault(
                    f"va a {url.hostname} sin exigir TLS",
                    "Agregue ?sslmode=verify-full (o require).",
                    name,
                    is_warning=True,
                )
            )
    if settings.smtp_host and settings.smtp_tls == "none" and settings.smtp_host not in _LOCAL:
        faults.append(Fault("la clave del correo viaja en claro", "SMTP_TLS=starttls o tls.", "SMTP_TLS"))
    return faults


async def pooler(context: Context) -> Sequence[Fault]:
    settings = context.whole
    if not settings.behind_pooler:
        raise NotAsked("sin PgBouncer")
    if settings.database_direct_url == settings.database_url:
        return [
            Fault(
                "con PgBouncer falta la dirección que lo evita",
                "La base de datos misma: el candado del monitor y las copias la necesitan.",
                "DATABASE_DIRECT_URL",
            )
        ]
    return []


_AREA: Final = "variables"
CHECKS: Final = (
    Check(name="settings", area=_AREA, title="Toda variable está y tiene su forma", ask=shape),
    Check(name="example-values", area=_AREA, title="Ningún valor del ejemplo", ask=own),
    Check(name="environment", area=_AREA, title="Es producción", ask=production),
    Check(name="unknown-variables", area=_AREA, title="Ningún nombre mal escrito", ask=spelling),
    Check(name="secrets", area=_AREA, title="Secretos fuertes y distintos", ask=secrets),
    Check(name="web", area=_AREA, title="Dirección pública, proxies y orígenes", ask=web),
    Check(name="alert-channels", area=_AREA, title="Hay a quién avisar", ask=channels),
    Check(name="transport", area=_AREA, title="Nada secreto viaja en claro", ask=transport),
    Check(name="pooler", area=_AREA, title="PgBouncer y la dirección que lo evita", ask=pooler),
)
