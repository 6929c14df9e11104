"""Structured logs: one JSON object a line, fields chosen, never a body, a token or a cookie."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog

from app.lib import clock
from app.lib.schemas import JSON

_QUIET: Final = ("/health", "/metrics")
"""Polled paths: logged only when they fail."""
_FIRST_SERVER_ERROR: Final = 500


def set_up_logging(process: str) -> None:
    """Send everything, the standard library's records included, as JSON lines to standard output."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.ExceptionRenderer(),
    ]

    def add_process(_logger: object, _method: str, event: Any) -> Any:
        event["process"] = process
        return event

    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_process,
                structlog.processors.JSONRenderer(serializer=lambda event, **_: JSON.encode(event).decode()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore", "arq", "stripe"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def access_line(request_id: str, scope: Mapping[str, Any], status: int, milliseconds: float) -> None:
    """One line for one request: method, path without its query, status, duration, who."""
    path = scope["path"]
    if path.startswith(_QUIET) and status < _FIRST_SERVER_ERROR:
        return
    claims = scope.get("state", {}).get("claims")
    line: dict[str, Any] = {
        "at": clock.now(),
        "event": "request",
        "request_id": request_id,
        "method": scope["method"],
        "path": path,
        "status": status,
        "ms": round(milliseconds, 2),
    }
    if claims is not None:
        line["tenant_id"] = claims.tenant_id
        line["user_id"] = claims.user_id
    sys.stdout.buffer.write(JSON.encode(line) + b"\n")
    sys.stdout.buffer.flush()
