"""Bodies of the platform's own endpoints."""

from datetime import datetime
from typing import Literal

from app.lib.schemas import Output

Connection = Literal["connected", "disconnected"]


class ServiceHealth(Output):
    status: Connection
    response_time: str
    """Whole milliseconds, as `5ms`; of a service that is gone, how long we waited for it."""


class QueueHealth(Output):
    status: Connection
    """`connected` while a worker lives and Redis carries its jobs."""
    waiting: int
    active: int
    delayed: int
    failed: int
    """Dead letters, however old."""


class Services(Output):
    database: ServiceHealth
    redis: ServiceHealth
    queues: dict[str, QueueHealth]
    health_check_response_time: str


class HealthReport(Output):
    status: Literal["ok", "degraded", "error"]
    timestamp: datetime
    uptime: int
    """Whole seconds."""
    environment: str
    version: str
    services: Services
    warnings: list[str]


class Alive(Output):
    """Of `/health/live` and `/health/ready`."""

    status: Literal["ok", "unavailable"]
    reason: str | None
