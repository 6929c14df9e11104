"""The OpenAPI document and its page, as a programmer of a client meets them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.routes import HTTPRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.asgi import create_litestar
from app.lib.access import Requires
from app.lib.openapi import document_of
from app.lib.openapi.bodies import body_schemas
from app.lib.schemas import Input, decode_special
from app.settings import Settings

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(app: Litestar) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document_of(app))
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def handlers(app: Litestar) -> dict[tuple[str, str], Any]:
    return {
        (route.path_format, method.lower()): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    }


def headers_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    named = document["components"]["parameters"]
    found = [named[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in operation.get("parameters", [])]
    return {parameter["name"]: parameter for parameter in found if parameter["in"] == "header"}


async def test_the_served_document_is_valid_openapi_3_1(http: httpx.AsyncClient) -> None:
    answer = await http.get("/schema/openapi.json")
    assert answer.status_code == 200
    served = answer.json()
    assert served["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(served).iter_errors()] == []


def test_every_operation_has_a_name_of_its_own_a_tag_and_a_sentence(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 0
    bare = [
        operation["operationId"]
        for _, _, operation in operations(document)
        if not operation.get("tags") or " " not in operation.get("summary", "")
    ]
    assert bare == []


def test_every_refusal_is_a_problem_document(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert {"429", "503"} <= refusals.keys(), (method, path)
        for answer in refusals.values():
            kept = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            assert list(kept["content"]) == ["application/problem+json"]


def test_a_route_with_a_permission_says_that_it_may_refuse(app: Litestar, document: dict[str, Any]) -> None:
    by_route = handlers(app)
    for path, method, operation in operations(document):
        guarded = any(isinstance(guard, Requires) for guard in by_route[path, method].resolve_guards())
        assert ({"401", "403"} <= operation["responses"].keys()) == guarded, (method, path)
        assert guarded or "security" in operation, (method, path)


def test_what_moves_value_needs_a_key_and_every_other_write_may_have_one(
    app: Litestar, document: dict[str, Any]
) -> None:
    by_route = handlers(app)
    for path, method, operation in operations(document):
        handler = by_route[path, method]
        key = headers_of(document, operation).get("Idempotency-Key")
        guarded = any(isinstance(guard, Requires) for guard in handler.resolve_guards())
        # What /v1/auth answers is a token: it is stored nowhere, so no key can have it again.
        if method == "get" or not guarded or path.startswith("/v1/auth/"):
            assert key is None, (method, path)
            continue
        assert key is not None, (method, path)
        assert key["required"] == bool(handler.opt.get("idempotency_required"))
        assert ("428" in operation["responses"]) == key["required"]


def test_money_comes_in_as_text_or_integer_and_leaves_as_text(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {kind["type"] for kind in schemas["ChangeCompany"]["properties"]["cashTolerance"]["anyOf"]} == {
        "string",
        "integer",
    }
    assert schemas["CompanyOut"]["properties"]["cashTolerance"]["type"] == "string"
    fractions = [
        (name, field)
        for name, schema in schemas.items()
        for field, kind in schema.get("properties", {}).items()
        if kind.get("type") == "number"
    ]
    assert fractions == []


def test_names_are_those_of_the_wire(document: dict[str, Any]) -> None:
    misspelt = [
        (name, field)
        for name, schema in document["components"]["schemas"].items()
        for field in schema.get("properties", {})
        if not re.fullmatch(r"[a-z][a-zA-Z0-9]*", field)
    ]
    assert misspelt == []


def test_every_example_of_a_request_is_a_body_that_the_api_reads(app: Litestar, document: dict[str, Any]) -> None:
    by_route = handlers(app)
    seen = 0
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        handler = by_route[path, method]
        body = handler.opt.get("documented_body") or handler.parsed_data_field.annotation
        msgspec.convert(content["example"], body, dec_hook=decode_special)
        seen += 1
    assert seen > 0


def test_an_unknown_field_is_not_part_of_any_body(document: dict[str, Any]) -> None:
    signup = document["components"]["schemas"]["SignUp"]
    assert signup["additionalProperties"] is False


def test_two_bodies_with_one_name_are_refused() -> None:
    first = type("SameName", (Input,), {})
    second = type("SameName", (Input,), {})
    with pytest.raises(ValueError, match="two bodies are named SameName"):
        body_schemas(["SameName"])
    assert first is not second


def test_nothing_of_the_document_is_made_at_start(settings: Settings) -> None:
    fresh = create_litestar(settings)
    assert fresh.plugins.get(OpenAPIPlugin)._openapi is None
    assert document_of(fresh)
    assert fresh.plugins.get(OpenAPIPlugin)._openapi is not None


async def test_the_page_loads_only_files_of_this_server(http: httpx.AsyncClient) -> None:
    page = await http.get("/schema")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/schema/static/")
        file = await http.get(address)
        assert file.status_code == 200
        assert file.content
    assert "<script>" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_the_page_has_no_other_files(http: httpx.AsyncClient) -> None:
    for name in ("nothing.js", "..%2f__init__.py", "index.html"):
        answer = await http.get(f"/schema/static/{name}")
        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"
