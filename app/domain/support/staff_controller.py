"""HTTP face of support's look into companies for the operator's staff."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import structs

from app.db.desk import Desk, provide_desk
from app.domain.support.desk import SupportDesk
from app.domain.support.schemas import OpenSupport, StaffAccessPage, SupportTokenOut
from app.lib.access import requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.schemas import JSON

CompanyParam = Annotated[UUID | None, QueryParameter(name="tenantId", description="De una empresa.")]


def provide_support(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> SupportDesk:
    return SupportDesk(desk, request.app.state.tokens)


class ProviderSupportController(Controller):
    path = "/provider/support-accesses"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk), "support": Provide(provide_support, sync_to_thread=False)}

    @get(operation_id="ListAllSupportAccesses", guards=[requires_staff("support:read")])
    async def list_accesses(
        self,
        support: NamedDependency[SupportDesk],
        tenant_id: CompanyParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> StaffAccessPage:
        """Quién del personal entró a qué empresa, por qué y hasta cuándo, de lo más nuevo a lo más viejo."""
        return await support.page(tenant_id, limit, cursor)

    @post(operation_id="OpenSupportAccess", guards=[requires_staff("support:open")])
    async def open_access(
        self, request: Request[Any, Any, Any], data: JSONBody[OpenSupport], support: NamedDependency[SupportDesk]
    ) -> Response[SupportTokenOut]:
        """Entra a consultar una empresa, con motivo y por minutos (a lo sumo 60); se avisa a sus dueños.

        El token solo sirve para las rutas de consulta de esa empresa.
        """
        opened, is_new = await support.open(data)
        request.scope["state"]["request_work"].kept = JSON.encode(structs.replace(opened, access_token=None))
        return Response(opened, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @post(
        "/{support_access_id:uuid}/token",
        operation_id="RenewSupportToken",
        guards=[requires_staff("support:open")],
        status_code=HTTP_200_OK,
    )
    async def renew_token(
        self, request: Request[Any, Any, Any], support_access_id: FromPath[UUID], support: NamedDependency[SupportDesk]
    ) -> SupportTokenOut:
        """Otro token corto de un acceso propio que sigue abierto."""
        renewed = await support.token(support_access_id)
        request.scope["state"]["request_work"].kept = JSON.encode(structs.replace(renewed, access_token=None))
        return renewed

    @post(
        "/{support_access_id:uuid}/end",
        operation_id="EndAnySupportAccess",
        guards=[requires_staff("support:read")],
        status_code=HTTP_204_NO_CONTENT,
    )
    async def end_access(self, support_access_id: FromPath[UUID], support: NamedDependency[SupportDesk]) -> None:
        """Termina un acceso de inmediato, propio o de otra persona."""
        await support.end(support_access_id)
