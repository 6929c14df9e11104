"""What the framework does not write into the document: refusals, headers that every route shares, exact amounts, examples."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from app.lib.access import Requires
from app.lib.openapi.bodies import body_schemas, example_of
from app.lib.openapi.names import tell_apart

Node = dict[str, Any]

_WRITES: Final = frozenset({"post", "put", "patch", "delete"})
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"

_REFUSALS: Final = {
    "400": ("Malformed", "Los datos o un parámetro no son lo que el contrato dice.", "malformed"),
    "401": ("Unauthenticated", "Falta el token de acceso, o ya no vale.", "unauthenticated"),
    "403": ("Forbidden", "Falta el permiso o el módulo, o la empresa está en solo lectura.", "forbidden"),
    "404": ("NotFound", "No existe, o es de otra empresa.", "not-found"),
    "409": ("Conflict", "El estado actual no lo permite, u otra solicitud igual está en curso.", "conflict"),
    "412": ("PreconditionFailed", "`If-Match` nombra una versión que ya cambió.", "precondition-failed"),
    "413": ("TooLarge", "El cuerpo excede su límite.", "too-large"),
    "422": ("RuleBroken", "Una regla del negocio dice que no.", "rule-broken"),
    "428": (
        "IdempotencyKeyRequired",
        "Mueve dinero o existencias y no trae `Idempotency-Key`.",
        "idempotency-key-required",
    ),
    "429": ("TooMany", "Demasiadas solicitudes; vuelva después de `Retry-After` segundos.", "too-many-requests"),
    "503": ("Unavailable", "Un servicio no responde; la misma solicitud puede repetirse.", "unavailable"),
}
_GIVES_RETRY_AFTER: Final = frozenset({"409", "429", "503"})

_PROBLEM_SCHEMA: Final[Node] = {
    "title": "Problem",
    "description": "Una negativa (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "Para quien atiende, en español."},
        "code": {"type": "string", "description": "Para programas."},
        "instance": {"type": "string", "description": "Identificador de la solicitud."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "examples": ["/lines/0/quantity"]},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_KEY_SCHEMA: Final[Node] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_PARAMETERS: Final[dict[str, Node]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "La misma llave, ruta y cuerpo reciben la respuesta guardada de la primera vez, durante 48 horas.",
        "schema": _KEY_SCHEMA,
    },
    "IdempotencyKeyRequired": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "Obligatoria: la operación mueve dinero o existencias. Repetirla no repite el efecto.",
        "schema": _KEY_SCHEMA,
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "Cambia solo si la versión (`ETag`) sigue siendo esta.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "Responde 304 si la versión (`ETag`) sigue siendo esta.",
        "schema": {"type": "string"},
    },
}
_HEADERS: Final[dict[str, Node]] = {
    "RequestId": {"description": "Identificador de la solicitud.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Segundos.", "schema": {"type": "integer"}},
    "ETag": {"description": "Versión del recurso.", "schema": {"type": "string"}},
    "IdempotencyReplayed": {"description": "`true`: es la respuesta guardada.", "schema": {"type": "string"}},
}
_REQUEST_ID: Final[Node] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
_DESCRIPTIONS: Final = {"200": "Hecho.", "201": "Creado.", "202": "Aceptado.", "204": "Hecho; sin contenido."}


def complete(document: Node, routes: Iterable[BaseRoute]) -> Node:
    """Finish the framework's draft in place. Raises `ValueError` for operations or bodies that share a name."""
    components = document.setdefault("components", {})
    schemas: Node = components.setdefault("schemas", {})
    handlers = dict(_handlers(routes))
    by_hand = {body.__name__ for handler in handlers.values() for body in _documented(handler).values()}
    schemas.update(body_schemas({*schemas, *by_hand}))
    tell_apart(document)
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["responses"] = {
        name: _refusal(status, name, text, code) for status, (name, text, code) in _REFUSALS.items()
    }
    components["parameters"] = _PARAMETERS
    components["headers"] = _HEADERS
    names: Counter[str] = Counter()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _WRITES or method == "get":
                names[operation["operationId"]] += 1
                _complete_operation(path, method, operation, handlers[path, method], schemas)
    if shared := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"operations share a name: {', '.join(sorted(shared))}")
    return document


def _handlers(routes: Iterable[BaseRoute]) -> Iterator[tuple[tuple[str, str], HTTPRouteHandler]]:
    for route in routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                yield (route.path_format or "/", method.lower()), handler


def _refusal(status: str, title: str, description: str, code: str) -> Node:
    headers = dict(_REQUEST_ID)
    if status in _GIVES_RETRY_AFTER:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    example = {
        "type": f"https://mostrador.co/problemas/{code}",
        "title": title,
        "status": int(status),
        "detail": description,
        "code": code,
        "instance": "0197f2a4-7a3c-7bb0-9d2e-3f5a6b7c8d9e",
    }
    return {
        "description": description,
        "headers": headers,
        "content": {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


def _complete_operation(path: str, method: str, operation: Node, handler: HTTPRouteHandler, schemas: Node) -> None:
    guarded = any(isinstance(guard, Requires) for guard in handler.resolve_guards())
    if not guarded and "security" not in operation:
        operation["security"] = []
    _name(operation)
    _complete_bodies(operation, handler)
    _complete_parameters(path, method, operation, guarded=guarded, key_required=_needs_key(handler))
    _complete_answers(operation, schemas, replayable=guarded and method in _WRITES)
    for status in _refusals_of(path, method, operation, guarded=guarded, key_required=_needs_key(handler)):
        operation["responses"][status] = {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"}


def _documented(handler: HTTPRouteHandler) -> dict[str, type[Any]]:
    return {name: handler.opt[name] for name in ("documented_body", "documented_answer") if name in handler.opt}


def _complete_bodies(operation: Node, handler: HTTPRouteHandler) -> None:
    """Bodies of a handler that decodes and encodes by itself, and files."""
    _complete_files(operation, handler)
    bodies = _documented(handler)
    if not bodies:
        return
    content = {
        name: {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}
        for name, body in bodies.items()
    }
    operation["requestBody"] = {"required": True, "content": content["documented_body"]}
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer["content"] = content["documented_answer"]


def _complete_files(operation: Node, handler: HTTPRouteHandler) -> None:
    """`opt` of a handler: `accepts_file` and `answers_file` name the media types of raw bodies."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    if kinds := handler.opt.get("accepts_file"):
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(kinds, binary)}
        if made := operation["responses"].get("201"):
            operation["responses"]["200"] = {**made, "description": "Revisado; nada cambió."}
    if kinds := handler.opt.get("answers_file"):
        operation["responses"]["200"]["content"] = dict.fromkeys(kinds, binary)


def _needs_key(handler: HTTPRouteHandler) -> bool:
    return bool(handler.opt.get("idempotency_required"))


def _name(operation: Node) -> None:
    """The first sentence of the handler's text is the summary."""
    text = operation.pop("description", None) or operation.get("summary", "")
    summary, _, rest = text.partition("\n\n")
    operation["summary"] = " ".join(summary.split())
    if rest:
        operation["description"] = rest


def _complete_parameters(path: str, method: str, operation: Node, *, guarded: bool, key_required: bool) -> None:
    parameters: list[Node] = operation.setdefault("parameters", [])
    # What /v1/auth answers is a token, and no answer with one is kept for a second time.
    if guarded and method in _WRITES and not path.startswith("/v1/auth/"):
        name = "IdempotencyKeyRequired" if key_required else "IdempotencyKey"
        parameters.append({"$ref": f"#/components/parameters/{name}"})
    if guarded and method == "patch":
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
    if guarded and method == "get" and "{" in path:
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if not parameters:
        del operation["parameters"]


def _complete_answers(operation: Node, schemas: Node, *, replayable: bool) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    if body is not None:
        body["example"] = example_of(body["schema"], schemas)
    responses: Node = operation["responses"]
    for status in [status for status in responses if status not in _DESCRIPTIONS]:
        del responses[status]
    if "201" in responses and body is not None and "id" in _properties(body["schema"], schemas):
        responses["200"] = {**responses["201"], "description": "Ya existía: mismo `id` y mismo cuerpo."}
        responses["201"]["description"] = _DESCRIPTIONS["201"]
    for status, response in responses.items():
        if response["description"] in {"Document created, URL follows", "Request fulfilled, document follows"} or (
            not response["description"].endswith(".")
        ):
            response["description"] = _DESCRIPTIONS[status]
        response["headers"] = response.get("headers", {}) | _REQUEST_ID
        if replayable:
            response["headers"]["Idempotency-Replayed"] = {"$ref": "#/components/headers/IdempotencyReplayed"}
        if content := response.get("content", {}).get(_JSON):
            content["example"] = example_of(content["schema"], schemas)


def _properties(schema: Node, schemas: Node) -> Node:
    found: Node = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema).get("properties", {})
    return found


_OF_ITS_OWN: Final = {
    ("get", "/metrics"): ("401", "404"),
    ("get", "/v1/demo"): ("404",),
    ("delete", "/v1/demo"): ("404",),
    ("post", "/v1/provider/backups/drills"): ("404",),
    ("post", "/billing/webhooks/stripe"): ("400",),
}
"""Refusals that the shape of a route does not tell: there may be no sample, no metrics, no such backup, no valid signature."""


def _refusals_of(path: str, method: str, operation: Node, *, guarded: bool, key_required: bool) -> Iterator[str]:
    if operation.get("parameters") or "requestBody" in operation:
        yield "400"
    if guarded or operation.get("security"):
        yield "401"
    if guarded:
        yield "403"
    if "{" in path:
        yield "404"
    yield from _OF_ITS_OWN.get((method, path), ())
    if method in _WRITES:
        yield from ("409", "422")
    if method == "patch":
        yield "412"
    if "requestBody" in operation:
        yield "413"
    if key_required:
        yield "428"
    yield from ("429", "503")
