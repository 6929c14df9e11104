"""OpenTelemetry, for an installation whose settings name a collector: a span for each request and each job.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is loaded and a span costs one comparison. Spans carry names of routes and jobs, ids of
company, request and job, and how it ended; never a body, an address or a name. A request's span and those of the jobs it asked for share
`mostrador.request_id`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_FIRST_SERVER_ERROR: Final = 500


class TracingMissing(Exception):
    """The settings ask for spans and the libraries are not installed."""


class _Off:
    """A span that goes nowhere."""

    __slots__ = ()

    def note(self, **values: Any) -> None:
        """Forget it."""


class _On:
    """A span that is sent."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    def note(self, *, name: str | None = None, status: int | None = None, **values: Any) -> None:
        """Say more of it: its name once that is known, the status of the answer, attributes (`tenant_id` as `mostrador.tenant_id`)."""
        if name is not None:
            self._span.update_name(name)
        if status is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("http.response.status_code", status)
            if status >= _FIRST_SERVER_ERROR:
                self._span.set_status(StatusCode.ERROR)
        for key, value in values.items():
            if value is not None:
                self._span.set_attribute(f"mostrador.{key}", str(value))


Span = _Off | _On
_NOTHING: Final = _Off()
_tracer: Any = None
_provider: Any = None


def set_up_tracing(process: str, endpoint: str | None, version: str) -> None:
    """Send spans of this process to a collector (OTLP over HTTP). Raises `TracingMissing`."""
    global _provider, _tracer
    if endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingMissing(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: pip install 'mostrador[otel]'"
        ) from error
    named = Resource.create({"service.name": f"mostrador-{process}", "service.version": version})
    provider = TracerProvider(resource=named)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    # Sent by a thread of its own: a collector that is away costs requests nothing.
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _provider, _tracer = provider, provider.get_tracer("mostrador", version)


def stop_tracing() -> None:
    """Send what is left."""
    global _provider, _tracer  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = _tracer = None


def is_tracing() -> bool:
    return _tracer is not None


@contextmanager
def span(
    name: str, *, caller: Mapping[str, str] | None = None, kind: str = "INTERNAL", **values: Any
) -> Iterator[Span]:
    """Time a block; an exception that leaves it is noted by its kind alone. `caller` is the headers of whoever began the trace."""
    if _tracer is None:
        yield _NOTHING
        return
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(caller) if caller else None
    opened = _tracer.start_as_current_span(
        name, context=context, kind=SpanKind[kind], record_exception=False, set_status_on_exception=False
    )
    with opened as raw:
        made = _On(raw)
        made.note(**values)
        try:
            yield made
        except BaseException as error:
            raw.set_attribute("error.type", type(error).__name__)
            raw.set_status(StatusCode.ERROR)
            raise
