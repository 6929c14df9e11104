"""Refusals: each carries its HTTP status, a code for programs and a Spanish sentence for the cashier."""

from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one place of a body."""

    pointer: str
    """JSON pointer, as `/lines/0/quantity`."""
    code: str
    detail: str


class DomainError(Exception):
    """Base of all refusals. `extra` members go into the problem document as they are."""

    status: ClassVar[int] = 400
    code: str = "bad-request"
    title: ClassVar[str] = "Solicitud inválida"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra


class Malformed(DomainError):
    """The body or a parameter is not what the contract says."""

    status = 400
    code = "malformed"
    title = "Datos inválidos"


class Unauthenticated(DomainError):
    """No token, or one that does not count."""

    status = 401
    code = "unauthenticated"
    title = "Inicie sesión"


class Forbidden(DomainError):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"
    title = "No tiene permiso"


class NotFound(DomainError):
    """Not there, or another company's: both alike."""

    status = 404
    code = "not-found"
    title = "No existe"


class Conflict(DomainError):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"
    title = "Conflicto"


class PreconditionFailed(DomainError):
    """`If-Match` names a version that is no longer current."""

    status = 412
    code = "precondition-failed"
    title = "Cambió mientras tanto"


class TooLarge(DomainError):
    """The body exceeds its limit."""

    status = 413
    code = "too-large"
    title = "Demasiado grande"


class RuleBroken(DomainError):
    """A rule of the trade says no."""

    status = 422
    code = "rule-broken"
    title = "No se puede"


class PreconditionRequired(DomainError):
    """A write that moves money or stock came without `Idempotency-Key`."""

    status = 428
    code = "idempotency-key-required"
    title = "Falta Idempotency-Key"


class TooMany(DomainError):
    """A rate limit."""

    status = 429
    code = "too-many-requests"
    title = "Demasiadas solicitudes"


class Unavailable(DomainError):
    """A service we need is away; the same request may be sent again."""

    status = 503
    code = "unavailable"
    title = "Servicio no disponible"


def unknown_reference(pointer: str, detail: str = "No existe en esta empresa.") -> RuleBroken:
    """An id inside a body that is unknown or another company's: both alike."""
    return RuleBroken(
        "La solicitud menciona algo que no existe en esta empresa.",
        code="unknown-reference",
        errors=(FieldError(pointer, "unknown-reference", detail),),
    )


BROKEN_CONSTRAINTS: dict[str, DomainError] = {}
"""Races settled by the database: name of a constraint to the refusal it means. Domains register theirs beside their service."""
