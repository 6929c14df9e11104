"""What breaks a client is told apart from what does not."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar

from app.lib.openapi import document_of
from tests.api_changes import breaking

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def document(app: Litestar) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document_of(app))
    return found


def body(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def sale(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/v1/sales"]
    return found


BREAKS: dict[str, Change] = {
    "GET /v1/me: is gone": lambda d: d["paths"].pop("/v1/me"),
    "POST /v1/sales: is gone": lambda d: sale(d).pop("post"),
    "POST /v1/sales: is named Sell": lambda d: sale(d)["post"].update(operationId="Sell"),
    "POST /v1/sales: no longer answers 201": lambda d: sale(d)["post"]["responses"].pop("201"),
    "GET /v1/sales: takes no query parameter limit": lambda d: _drop(sale(d)["get"]["parameters"], "limit"),
    "GET /v1/sales: needs the query parameter branch": lambda d: sale(d)["get"]["parameters"].append(
        {"name": "branch", "in": "query", "required": True, "schema": {"type": "string"}}
    ),
    "POST /v1/sales: takes no application/json": lambda d: sale(d)["post"]["requestBody"]["content"].clear(),
    "POST /v1/sales body/lines: is gone": lambda d: body(d, "PostSale")["properties"].pop("lines"),
    "POST /v1/sales body/till: is compulsory": lambda d: body(d, "PostSale")["required"].append("till"),
    "POST /v1/sales body/document: takes no none": lambda d: body(d, "PostSale")["properties"]["document"][
        "enum"
    ].remove("none"),
    "POST /v1/sales body/lines: maxItems is 3": lambda d: body(d, "PostSale")["properties"]["lines"].update(maxItems=3),
    "POST /v1/sales body/lines[]/productId: is integer, was string": lambda d: body(d, "PostSaleLine")[
        "properties"
    ].update(productId={"type": "integer"}),
    "POST /v1/sales 201 body/total: is gone": lambda d: body(d, "SaleOut")["properties"].pop("total"),
    "POST /v1/sales 201 body/total: may be missing": lambda d: body(d, "SaleOut")["required"].remove("total"),
    "POST /v1/sales 201 body/total: is null|string, was string": lambda d: body(d, "SaleOut")["properties"].update(
        total={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "GET /health 200 body/status: may answer asleep": lambda d: body(d, "HealthReport")["properties"]["status"][
        "enum"
    ].append("asleep"),
    "GET /health: asks for a login": lambda d: d["paths"]["/health"]["get"].update(security=[{"bearer": []}]),
}

GOES_ON: dict[str, Change] = {
    "a new path": lambda d: d["paths"].update({"/v1/new": {"get": {"operationId": "New", "responses": {}}}}),
    "a new field of an answer": lambda d: body(d, "SaleOut")["properties"].update(mood={"type": "string"}),
    "a field of a request that may be left out": lambda d: body(d, "PostSale")["properties"].update(
        mood={"type": "string"}
    ),
    "an answer that is always there": lambda d: body(d, "SaleOut")["required"].append("mood"),
    "one choice more in a request": lambda d: body(d, "PostSale")["properties"]["document"]["enum"].append("paper"),
    "a wider limit": lambda d: body(d, "PostSale")["properties"]["lines"].update(maxItems=10_000),
    "a parameter that may be left out": lambda d: sale(d)["get"]["parameters"].append(
        {"name": "branch", "in": "query", "schema": {"type": "string"}}
    ),
    "another description": lambda d: sale(d)["post"].update(summary="Vende."),
    "another refusal": lambda d: sale(d)["post"]["responses"].pop("409"),
    "another version": lambda d: d["info"].update(version="9"),
}


def _drop(parameters: list[dict[str, Any]], name: str) -> None:
    parameters[:] = [parameter for parameter in parameters if parameter.get("name") != name]


@pytest.mark.parametrize("told", BREAKS)
def test_a_break_is_told(document: dict[str, Any], told: str) -> None:
    new = copy.deepcopy(document)
    BREAKS[told](new)
    assert any(found.startswith(told) for found in breaking(document, new)), breaking(document, new)


@pytest.mark.parametrize("change", GOES_ON)
def test_what_breaks_nobody_is_let_through(document: dict[str, Any], change: str) -> None:
    new = copy.deepcopy(document)
    GOES_ON[change](new)
    assert new != document
    assert breaking(document, new) == []


def test_a_document_is_its_own_successor(document: dict[str, Any]) -> None:
    assert breaking(document, copy.deepcopy(document)) == []
