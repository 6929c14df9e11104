"""HTTP face of support tickets for the operator's staff."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.desk import Desk, provide_desk
from app.domain.tickets.controller import StatusParam
from app.domain.tickets.desk import ANSWERS, TicketDesk, TicketFilter
from app.domain.tickets.schemas import AnswerTicket, AssignTicket, StaffTicketOut, StaffTicketPage
from app.lib.access import requires_staff
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

CompanyParam = Annotated[UUID | None, QueryParameter(name="tenantId", description="De una empresa.")]
AssigneeParam = Annotated[UUID | None, QueryParameter(name="assigneeId", description="De quien los tiene a cargo.")]
_ONE: Final = "/tenants/{tenant_id:uuid}/support-tickets/{ticket_id:uuid}"


def provide_ticket_desk(desk: NamedDependency[Desk]) -> TicketDesk:
    return TicketDesk(desk)


class ProviderTicketController(Controller):
    path = "/provider"
    tags = ["Operador"]
    dependencies = {"desk": Provide(provide_desk), "tickets": Provide(provide_ticket_desk, sync_to_thread=False)}

    @get("/support-tickets", operation_id="ListAllTickets", guards=[requires_staff("tickets:read")])
    async def list_tickets(
        self,
        tickets: NamedDependency[TicketDesk],
        status: StatusParam = None,
        tenant_id: CompanyParam = None,
        assignee_id: AssigneeParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> StaffTicketPage:
        """Los casos de soporte de todas las empresas; primero donde se escribió de último."""
        wanted = TicketFilter(status=status, tenant_id=tenant_id, assignee_id=assignee_id)
        return await tickets.page(wanted, limit, cursor)

    @get(_ONE, operation_id="GetCompanyTicket", guards=[requires_staff("tickets:read")])
    async def get_ticket(
        self, tenant_id: FromPath[UUID], ticket_id: FromPath[UUID], tickets: NamedDependency[TicketDesk]
    ) -> StaffTicketOut:
        """Un caso con todos sus mensajes y las notas internas."""
        return await tickets.read(tenant_id, ticket_id)

    @post(f"{_ONE}/messages", operation_id="AnswerTicket", guards=[requires_staff(ANSWERS)])
    async def answer(
        self,
        tenant_id: FromPath[UUID],
        ticket_id: FromPath[UUID],
        data: JSONBody[AnswerTicket],
        tickets: NamedDependency[TicketDesk],
    ) -> Response[StaffTicketOut]:
        """Responde a la empresa, que recibe un correo, o deja una nota interna."""
        made, is_new = await tickets.answer(tenant_id, ticket_id, data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @patch(_ONE, operation_id="AssignTicket", guards=[requires_staff(ANSWERS)])
    async def assign(
        self,
        tenant_id: FromPath[UUID],
        ticket_id: FromPath[UUID],
        data: JSONBody[AssignTicket],
        tickets: NamedDependency[TicketDesk],
    ) -> StaffTicketOut:
        """Pone un caso a cargo de alguien del soporte, o de nadie."""
        return await tickets.assign(tenant_id, ticket_id, data)
