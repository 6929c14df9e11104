"""The guard of a route: what its caller must be allowed. Start-up fails on a route without one."""

from collections.abc import Iterable
from typing import Any, Final, Protocol, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Guard

from app.lib.actor import Access
from app.lib.errors import DomainError, Malformed, PreconditionRequired, Unauthenticated
from app.lib.modules import CORE, MODULES
from app.lib.permissions import PERMISSIONS
from app.lib.staff import STAFF_PERMISSIONS, StaffAccess
from app.lib.tokens import Claims

MOVES_VALUE: Final[dict[str, Any]] = {"idempotency_required": True}
"""`opt` of a POST that moves money or stock: refused with 428 without `Idempotency-Key`."""


UNKEPT: Final[dict[str, Any]] = {"unkept": True}
"""`opt` of a route whose body or answer holds a password, a code or a secret: `Idempotency-Key` is ignored, since even
a hash of such a body, kept for two days, would tell a weak password to whoever reads it."""


def documented(body: type[Any], answer: type[Any]) -> dict[str, Any]:
    """`opt` of a handler that decodes and encodes by itself: what the OpenAPI document says of it."""
    return {"documented_body": body, "documented_answer": answer}


_MAX_KEY: Final = 255
_OPEN_PREFIXES: Final = ("/v1/auth/", "/v1/public/", "/health", "/metrics", "/schema", "/dev/", "/billing/webhooks/")
"""Routes without login live only here."""


_STAFF_PREFIX: Final = "/v1/provider/"
"""Routes of the operator's staff, and of nobody else."""


class Gate(Protocol):
    """What the guard needs of the request's machinery (`app.db.unit_of_work`)."""

    async def identify(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Claims: ...

    async def count_heavy(self, connection: ASGIConnection[Any, Any, Any, Any], claims: Claims, route: str) -> None: ...

    async def enter(self, connection: ASGIConnection[Any, Any, Any, Any], claims: Claims, access: Access) -> None: ...


class Requires:
    """Guard that admits members of a company with one permission."""

    def __init__(self, access: Access, *, lane: bool, heavy: bool) -> None:
        self.access = access
        self._lane = lane
        self._heavy = heavy

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        gate: Gate = connection.app.state.gate
        claims = await gate.identify(connection)
        if self._heavy:
            await gate.count_heavy(connection, claims, str(handler))
        # The fast lane knows members alone.
        enters = not self._lane or claims.is_support
        if enters:
            await gate.enter(connection, claims, self.access)
        try:
            check_idempotency_key(connection, required=bool(handler.opt.get("idempotency_required")))
        except DomainError:
            # Who may not do this at all is told so first.
            if not enters:
                await gate.enter(connection, claims, self.access)
            raise


def requires(
    permission: str | None,
    *,
    module: str = CORE,
    writes: bool | None = None,
    in_read_only: bool = False,
    in_suspended: bool = False,
    lane: bool = False,
    heavy: bool = False,
    despite: Iterable[str] = (),
    for_all_entries: bool = False,
) -> Guard:
    """Admit callers with this permission, of companies with this module; None admits any member of the company.

    `lane` leaves reading the person's state to the handler's own first statement. `writes` is by default whatever is
    not named `…:read`. `in_read_only`: a company that fell behind with its payments may still do this; `in_suspended`:
    also a suspended one, or a closed one if it only reads. `heavy` counts against a limit of the route and its caller.
    `despite`: so may a person who must first change the password or enrol a second factor (codes of `app.lib.actor`).
    A route without a permission is closed to API keys and to operators who came in with a PIN unless it is
    `for_all_entries`.
    """
    if permission is not None and permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}")
    if module not in MODULES:
        raise ValueError(f"unknown module {module!r}")
    if lane and module != CORE:
        raise ValueError("the fast lane reads no modules")
    if writes is None:
        writes = permission is not None and not permission.endswith(":read")
    access = Access(
        permission,
        writes=writes,
        in_read_only=in_read_only,
        module=module,
        in_suspended=in_suspended,
        despite=frozenset(despite),
        for_all_entries=for_all_entries,
    )
    return cast("Guard", Requires(access, lane=lane, heavy=heavy))


class StaffGateway(Protocol):
    """What the operator's guard needs (`app.db.desk`)."""

    async def enter(self, connection: ASGIConnection[Any, Any, Any, Any], access: StaffAccess) -> None: ...


class RequiresStaff:
    """Guard that admits the operator's staff with one permission."""

    def __init__(self, access: StaffAccess) -> None:
        self.access = access

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        gateway: StaffGateway = connection.app.state.staff_gate
        await gateway.enter(connection, self.access)
        check_idempotency_key(connection, required=False)


def requires_staff(permission: str | None, *, despite: Iterable[str] = ()) -> Guard:
    """Admit the operator's staff with this permission; None admits all of them, for their own account.

    Only for `/v1/provider`, where nobody of a company comes in.
    """
    if permission is not None and permission not in STAFF_PERMISSIONS:
        raise ValueError(f"unknown permission of the operator's {permission!r}")
    return cast("Guard", RequiresStaff(StaffAccess(permission, frozenset(despite))))


def bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The access token of a request. Raises `Unauthenticated` without one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Falta el token de acceso.", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


def check_idempotency_key(connection: ASGIConnection[Any, Any, Any, Any], *, required: bool) -> str | None:
    """The request's idempotency key. Raises 428 when it is required and absent, 400 when it is not 1–255 visible characters."""
    key = connection.headers.get("idempotency-key")
    if key is None:
        if required:
            raise PreconditionRequired("Esta operación mueve dinero o existencias: envíe Idempotency-Key.")
        return None
    if not 0 < len(key) <= _MAX_KEY or not key.isascii() or not all("!" <= letter <= "~" for letter in key):
        raise Malformed("Idempotency-Key debe tener de 1 a 255 caracteres visibles.")
    return key


def check_routes(routes: Iterable[Any]) -> None:
    """Raise at start-up when a route outside the open prefixes declares no `requires(...)`, or more than one.

    The declaration names a permission and a module, the counter's own unless said. Below `/v1/provider` it is
    `requires_staff(...)`, and nowhere else.
    """
    naked = [
        f"{sorted(handler.http_methods)} {route.path}"
        for route in routes
        if isinstance(route, HTTPRoute) and not f"{route.path}/".startswith(_OPEN_PREFIXES)
        for handler in route.route_handlers
        if handler.http_methods != {"OPTIONS"}
        and [type(guard) for guard in handler.resolve_guards() if isinstance(guard, (Requires, RequiresStaff))]
        != [RequiresStaff if f"{route.path}/".startswith(_STAFF_PREFIX) else Requires]
    ]
    if naked:
        raise RuntimeError("routes without one declared permission and module: " + "; ".join(naked))
