"""The operator's support as a company's guard lets it in: reading only, each route written down before it answers."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from sqlalchemy import text

from app.db.session import Work
from app.lib import clock
from app.lib.actor import PROVIDER_ROLE, Access, Actor, admit
from app.lib.edge import client_address, request_id
from app.lib.errors import Forbidden
from app.lib.staff import SUPPORT_COLUMNS, SUPPORT_TABLES
from app.lib.tokens import Claims

_READ = text(
    f"SELECT {SUPPORT_COLUMNS}, s.expires_at > :now AS in_time, t.modules, t.requests_per_minute FROM {SUPPORT_TABLES} "
    "WHERE s.tenant_id = :tenant_id AND t.tenant_id = :tenant_id AND s.staff_id = :user_id AND s.id = :session_id"
)
# One row and one entry of the trail a route, however often it is read.
_SEEN = text(
    "INSERT INTO support_route AS r (tenant_id, access_id, route, first_at, last_at) "
    "VALUES (:tenant_id, :session_id, :route, :now, :now) ON CONFLICT (tenant_id, access_id, route) "
    "DO UPDATE SET times = r.times + 1, last_at = :now RETURNING times"
)
_READ_ONLY = text("SET TRANSACTION READ ONLY")
_READS: Final = frozenset({"GET", "HEAD"})

READS_ONLY: Final = "support-read-only"
"""Code of the refusal of whatever is no reading."""


async def enter_support(
    connection: ASGIConnection[Any, Any, Any, Any], work: Work, claims: Claims, access: Access
) -> None:
    """Admit the operator's support by its access to this company, and write the route down. Raises 401 and 403.

    What follows runs in a read-only transaction: what a handler would write PostgreSQL refuses.
    """
    now = clock.now()
    key = {
        "tenant_id": claims.tenant_id,
        "user_id": claims.user_id,
        "session_id": claims.session_id,
        "now": now,
    }
    await work.pin(tenant_id=claims.tenant_id, user_id=claims.user_id)
    found = (await work.session.execute(_READ, key)).mappings().one_or_none()
    row = dict(found) if found else None
    if row is not None:
        row["session_active"] = row["session_active"] and row["in_time"]
    scope: Any = connection.scope
    reads = scope["method"] in _READS
    if row is not None and row["user_active"] and row["session_active"] and not reads:
        raise Forbidden("El soporte del operador solo puede consultar, no cambiar nada.", code=READS_ONLY)
    _, permissions = admit(row, access)
    assert row is not None
    work.actor = Actor(
        tenant_id=claims.tenant_id,
        user_id=claims.user_id,
        session_id=claims.session_id,
        role=PROVIDER_ROLE,
        display_name=row["display_name"],
        permissions=permissions,
        tenant_status=row["tenant_status"],
        time_zone=row["time_zone"],
        address=client_address(connection.scope),
        request_id=request_id(connection.scope),
        entry="support",
    )
    route = f"{scope['method']} {scope.get('path_template') or scope['path']}"[:300]
    if await work.session.scalar(_SEEN, key | {"route": route}) == 1:
        work.record("support.read", claims.session_id, after={"route": route})
    await work.commit()
    await work.session.execute(_READ_ONLY)
    await work.pin(tenant_id=claims.tenant_id, user_id=claims.user_id)
