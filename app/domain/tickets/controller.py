"""HTTP face of support tickets for the company that asks. Open in every status: who is stopped needs help the most."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.tickets.schemas import OpenTicket, TicketOut, TicketPage, TicketStatus, WriteMessage
from app.domain.tickets.service import Tickets
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

StatusParam = Annotated[TicketStatus | None, QueryParameter(name="status", description="En qué va el caso.")]
_READ: Final = requires("tickets:read", in_suspended=True)
_WRITE: Final = requires("tickets:write", in_read_only=True, in_suspended=True)


def provide_tickets(work: NamedDependency[Work]) -> Tickets:
    return Tickets(work)


class TicketController(Controller):
    path = "/support-tickets"
    tags = ["Soporte"]
    dependencies = {"tickets": Provide(provide_tickets, sync_to_thread=False)}

    @get(operation_id="ListTickets", guards=[_READ])
    async def list_tickets(
        self,
        tickets: NamedDependency[Tickets],
        status: StatusParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> TicketPage:
        """Los casos de soporte de la empresa, del más nuevo al más viejo."""
        return await tickets.page(status, limit, cursor)

    @post(operation_id="OpenTicket", guards=[_WRITE])
    async def open_ticket(self, data: JSONBody[OpenTicket], tickets: NamedDependency[Tickets]) -> Response[TicketOut]:
        """Abre un caso de soporte; se avisa por correo al operador."""
        made, is_new = await tickets.open(data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get("/{ticket_id:uuid}", operation_id="GetTicket", guards=[_READ])
    async def get_ticket(self, ticket_id: FromPath[UUID], tickets: NamedDependency[Tickets]) -> TicketOut:
        """Un caso con sus mensajes."""
        return await tickets.read(ticket_id)

    @post("/{ticket_id:uuid}/messages", operation_id="WriteTicketMessage", guards=[_WRITE])
    async def write_message(
        self, ticket_id: FromPath[UUID], data: JSONBody[WriteMessage], tickets: NamedDependency[Tickets]
    ) -> Response[TicketOut]:
        """Escribe en un caso; uno cerrado queda abierto otra vez."""
        made, is_new = await tickets.write(ticket_id, data)
        return Response(made, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @post("/{ticket_id:uuid}/close", operation_id="CloseTicket", guards=[_WRITE], status_code=HTTP_200_OK)
    async def close_ticket(self, ticket_id: FromPath[UUID], tickets: NamedDependency[Tickets]) -> TicketOut:
        """Cierra un caso que ya no necesita ayuda."""
        return await tickets.close(ticket_id)
