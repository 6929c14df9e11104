"""HTTP face of the platform: health and metrics, outside `/v1`."""

import hmac
import resource
from collections.abc import Iterable
from itertools import chain
from math import inf
from pathlib import Path
from typing import cast

from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app import __version__
from app.db.session import Database
from app.domain.provider.health import Health, Snapshot
from app.domain.provider.measures import Measures, business_lines
from app.domain.provider.schemas import Alive, HealthReport
from app.lib.access import bearer
from app.lib.errors import NotFound, Unauthenticated
from app.lib.metrics import REQUESTS, Sample, metric
from app.settings import Settings

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class HealthController(Controller):
    path = "/health"
    tags = ["Plataforma"]
    security = [{}]

    @get(operation_id="GetHealth")
    async def get_health(self, state: State) -> Response[HealthReport]:
        """Estado de la base de datos, Redis y las colas."""
        health: Health = state.health
        report = await health.report()
        return Response(report, status_code=HTTP_503_SERVICE_UNAVAILABLE if report.status == "error" else HTTP_200_OK)

    @get("/live", operation_id="GetLiveness")
    async def get_liveness(self) -> Alive:
        """200 mientras el proceso corre."""
        return Alive(status="ok", reason=None)

    @get("/ready", operation_id="GetReadiness")
    async def get_readiness(self, state: State) -> Response[Alive]:
        """503 hasta que puede atender: base de datos alcanzable y migrada, y sin haber empezado a detenerse."""
        health: Health = state.health
        reason = await health.why_not_ready()
        if reason is None:
            return Response(Alive(status="ok", reason=None))
        return Response(Alive(status="unavailable", reason=reason), status_code=HTTP_503_SERVICE_UNAVAILABLE)


@get("/metrics", operation_id="GetMetrics", tags=["Plataforma"], media_type=_TEXT)
async def get_metrics(request: Request[object, object, State], state: State) -> str:
    """Métricas en el formato de texto de Prometheus, tras el token METRICS_TOKEN."""
    settings: Settings = state.settings
    if settings.metrics_token is None:
        raise NotFound("Esta instalación no publica métricas.")
    if not hmac.compare_digest(bearer(request).encode(), settings.metrics_token.encode()):
        raise Unauthenticated("El token no es válido.", headers={"WWW-Authenticate": "Bearer"})
    health: Health = state.health
    measures: Measures = state.measures
    lines = chain(
        REQUESTS.lines(),
        _process(state.database, settings),
        business_lines(),
        _jobs(await health.snapshot()),
        await measures.lines(),
    )
    return "\n".join(lines) + "\n"


def _process(database: Database, settings: Settings) -> Iterable[str]:
    built: Sample = ({"version": __version__, "release": settings.release or __version__}, 1)
    yield from metric("mostrador_build_info", "gauge", "What runs.", [built])
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    yield from metric(
        "mostrador_process_cpu_seconds_total", "counter", "Processor time of this process.", [({}, spent)]
    )
    yield from metric("mostrador_process_resident_bytes", "gauge", "Memory of this process.", [({}, _resident())])
    sold = REQUESTS.answered("/v1/sales", "POST", 201)
    yield from metric("mostrador_sales_posted_total", "counter", "Sales answered 201.", [({}, sold)])
    failures = database.bell.failures
    yield from metric("mostrador_bell_failures_total", "counter", "Bells that Redis did not take.", [({}, failures)])
    pools = {"app": database.engine.pool, "platform": database.platform_engine.pool}
    in_use: list[Sample] = [
        ({"pool": name}, cast("AsyncAdaptedQueuePool", pool).checkedout()) for name, pool in pools.items()
    ]
    yield from metric("mostrador_pool_in_use", "gauge", "Database connections in use.", in_use)
    sizes: list[Sample] = [({"pool": name}, cast("AsyncAdaptedQueuePool", pool).size()) for name, pool in pools.items()]
    yield from metric("mostrador_pool_size", "gauge", "Database connections there may be.", sizes)


def _resident() -> float:
    """Bytes, as the kernel counts them now; 0 where it does not say."""
    try:
        return float(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return 0.0


def _jobs(snapshot: Snapshot | None) -> Iterable[str]:
    up: Sample = ({}, float(snapshot is not None))
    yield from metric("mostrador_database_up", "gauge", "Whether PostgreSQL answered.", [up])
    if snapshot is None:
        return
    counts = [
        ({"queue": queue, "state": state}, float(getattr(jobs, state)))
        for queue, jobs in snapshot.queues.items()
        for state in ("waiting", "active", "delayed", "failed")
    ]
    yield from metric("mostrador_jobs", "gauge", "Background jobs that are not done.", counts)
    # No sign at all is told as well: an absent series alarms nobody.
    ages = [
        ({"queue": queue}, inf if jobs.beat_age is None else jobs.beat_age) for queue, jobs in snapshot.queues.items()
    ]
    yield from metric("mostrador_worker_heartbeat_age_seconds", "gauge", "Since a worker's last sign of life.", ages)
