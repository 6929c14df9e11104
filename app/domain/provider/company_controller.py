"""HTTP face of the companies for the operator's staff."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.desk import Desk, provide_desk
from app.domain.provider.companies import Companies, CompanyFilter
from app.domain.provider.company_schemas import (
    ChangeTenant,
    CompanyDetail,
    CompanyPage,
    CompanyStatus,
    CreateCompany,
    OwnerInvitationOut,
    Reactivate,
    WithReason,
)
from app.lib.access import requires_staff
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

SearchParam = Annotated[
    str | None, QueryParameter(name="search", max_length=100, description="Parte del nombre, o comienzo del NIT.")
]
StatusParam = Annotated[CompanyStatus | None, QueryParameter(name="status", description="Estado de la cuenta.")]
SamplesParam = Annotated[
    bool, QueryParameter(name="samples", description="También las empresas de muestra, que no son de ningún cliente.")
]
PlanParam = Annotated[str | None, QueryParameter(name="plan", max_length=40, description="Código del plan.")]


def provide_companies(desk: NamedDependency[Desk]) -> Companies:
    return Companies(desk)


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
        samples: SamplesParam = False,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CompanyPage:
        """Las empresas, de la más nueva a la más vieja, con su estado y lo que usan de su plan."""
        wanted = CompanyFilter(search=search, status=status, plan=plan, samples=samples)
        return await companies.page(wanted, limit, cursor)

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

    @patch("/{tenant_id:uuid}", operation_id="ChangeTenant", guards=[requires_staff("companies:write")])
    async def change_company(
        self,
        request: Request[Any, Any, Any],
        tenant_id: FromPath[UUID],
        data: JSONBody[ChangeTenant],
        companies: NamedDependency[Companies],
    ) -> CompanyDetail:
        """Corrige los datos de una empresa; lo que no se envía se queda igual."""
        return await companies.change(tenant_id, data, lambda current: check_if_match(request, current))

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
