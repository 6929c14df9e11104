"""What only a running installation answers: `mostrador verify --running`, after a deploy."""

from collections.abc import Sequence
from typing import Final

import httpx

from app.build import release
from app.lib.jobs import QUEUES
from app.ops.verify.check import Check, Context, Fault, NotAsked, connected, outside

_BEATS: Final = (
    "SELECT queue, extract(epoch FROM now() - max(beat_at))::float8 AS age FROM worker_heartbeat GROUP BY queue"
)
_SILENT: Final = 35.0
"""Seconds without a sign of life, which workers give every ten."""
_BODY: Final = 11_000_000
"""Bytes that no route takes."""


async def api(context: Context) -> Sequence[Fault]:
    """Through the public address: healthy, and of this release."""
    _if_running(context)
    try:
        async with outside() as client:
            answer = await client.get(f"{context.whole.public_url}/health")
        told = answer.json()
        status, warnings, served = told["status"], told["warnings"], told["version"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return [
            Fault(f"/health no responde: {type(error).__name__} {error}", "systemctl status mostrador-api@1 nginx.")
        ]
    faults = []
    if status != "ok":
        faults.append(Fault(f"/health dice {status}: {' '.join(warnings)}", "Vea el runbook de lo que nombra."))
    if served != release():
        cure = "Reinicie los procesos uno a uno: deploy/rolling-restart.sh."
        faults.append(Fault(f"sirve {served}, esta es {release()}", cure, "api-release"))
    return faults


async def proxy(context: Context) -> Sequence[Fault]:
    """What nginx must refuse and add."""
    _if_running(context)
    faults = []
    async with outside() as client:
        answer = await client.get(f"{context.whole.public_url}/health/live")
        if "strict-transport-security" not in answer.headers:
            faults.append(Fault("falta Strict-Transport-Security", "Use deploy/nginx/mostrador.conf.", "hsts"))
        try:
            large = await client.post(f"{context.whole.public_url}/v1/auth/login", content=b" " * _BODY)
            refused = large.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
        except httpx.TransportError:
            # Hanging up on a body that is too large is a refusal as well.
            refused = True
        if not refused:
            faults.append(Fault("un cuerpo de 11 MB llega a la API", "client_max_body_size 10m.", "body-limit"))
        inside = await client.get(f"{context.whole.public_url}/metrics")
        if inside.status_code == httpx.codes.OK:
            faults.append(Fault("/metrics se ve desde fuera sin clave", "METRICS_TOKEN, y nginx lo niega.", "metrics"))
    return faults


async def workers(context: Context) -> Sequence[Fault]:
    _if_running(context)
    async with connected(context.whole.database_platform_url) as connection:
        ages = {row["queue"]: row["age"] for row in await connection.fetch(_BEATS)}
    silent = [queue for queue in QUEUES if ages.get(queue, _SILENT) >= _SILENT]
    return [Fault(f"nadie atiende la cola {queue}", "systemctl status mostrador-worker.") for queue in silent]


def _if_running(context: Context) -> None:
    if not context.is_running:
        raise NotAsked("con --running")


_AREA: Final = "en marcha"
CHECKS: Final = (
    Check(name="api", area=_AREA, title="La API sirve esta versión", ask=api, needs=("settings",)),
    Check(name="proxy", area=_AREA, title="El proxy limita y protege", ask=proxy, needs=("settings", "api")),
    Check(
        name="workers",
        area=_AREA,
        title="Cada cola tiene quien la atienda",
        ask=workers,
        needs=("settings", "postgresql"),
    ),
)
