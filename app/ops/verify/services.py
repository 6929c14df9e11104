"""Redis, mail, Slack and the operator's webhook: asked without sending anything to anybody."""

import ssl
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Final

import aiosmtplib
import httpx
from redis.exceptions import AuthenticationError, RedisError

from app.lib.redis import connect_redis
from app.ops.verify.check import CONNECT, Check, Context, Fault, NotAsked, outside

_OLDEST_REDIS: Final = (6, 2)
_GONE: Final = frozenset({401, 403, 404, 410})


async def redis(context: Context) -> Sequence[Fault]:
    client = connect_redis(context.whole, read_timeout=CONNECT)
    try:
        found = await client.info("server")
    except AuthenticationError as error:
        return [Fault(f"no acepta la contraseña: {error}", "Corrija REDIS_URL.")]
    except (RedisError, OSError) as error:
        return [Fault(f"no responde: {error}", "Arránquelo, o corrija REDIS_URL.")]
    finally:
        await client.aclose()
    number = str(found["redis_version"])
    if tuple(int(part) for part in number.split(".")[:2]) < _OLDEST_REDIS:
        return [Fault(f"es la {number}", "Redis 6.2 o más nuevo, o Valkey.", "redis-version")]
    return []


async def redis_policy(context: Context) -> Sequence[Fault]:
    """Nothing is evicted, and a restart finds what was there."""
    client = connect_redis(context.whole, read_timeout=CONNECT)
    try:
        memory = await client.info("memory")
        kept = await client.info("persistence")
    finally:
        await client.aclose()
    faults = []
    if memory.get("maxmemory_policy") != "noeviction":
        cure = "maxmemory-policy noeviction: los límites y los timbres no se pueden botar."
        faults.append(Fault(f"maxmemory-policy {memory.get('maxmemory_policy')}", cure))
    if not kept.get("aof_enabled"):
        cure = "appendonly yes, appendfsync everysec."
        faults.append(Fault("sin AOF: un reinicio olvida los límites", cure, "redis-persistence", is_warning=True))
    return faults


async def smtp(context: Context) -> Sequence[Fault]:
    """Log in and leave."""
    settings = context.whole
    if settings.smtp_host is None:
        return [Fault("no hay correo: sin invitaciones, claves olvidadas ni avisos", "SMTP_HOST y los suyos.")]
    domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    faults = []
    if "." not in domain or domain.endswith("localhost"):
        faults.append(Fault(f"escribe desde «{domain}»", "Una dirección de su dominio.", "MAIL_FROM"))
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        local_hostname=domain or "localhost",
        use_tls=settings.smtp_tls == "tls",
        start_tls=settings.smtp_tls == "starttls",
        tls_context=ssl.create_default_context() if settings.smtp_tls != "none" else None,
        timeout=CONNECT,
    )
    try:
        await client.connect()
        if settings.smtp_user is not None:
            await client.login(settings.smtp_user, settings.smtp_pass or "")
    except aiosmtplib.SMTPAuthenticationError as error:
        faults.append(Fault(f"no acepta las credenciales: {error.message}", "SMTP_USER y SMTP_PASS.", "smtp-login"))
    except (aiosmtplib.SMTPException, OSError) as error:
        faults.append(Fault(f"no conecta: {type(error).__name__} {error}", "SMTP_HOST, SMTP_PORT y SMTP_TLS."))
    finally:
        client.close()
    return faults


async def slack(context: Context) -> Sequence[Fault]:
    """An empty message, which Slack refuses without showing it: with one word if the hook lives, with another if not."""
    url = context.whole.slack_webhook_url
    if url is None:
        raise NotAsked("SLACK_WEBHOOK_URL no está")
    answer = await _asked("POST", url, json={"text": ""})
    if isinstance(answer, str):
        return [Fault(answer, "¿Sale esta máquina a internet?")]
    if answer.is_success or (answer.status_code == httpx.codes.BAD_REQUEST and "no_service" not in answer.text):
        return []
    return [Fault(f"responde {answer.status_code} {answer.text[:80]}", "Haga otro enlace en Slack: este fue retirado.")]


async def webhook(context: Context) -> Sequence[Fault]:
    url = context.whole.alert_webhook_url
    if url is None:
        raise NotAsked("ALERT_WEBHOOK_URL no está")
    answer = await _asked("OPTIONS", url)
    if isinstance(answer, str):
        return [Fault(answer, "¿Vive el receptor, y llega esta máquina a él?")]
    if answer.status_code in _GONE or answer.is_server_error:
        return [Fault(f"responde {answer.status_code}", "Corrija ALERT_WEBHOOK_URL, o mire el registro del receptor.")]
    return []


async def _asked(method: str, url: str, json: dict[str, str] | None = None) -> httpx.Response | str:
    try:
        async with outside() as client:
            return await client.request(method, url, json=json)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no responde: {type(error).__name__} {error}"


_AREA: Final = "servicios"
CHECKS: Final = (
    Check(name="redis", area=_AREA, title="Redis responde", ask=redis, needs=("settings",)),
    Check(name="redis-policy", area=_AREA, title="Redis no bota nada", ask=redis_policy, needs=("settings", "redis")),
    Check(name="smtp", area=_AREA, title="El correo entra con sus credenciales", ask=smtp, needs=("settings",)),
    Check(name="slack", area=_AREA, title="Slack conoce el enlace (sin enviar)", ask=slack, needs=("settings",)),
    Check(name="alert-webhook", area=_AREA, title="El webhook responde (sin enviar)", ask=webhook, needs=("settings",)),
)
