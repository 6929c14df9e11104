"""Every refusal leaves as `application/problem+json` (RFC 9457), in Spanish, and says nothing about the inside."""

import re
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.lib.driver import constraint_name, driver_error
from app.lib.edge import request_id
from app.lib.errors import (
    BROKEN_CONSTRAINTS,
    Conflict,
    DomainError,
    FieldError,
    Malformed,
    RuleBroken,
    Unavailable,
)
from app.lib.schemas import JSON

_LOG = structlog.stdlib.get_logger("mostrador.problem")

NUL_ESCAPE: Final = b"\\u0000"
MEDIA_TYPE: Final = "application/problem+json"
_TYPE_BASE: Final = "https://mostrador.co/problemas/"
_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP: Final = re.compile(r"\[(\d+)\]|\.([A-Za-z0-9_]+)|\[(?:\.\.\.|'([^']*)')\]")
_RETRY: Final = {"Retry-After": "1"}

_WORDS: Final = {
    "int": "un entero",
    "str": "un texto",
    "bool": "verdadero o falso",
    "object": "un objeto",
    "array": "una lista",
    "null": "nada (null)",
    "uuid": "un identificador UUID",
    "date": "una fecha AAAA-MM-DD",
    "datetime": "un instante RFC 3339",
    "float": "un número con fracción",
    "Decimal": "un número",
}
_EXPECTED: Final = re.compile(r"^Expected `([^`]*)`(?:, got `([^`]*)`)?$")
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = (
    (re.compile(r"^Object contains unknown field `(.*)`$"), "unknown-field", "Campo desconocido: {0}."),
    (re.compile(r"^Object missing required field `(.*)`$"), "missing", "Falta el campo {0}."),
    (re.compile(r"^Invalid UUID$"), "invalid-uuid", "No es un identificador UUID."),
    (re.compile(r"^Invalid RFC3339 encoded datetime$"), "invalid-instant", "No es un instante RFC 3339."),
    (re.compile(r"^Invalid RFC3339 encoded date$"), "invalid-date", "No es una fecha AAAA-MM-DD."),
    (re.compile(r"^Invalid enum value (.*)$", re.DOTALL), "invalid-option", "No es una de las opciones: {0}."),
    (re.compile(r"^Expected `array` of length >= (\d+).*$"), "too-short", "Debe tener al menos {0} elemento(s)."),
    (re.compile(r"^Expected `array` of length <= (\d+).*$"), "too-long", "Debe tener a lo sumo {0} elementos."),
    (re.compile(r"^Expected `str` of length >= (\d+).*$"), "too-short", "Debe tener al menos {0} carácter(es)."),
    (re.compile(r"^Expected `str` of length <= (\d+).*$"), "too-long", "Debe tener a lo sumo {0} caracteres."),
    (re.compile(r"^Expected `int` >= (-?\d+)$"), "too-small", "Debe ser {0} o más."),
    (re.compile(r"^Expected `int` <= (-?\d+)$"), "too-large", "Debe ser {0} o menos."),
    (
        re.compile(r"^Number out of range$|^Integer value out of range$"),
        "out-of-range",
        "El número es demasiado grande.",
    ),
    (re.compile(r"^Expected `str` matching regex .*$"), "invalid-format", "No tiene el formato esperado."),
    (re.compile(r"^Input data was truncated$"), "malformed-json", "El cuerpo está incompleto."),
    (re.compile(r"^JSON is malformed: .*$", re.DOTALL), "malformed-json", "El cuerpo no es JSON válido."),
    (re.compile(r"^Invalid UTF-8.*$|^'utf-8' codec.*$", re.DOTALL), "malformed-text", "El texto no es UTF-8 válido."),
)


def nul_refusal(*pointers: str) -> Malformed:
    """PostgreSQL text holds no NUL; neither does any name a shop writes."""
    detail = "El texto contiene un carácter nulo (NUL)."
    return Malformed(detail, errors=tuple(FieldError(pointer, "invalid-text", detail) for pointer in pointers))


def refuse_nul(body: bytes) -> None:
    """Raise 400 for a JSON body with an escaped NUL, naming the places; what is no JSON is left to its decoder."""
    if NUL_ESCAPE not in body:
        return
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    found: list[str] = []
    left: list[tuple[str, Any]] = [("", decoded)]
    while left:
        pointer, value = left.pop()
        if isinstance(value, str) and "\0" in value:
            found.append(pointer)
        elif isinstance(value, list):
            left.extend((f"{pointer}/{place}", inner) for place, inner in enumerate(value))
        elif isinstance(value, dict):
            found.extend(pointer for name in value if "\0" in name)
            left.extend((f"{pointer}/{name}", inner) for name, inner in value.items())
    if found:
        raise nul_refusal(*sorted(found))


def body_refusal(message: str) -> Malformed:
    """A decoding error as a 400 with a pointer to the place and a Spanish reason."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    return Malformed("Los datos enviados no son válidos.", errors=(_field_error(what, path),))


def _field_error(what: str, path: str) -> FieldError:
    """A decoder's complaint about `$.lines[0].quantity` as what a client reads."""
    pointer = "".join(
        "/" + next(part for part in (*found.groups(), "*") if part is not None) for found in _STEP.finditer(path)
    )
    code, detail = _say(what)
    if code in {"unknown-field", "missing"} and (field := re.search(r"`(.*)`", what)):
        pointer = f"{pointer}/{field[1]}"
    return FieldError(pointer, code, detail)


def _say(what: str) -> tuple[str, str]:
    for pattern, code, detail in _PATTERNS:
        if match := pattern.match(what):
            return code, detail.format(*match.groups())
    if match := _EXPECTED.match(what):
        return "wrong-type", f"Debe ser {_word(match[1])}."
    return "invalid", what if what[:1].isupper() and "`" not in what else "Valor inválido."


def _word(types: str) -> str:
    return " o ".join(_WORDS.get(kind.strip(), "un valor válido") for kind in types.split("|"))


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer to any exception; what is not ours is logged whole and told as nothing."""
    status, body, headers = _told(request.scope, error)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(scope: Any, error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """`to_problem` for who answers without the framework: status, body and headers but for the length."""
    status, body, headers = _told(scope, error)
    plain = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return status, body, [(b"content-type", MEDIA_TYPE.encode()), *plain]


def _told(scope: Any, error: Exception) -> tuple[int, bytes, dict[str, str]]:
    refusal = _refusal(error)
    if refusal is None:
        _LOG.error(
            "unhandled",
            request_id=request_id(scope),
            method=scope["method"],
            path=scope["path"],
            exc_info=error,
        )
        refusal = _OURS
    body: dict[str, object] = {
        "type": _TYPE_BASE + refusal.code,
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "instance": request_id(scope),
        # Members beside the standard ones.
        **refusal.extra,
    }
    if refusal.errors:
        body["errors"] = refusal.errors
    return refusal.status, JSON.encode(body), refusal.headers


class _OurFault(DomainError):
    """A defect: the cause is in the log, under the request's id."""

    status = 500
    code = "internal"
    title = "Error interno"


_OURS: Final = _OurFault("Algo falló de nuestro lado; ya quedó registrado.")


def _refusal(error: BaseException) -> DomainError | None:
    if isinstance(error, DomainError):
        return error
    if isinstance(error, ValidationException):
        return _validation(error)
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, RecursionError):
        return _unreadable("too-deep", "El cuerpo está anidado con demasiada profundidad.")
    if isinstance(error, UnicodeDecodeError):
        return _unreadable("malformed-text", "El texto no es UTF-8 válido.")
    return _database(error)


def _unreadable(code: str, detail: str) -> Malformed:
    """The whole body, which is what an empty pointer means, cannot be read."""
    return Malformed(detail, errors=(FieldError("", code, detail),))


def _validation(error: ValidationException) -> DomainError:
    items = [item for item in (error.extra if isinstance(error.extra, list) else []) if isinstance(item, dict)]
    # The framework calls the whole body `data`, after the handler's argument.
    found = tuple(
        _field_error(str(item.get("message", "")), "" if item.get("key") == "data" else f".{item.get('key', '')}")
        for item in items
    )
    in_body = any(item.get("source") == "body" or item.get("key") == "data" for item in items)
    return Malformed("Los datos enviados no son válidos." if in_body else "Un parámetro no es válido.", errors=found)


def _http(error: HTTPException) -> DomainError:
    if error.status_code == 400:  # noqa: PLR2004
        return body_refusal(error.detail)
    return _HttpRefusal(error)


class _HttpRefusal(DomainError):
    """A refusal of the framework (404 of a path, 405 of a method), in our words."""

    def __init__(self, error: HTTPException) -> None:
        code, title, detail = _HTTP_WORDS.get(
            error.status_code, ("refused", "No se puede", "El servidor no acepta esta solicitud.")
        )
        super().__init__(detail, code=code, headers=dict(error.headers or {}))
        self.status = error.status_code  # type: ignore[misc]
        self.title = title  # type: ignore[misc]


_HTTP_WORDS: Final = {
    404: ("not-found", "No existe", "No hay nada en esta dirección."),
    405: ("method-not-allowed", "Método no permitido", "Esta dirección no acepta ese método."),
    413: ("too-large", "Demasiado grande", "El cuerpo de la solicitud es demasiado grande."),
    415: ("unsupported-media-type", "Formato no aceptado", "Envíe el cuerpo como application/json."),
}


def _database(error: BaseException) -> DomainError | None:
    if isinstance(error, PoolTimeout):
        return Unavailable("El sistema está ocupado; intente de nuevo.", headers=_RETRY)
    cause = driver_error(error) if isinstance(error, DBAPIError) else error
    if isinstance(cause, asyncpg.LockNotAvailableError):
        return Conflict("Otra operación está en curso; intente de nuevo.", code="busy", headers=_RETRY)
    if isinstance(cause, (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.QueryCanceledError)):
        return Unavailable("El sistema está ocupado; intente de nuevo.", headers=_RETRY)
    if isinstance(cause, asyncpg.IntegrityConstraintViolationError):
        return _constraint(cause)
    if isinstance(cause, (asyncpg.NumericValueOutOfRangeError,)):
        return RuleBroken("Una cantidad o valor es demasiado grande.", code="out-of-range")
    if isinstance(cause, (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)):
        return nul_refusal()
    if isinstance(cause, _AWAY):
        _LOG.warning("database unavailable", reason=type(cause).__name__)
        return Unavailable("La base de datos no responde; intente de nuevo.", headers={"Retry-After": "2"})
    return None


_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What the driver says of a connection that breaks in the middle of a message.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
"""PostgreSQL is stopping, starting, full or gone."""


def _constraint(cause: asyncpg.IntegrityConstraintViolationError) -> DomainError | None:
    name = constraint_name(cause)
    if known := BROKEN_CONSTRAINTS.get(name):
        return known
    if isinstance(cause, asyncpg.ForeignKeyViolationError):
        return RuleBroken("La solicitud menciona algo que no existe en esta empresa.", code="unknown-reference")
    if isinstance(cause, asyncpg.UniqueViolationError) and name.startswith("pk_"):
        return Conflict("Ya existe algo con ese identificador.", code="id-taken")
    return None


HANDLERS: Final[dict[int | type[Exception], Any]] = {Exception: to_problem}
