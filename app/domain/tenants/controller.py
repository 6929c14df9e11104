"""HTTP face of the company."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, patch, put
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from app.db.session import Work
from app.domain.tenants.forms import find_municipalities, short_lists
from app.domain.tenants.history import history
from app.domain.tenants.logo import MEDIA_TYPE, logo_bytes, put_logo, remove_logo
from app.domain.tenants.schemas import (
    ChangeCompany,
    CompanyOut,
    FiscalCodes,
    LogoOut,
    MunicipalityPage,
    TransitionPage,
)
from app.domain.tenants.service import TenantService
from app.lib.access import requires
from app.lib.etag import check_if_match
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.pictures import ACCEPTED

SearchParam = Annotated[
    str | None, QueryParameter(name="search", max_length=100, description="Parte del nombre, o comienzo del código.")
]


def provide_tenants(work: NamedDependency[Work]) -> TenantService:
    return TenantService(work)


class CompanyController(Controller):
    path = "/company"
    tags = ["Empresa"]
    dependencies = {"tenants": Provide(provide_tenants, sync_to_thread=False)}

    @get(operation_id="GetCompany", guards=[requires("company:read", in_suspended=True)])
    async def get_company(self, tenants: NamedDependency[TenantService]) -> CompanyOut:
        """La empresa con sus sucursales, bodegas y cajas."""
        return await tenants.read()

    @patch(operation_id="ChangeCompany", guards=[requires("company:write")])
    async def change_company(
        self, request: Request[Any, Any, Any], data: JSONBody[ChangeCompany], tenants: NamedDependency[TenantService]
    ) -> CompanyOut:
        """Cambia los datos y ajustes de la empresa; lo que no se envía se queda igual."""
        return await tenants.change(data, lambda current: check_if_match(request, current))

    @get(
        "/logo",
        operation_id="GetCompanyLogo",
        guards=[requires("company:read")],
        media_type=MEDIA_TYPE,
        opt={"answers_file": [MEDIA_TYPE]},
    )
    async def get_logo(self, work: NamedDependency[Work]) -> Response[bytes]:
        """El logo de la empresa, como PNG."""
        return Response(await logo_bytes(work), media_type=MEDIA_TYPE)

    @put(
        "/logo",
        operation_id="PutCompanyLogo",
        guards=[requires("company:write", heavy=True)],
        opt={"accepts_file": list(ACCEPTED)},
        status_code=HTTP_200_OK,
    )
    async def put_logo(self, request: Request[Any, Any, Any], work: NamedDependency[Work]) -> LogoOut:
        """Pone el logo de la empresa: el cuerpo es una imagen PNG, JPEG o WebP de hasta 1 MB; se guarda reducida."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        return await put_logo(work, await request.body(), media_type)

    @delete(
        "/logo",
        operation_id="RemoveCompanyLogo",
        guards=[requires("company:write")],
        status_code=HTTP_204_NO_CONTENT,
    )
    async def remove_logo(self, work: NamedDependency[Work]) -> None:
        """Quita el logo de la empresa."""
        await remove_logo(work)

    @get("/history", operation_id="ListCompanyHistory", guards=[requires("company:write", writes=False)])
    async def list_history(
        self, work: NamedDependency[Work], limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> TransitionPage:
        """Los estados por los que ha pasado la cuenta de la empresa, del más nuevo al más viejo."""
        return await history(work, limit, cursor)


class CodeListController(Controller):
    path = ""
    tags = ["Empresa"]

    @get("/municipalities", operation_id="ListMunicipalities", guards=[requires(None)])
    async def list_municipalities(
        self, search: SearchParam = None, limit: LimitParam = DEFAULT_LIMIT, cursor: CursorParam = None
    ) -> MunicipalityPage:
        """Municipios de Colombia con su código DANE."""
        return find_municipalities(search, limit, cursor)

    @get("/fiscal-codes", operation_id="GetFiscalCodes", guards=[requires(None)])
    async def get_fiscal_codes(self) -> FiscalCodes:
        """Las listas cortas de la DIAN: tipos de persona, regímenes, responsabilidades, tributos y documentos."""
        return short_lists()
