"""HTTP face of the company."""

from typing import Any

from litestar import Controller, Request, get, patch
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody

from app.db.session import Work
from app.domain.tenants.schemas import ChangeCompany, CompanyOut
from app.domain.tenants.service import TenantService
from app.lib.access import requires
from app.lib.etag import check_if_match


def provide_tenants(work: NamedDependency[Work]) -> TenantService:
    return TenantService(work)


class CompanyController(Controller):
    path = "/company"
    tags = ["Empresa"]
    dependencies = {"tenants": Provide(provide_tenants, sync_to_thread=False)}

    @get(operation_id="GetCompany", guards=[requires("company:read")])
    async def get_company(self, tenants: NamedDependency[TenantService]) -> CompanyOut:
        """La empresa con sus sucursales, bodegas y cajas."""
        return await tenants.read()

    @patch(operation_id="ChangeCompany", guards=[requires("company:write")])
    async def change_company(
        self, request: Request[Any, Any, Any], data: JSONBody[ChangeCompany], tenants: NamedDependency[TenantService]
    ) -> CompanyOut:
        """Cambia los datos y ajustes de la empresa; lo que no se envía se queda igual."""
        check_if_match(request, await tenants.read())
        return await tenants.change(data)
