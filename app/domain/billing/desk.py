"""The operator's staff at the routes of billing: who calls, which company they act on.

The one place that knows how the operator is recognised: today by the token `PROVIDER_TOKEN`; staff logins with roles replace `staff`
and `BillingDesk` here and nowhere else.
"""

import hmac
from typing import Any, Final
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard
from sqlalchemy import text

from app.db.session import Database, Work, system_actor
from app.db.unit_of_work import RequestWork
from app.lib.access import bearer
from app.lib.edge import request_id
from app.lib.errors import NotFound, Unauthenticated
from app.settings import Settings

STAFF_PERMISSIONS: Final = frozenset({"billing:read", "billing:write", "plans:write"})
"""What a role of the operator's may hold here."""

_COMPANY: Final = text("SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant_id)")


def staff(permission: str) -> Guard:
    """Admit the operator's staff with this permission. Raises 404 where the installation has no operator's token, 401."""
    if permission not in STAFF_PERMISSIONS:
        raise ValueError(f"unknown permission of the operator's {permission!r}")

    async def admit(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        settings: Settings = connection.app.state.settings
        if settings.provider_token is None:
            raise NotFound("Esta instalación no tiene panel del operador.")
        if not hmac.compare_digest(bearer(connection).encode(), settings.provider_token.encode()):
            raise Unauthenticated("El token no es válido.", headers={"WWW-Authenticate": "Bearer"})

    return admit


class BillingDesk:
    """What one request of the staff holds."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._request = request
        self.database: Database = request.app.state.database

    async def enter(self, tenant_id: UUID) -> Work:
        """The request's transaction, turned to one company. Raises `NotFound`."""
        request_work: RequestWork = self._request.scope["state"]["request_work"]
        if request_work.work is None:
            request_work.work = Work(self.database, self.database.session())
        work = request_work.work
        await work.pin(tenant_id=tenant_id)
        work.actor = system_actor(tenant_id, request_id(self._request.scope))
        if not await work.session.scalar(_COMPANY, {"tenant_id": tenant_id}):
            raise NotFound("No hay tal empresa.")
        return work


async def provide_desk(request: Request[Any, Any, Any]) -> BillingDesk:
    return BillingDesk(request)
