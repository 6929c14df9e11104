"""Requests drawn from the OpenAPI document, right and wrong ones.

No answer is a failure of ours or one that the document does not have, every refusal is a problem.
"""

import asyncio
import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from app.db.session import Database
from app.lib.openapi import document_of
from tests.contract.company import Company
from tests.contract.routes import kind_of
from tests.staff import StaffPerson, staff

OPEN = ("/v1/auth/", "/health", "/metrics")
SEEN_BY_REQUESTS = ("Authorization", "Idempotency-Key", "User-Agent", "Accept-Encoding", "Connection", "Content-Length")


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop the application lives in; it stands still while a plain test runs."""
    return asyncio.get_running_loop()


@pytest.fixture
async def operator(http: httpx.AsyncClient, database: Database) -> StaffPerson:
    """An administrator of the operator's, for its routes."""
    return await staff(http, database)


def request_of(case: Any, company: Company, operator: StaffPerson, *, with_own_ids: bool) -> dict[str, Any] | None:
    """A generated case as our client sends it, with the owner's token, or the operator's on its own routes.

    None for what no client can put on the wire.
    """
    of_operator = case.operation.path.startswith("/v1/provider/")
    # The operator would suspend and close the very company that the others are tried with.
    if with_own_ids and not of_operator:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = company.ids.get(kind_of(name), case.path_parameters[name])
    sent = case.as_transport_kwargs(base_url="http://shop.test")
    try:
        ready = requests.Request(
            **{name: sent[name] for name in ("method", "url", "headers", "params", "json", "data") if name in sent}
        ).prepare()
    except (requests.exceptions.RequestException, UnicodeError):
        return None
    url = urlsplit(str(ready.url))
    headers = {str(name): _text(value) for name, value in ready.headers.items() if name not in SEEN_BY_REQUESTS}
    if not url.path.startswith(OPEN):
        headers |= (operator if of_operator else company.shop).headers | {"Idempotency-Key": uuid4().hex}
    body = ready.body or b""
    target = url.path + (f"?{url.query}" if url.query else "")
    return {
        "method": ready.method,
        "url": target,
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ],
        "content": body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass"),
    }


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def check(answer: httpx.Response, request: dict[str, Any]) -> None:
    said = (
        f"{request['method']} {request['url']} {request['content'][:2_000]!r}: {answer.status_code} {answer.text[:500]}"
    )
    if request["url"].startswith("/health") and answer.status_code == 503:
        return
    assert answer.status_code < 500, said
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", said
        assert answer.json()["code"], said


def for_operation(
    operation: Any,
    mode: GenerationMode,
    examples: int,
    loop: asyncio.AbstractEventLoop,
    company: Company,
    operator: StaffPerson,
    statuses: Counter[int],
    undocumented: Counter[str],
) -> None:
    """Draw requests for one operation and send each."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        request = request_of(case, company, operator, with_own_ids=mode is GenerationMode.POSITIVE)
        if request is None:
            return
        answer = loop.run_until_complete(company.shop.http.request(**request))
        check(answer, request)
        statuses[answer.status_code] += 1
        if str(answer.status_code) not in operation.definition.raw["responses"]:
            undocumented[f"{operation.method.upper()} {operation.path} {answer.status_code} {answer.text[:120]}"] += 1

    try:
        send()
    except Unsatisfiable:
        # Nothing in such an operation can be wrong: it has no parameter and no body.
        assert mode is GenerationMode.NEGATIVE, operation.path


def documented_operations(app: Litestar) -> list[tuple[str, str]]:
    """Method and path of each operation, counted without the library that draws the requests."""
    methods = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
    paths = json.loads(document_of(app))["paths"]
    return [(method, path) for path, of in paths.items() for method in of if method in methods]


def fuzz(
    app: Litestar, loop: asyncio.AbstractEventLoop, company: Company, operator: StaffPerson, examples: int
) -> Counter[int]:
    schema = schemathesis.openapi.from_dict(json.loads(document_of(app)))
    statuses: Counter[int] = Counter()
    undocumented: Counter[str] = Counter()
    reached = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for_operation(operation, mode, examples, loop, company, operator, statuses, undocumented)
        reached += 1
    print(
        f"fuzz: {sum(statuses.values())} requests over {reached} operations: {dict(sorted(statuses.items()))}, "
        f"{sum(undocumented.values())} undocumented"
    )
    assert not undocumented, "\n".join(sorted(undocumented))
    assert reached == len(documented_operations(app))
    return statuses


def test_no_request_drawn_from_the_document_breaks_the_api(
    app: Litestar, loop: asyncio.AbstractEventLoop, company: Company, operator: StaffPerson
) -> None:
    statuses = fuzz(app, loop, company, operator, 3)
    assert sum(statuses.values()) >= 400
    assert {200, 400, 404, 422} <= statuses.keys()


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_no_request_of_many_drawn_from_the_document_breaks_the_api(
    app: Litestar, loop: asyncio.AbstractEventLoop, company: Company, operator: StaffPerson
) -> None:
    assert sum(fuzz(app, loop, company, operator, 150).values()) >= 10_000
