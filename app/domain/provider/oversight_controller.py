"""HTTP face of what the operator watches over all companies."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.db.desk import Desk, provide_desk
from app.domain.provider.oversight import dian_queues, near_limits
from app.domain.provider.oversight_schemas import DianQueuePage, UsagePage
from app.domain.tenants.limits import WARN_AT
from app.lib.access import requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ShareParam = Annotated[
    int,
    QueryParameter(name="atLeast", ge=1, le=1_000, description="Por ciento usado del límite, desde el que se muestra."),
]


class ProviderOversightController(Controller):
    path = "/provider"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk)}

    @get("/usage", operation_id="ListUsage", guards=[requires_staff("companies:read")])
    async def list_usage(
        self,
        desk: NamedDependency[Desk],
        share: ShareParam = WARN_AT,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> UsagePage:
        """Empresas cerca de un límite de su plan o por encima, primero las más llenas."""
        return await near_limits(desk.database, share, limit, cursor)

    @get("/dian/queues", operation_id="ListDianQueues", guards=[requires_staff("companies:read")])
    async def list_queues(
        self, desk: NamedDependency[Desk], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> DianQueuePage:
        """Documentos electrónicos sin terminar de todas las empresas, y a cuáles no les responde la DIAN."""
        return await dian_queues(desk.database, limit, cursor)
