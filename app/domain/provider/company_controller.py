"""HTTP face of the companies for the operator's staff, and of support's look into one, for both sides."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import structs

from app.db.desk import Desk, provide_desk
from app.db.session import Work
from app.domain.provider.companies import Companies, CompanyFilter
from app.domain.provider.company_schemas import (
    CompanyDetail,
    CompanyPage,
    CompanyStatus,
    CreateCompany,
    OpenSupport,
    OwnerInvitationOut,
    Reactivate,
    StaffAccessPage,
    SupportTokenOut,
    WithReason,
)
from app.domain.provider.staff_controller import CompanyParam
from app.domain.provider.support import SupportDesk
from app.domain.provider.visit_schemas import SupportAccessOut, SupportAccessPage
from app.domain.provider.visits import SupportVisits
from app.lib.access import requires, requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.schemas import JSON

SearchParam = Annotated[
    str | None, QueryParameter(name="search", max_length=100, description="Parte del nombre, o comienzo del NIT.")
]
StatusParam = Annotated[CompanyStatus | None, QueryParameter(name="status", description="Estado de la cuenta.")]
PlanParam = Annotated[str | None, QueryParameter(name="plan", max_length=40, description="Código del plan.")]


def provide_companies(desk: NamedDependency[Desk]) -> Companies:
    return Companies(desk)


def provide_support(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> SupportDesk:
    return SupportDesk(desk, request.app.state.tokens)


def provide_visits(work: NamedDependency[Work]) -> SupportVisits:
    return SupportVisits(work)


class ProviderCompanyController(Controller):
    path = "/provider/tenants"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk), "companies": Provide(provide_companies, sync_to_thread=False)}

    @get(operation_id="ListTenants", guards=[requires_staff("companies:read")])
    async def list_companies(
        self,
        companies: NamedDependency[Companies],
        search: SearchParam = None,
        status: StatusParam = None,
        plan: PlanParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CompanyPage:
        """Las empresas, de la más nueva a la más vieja, con su estado y lo que usan de su plan."""
        return await companies.page(CompanyFilter(search=search, status=status, plan=plan), limit, cursor)

    @post(operation_id="CreateTenant", guards=[requires_staff("companies:create")])
    async def create_company(
        self, data: JSONBody[CreateCompany], companies: NamedDependency[Companies]
    ) -> Response[CompanyDetail]:
        """Crea una empresa lista para vender e invita por correo a su dueño, todo o nada."""
        made, is_new = await companies.create(data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{tenant_id:uuid}", operation_id="GetTenant", guards=[requires_staff("companies:read")])
    async def get_company(self, tenant_id: FromPath[UUID], companies: NamedDependency[Companies]) -> CompanyDetail:
        """Una empresa con los límites de su plan y los últimos estados de su cuenta."""
        return await companies.find(tenant_id)

    @post(
        "/{tenant_id:uuid}/owner-invitation/resend",
        operation_id="ResendOwnerInvitation",
        guards=[requires_staff("companies:create")],
        status_code=HTTP_200_OK,
    )
    async def resend_invitation(
        self, tenant_id: FromPath[UUID], companies: NamedDependency[Companies]
    ) -> OwnerInvitationOut:
        """Envía otra vez la invitación del dueño; el enlace anterior deja de servir."""
        return await companies.resend_invitation(tenant_id)

    @post(
        "/{tenant_id:uuid}/suspend",
        operation_id="SuspendTenant",
        guards=[requires_staff("companies:suspend")],
        status_code=HTTP_200_OK,
    )
    async def suspend(
        self, tenant_id: FromPath[UUID], data: JSONBody[WithReason], companies: NamedDependency[Companies]
    ) -> CompanyDetail:
        """Suspende una empresa, con su motivo; vale desde la siguiente solicitud de su gente."""
        return await companies.suspend(tenant_id, data.reason)

    @post(
        "/{tenant_id:uuid}/reactivate",
        operation_id="ReactivateTenant",
        guards=[requires_staff("companies:suspend")],
        status_code=HTTP_200_OK,
    )
    async def reactivate(
        self, tenant_id: FromPath[UUID], data: JSONBody[Reactivate], companies: NamedDependency[Companies]
    ) -> CompanyDetail:
        """Reactiva una empresa suspendida, o reabre para consulta una cerrada, con su motivo."""
        return await companies.reactivate(tenant_id, data)

    @post(
        "/{tenant_id:uuid}/close",
        operation_id="CloseTenant",
        guards=[requires_staff("companies:close")],
        status_code=HTTP_200_OK,
    )
    async def close(
        self, tenant_id: FromPath[UUID], data: JSONBody[WithReason], companies: NamedDependency[Companies]
    ) -> CompanyDetail:
        """Cierra la cuenta de una empresa, con su motivo; sus datos se conservan."""
        return await companies.close(tenant_id, data.reason)


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


class SupportAccessController(Controller):
    path = "/support-accesses"
    tags = ["Empresa"]
    dependencies = {"visits": Provide(provide_visits, sync_to_thread=False)}

    @get(operation_id="ListSupportAccesses", guards=[requires("audit:read", in_suspended=True)])
    async def list_accesses(
        self, visits: NamedDependency[SupportVisits], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> SupportAccessPage:
        """Quién del soporte del operador entró a consultar la empresa, por qué, hasta cuándo y qué miró."""
        return await visits.page(limit, cursor)

    @post(
        "/{support_access_id:uuid}/end",
        operation_id="EndSupportAccess",
        guards=[requires("members:write", in_read_only=True, in_suspended=True)],
        status_code=HTTP_200_OK,
    )
    async def end_access(
        self, support_access_id: FromPath[UUID], visits: NamedDependency[SupportVisits]
    ) -> SupportAccessOut:
        """Termina de inmediato un acceso del soporte del operador."""
        return await visits.end(support_access_id)
