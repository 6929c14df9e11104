"""Spans go to a real collector when a setting names one; otherwise nothing of them is loaded."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

PROGRAM = """
import asyncio, sys
from app.lib import tracing
from app.lib.edge import Edge

tracing.set_up_tracing("api", sys.argv[1], "9.9")


async def app(scope, receive, send):
    scope["path_template"] = "/v1/sales/{sale_id}"
    await send({"type": "http.response.start", "status": int(scope["path"][1:4]), "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ask(path):
    async def send(message):
        pass

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"secret=1", "client": ("10.1.2.3", 1),
        "headers": [(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), (b"authorization", b"Bearer hush")],
        "state": {},
    }
    await Edge(app, ())(scope, receive, send)


asyncio.run(ask("/200"))
asyncio.run(ask("/503"))
try:
    with tracing.span("mail.send", kind="CONSUMER", request_id="r-1", job_id="j-1"):
        raise ValueError("somebody@example.com")
except ValueError:
    pass
tracing.stop_tracing()
"""


class Collector(BaseHTTPRequestHandler):
    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""


def test_a_collector_gets_spans_of_requests_and_jobs_without_what_is_private() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Own(Collector):
        got: list[bytes] = []

    server = HTTPServer(("127.0.0.1", 0), Own)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        subprocess.run([sys.executable, "-c", PROGRAM, url], check=True, capture_output=True, timeout=60)
    finally:
        server.shutdown()
    spans: dict[str, list[Any]] = {}
    for body in Own.got:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert (names["service.name"], names["service.version"]) == ("mostrador-api", "9.9")
            for scope in resource.scope_spans:
                for one in scope.spans:
                    spans.setdefault(one.name, []).append(one)
    assert spans.keys() == {"GET /v1/sales/{sale_id}", "mail.send"}
    right, wrong = spans["GET /v1/sales/{sale_id}"]
    assert right.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c", "the caller's trace goes on"
    assert right.parent_span_id.hex() == "b7ad6b7169203331"
    said = {one.key: one.value for one in right.attributes}
    assert said["http.response.status_code"].int_value == 200
    assert said["mostrador.request_id"].string_value
    assert (right.status.code, wrong.status.code) == (0, 2)
    (job,) = spans["mail.send"]
    assert job.status.code == 2
    assert {"mostrador.job_id", "error.type"} <= {one.key for one in job.attributes}
    for private in (b"hush", b"secret", b"somebody@example.com", b"10.1.2.3"):
        assert private not in b"".join(Own.got)


def test_without_the_setting_nothing_of_it_is_loaded_and_a_span_is_free() -> None:
    code = (
        "import sys; from app.lib.tracing import set_up_tracing, span\n"
        "set_up_tracing('api', None, '1')\n"
        "with span('x', tenant_id=1) as made: made.note(status=200)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_a_setting_without_the_libraries_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from app.lib.tracing import set_up_tracing\n"
        "set_up_tracing('api', 'http://127.0.0.1:4318', '1')"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode != 0
    assert "pip install 'mostrador[otel]'" in ran.stderr


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://127.0.0.1:9/"])
def test_a_collector_that_is_away_costs_a_request_nothing(endpoint: str) -> None:
    code = PROGRAM.replace("tracing.stop_tracing()", "import os; os._exit(0)")
    ran = subprocess.run([sys.executable, "-c", code, endpoint], check=False, capture_output=True, timeout=30)
    assert ran.returncode == 0, ran.stderr
