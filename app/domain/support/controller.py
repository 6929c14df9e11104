"""HTTP face of the operator's support for the company that it looks into."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from app.db.session import Work
from app.domain.support.schemas import SupportAccessOut, SupportAccessPage
from app.domain.support.visits import SupportVisits
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT


def provide_visits(work: NamedDependency[Work]) -> SupportVisits:
    return SupportVisits(work)


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
        guards=[requires("members:write", writes=False, in_suspended=True)],
        status_code=HTTP_200_OK,
    )
    async def end_access(
        self, support_access_id: FromPath[UUID], visits: NamedDependency[SupportVisits]
    ) -> SupportAccessOut:
        """Termina de inmediato un acceso del soporte del operador."""
        return await visits.end(support_access_id)
