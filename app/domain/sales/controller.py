"""HTTP face of the counter."""

import asyncio
from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import MediaType
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.sales.giveback import GiveBackService
from app.domain.sales.held import HeldTicketService
from app.domain.sales.post import ACCESS, Caller, SaleExists, SalePoster
from app.domain.sales.read import SaleFilters, SaleReader
from app.domain.sales.returns import ReturnReader
from app.domain.sales.schemas import (
    HeldTicketOut,
    HeldTicketPage,
    HoldTicket,
    PostReturn,
    PostSale,
    ReturnOut,
    ReturnPage,
    SaleOut,
    SalePage,
    VoidSale,
)
from app.domain.sales.ticket import render_ticket
from app.domain.sales.ticket_view import ticket_view
from app.lib.access import MOVES_VALUE, documented, requires
from app.lib.errors import DomainError
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT
from app.lib.problem import body_refusal, refuse_nul
from app.lib.schemas import JSON, json_decoder
from app.lib.tokens import Claims

_DECODER: Final = json_decoder(PostSale)

SessionParam = Annotated[UUID | None, QueryParameter(name="sessionId", description="De un turno de caja.")]
CustomerParam = Annotated[UUID | None, QueryParameter(name="customerId", description="De un cliente.")]
SaleParam = Annotated[UUID | None, QueryParameter(name="saleId", description="De una venta.")]
FromDayParam = Annotated[date | None, QueryParameter(name="from", description="Primer día hábil de la tienda.")]
ToDayParam = Annotated[date | None, QueryParameter(name="to", description="Último día, inclusive.")]
NumberParam = Annotated[str | None, QueryParameter(name="number", max_length=40, description="Como está impreso.")]
WidthParam = Annotated[Literal["58", "80", "letter"], QueryParameter(name="width", description="Ancho del papel.")]


def provide_sales(work: NamedDependency[Work]) -> SaleReader:
    return SaleReader(work)


def provide_giveback(work: NamedDependency[Work]) -> GiveBackService:
    return GiveBackService(work)


def provide_returns(work: NamedDependency[Work]) -> ReturnReader:
    return ReturnReader(work)


def provide_held(work: NamedDependency[Work]) -> HeldTicketService:
    return HeldTicketService(work)


class SaleController(Controller):
    path = "/sales"
    tags = ["Ventas"]
    dependencies = {
        "sales": Provide(provide_sales, sync_to_thread=False),
        "givebacks": Provide(provide_giveback, sync_to_thread=False),
        "returns": Provide(provide_returns, sync_to_thread=False),
    }

    @post(
        operation_id="PostSale",
        guards=[requires("sales:post", lane=True)],
        opt={**MOVES_VALUE, **documented(PostSale, SaleOut)},
        status_code=HTTP_201_CREATED,
    )
    async def post_sale(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Registra una venta: existencias, dinero, impuestos y consecutivo, todo o nada."""
        body = await request.body()
        claims: Claims = request.scope["state"]["claims"]
        try:
            refuse_nul(body)
            data = _DECODER.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            # Who may not sell is told so before being told what is wrong with the ticket.
            await request.app.state.gate.enter(request, claims, ACCESS)
            raise body_refusal(str(error)) from error
        except DomainError:
            await request.app.state.gate.enter(request, claims, ACCESS)
            raise
        caller = Caller.of(request.scope, claims, request.headers["idempotency-key"], body)
        poster: SalePoster = request.app.state.poster
        try:
            answer = await poster.post(data, caller)
        except SaleExists:
            return Response(
                await _stored_sale(request, claims, data), status_code=HTTP_200_OK, media_type=MediaType.JSON
            )
        return Response(answer, status_code=HTTP_201_CREATED, media_type=MediaType.JSON)

    @get(operation_id="ListSales", guards=[requires("sales:read")])
    async def list_sales(
        self,
        sales: NamedDependency[SaleReader],
        session_id: SessionParam = None,
        customer_id: CustomerParam = None,
        day_from: FromDayParam = None,
        day_to: ToDayParam = None,
        number: NumberParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> SalePage:
        """Ventas, de la más nueva a la más vieja."""
        filters = SaleFilters(
            session_id=session_id, customer_id=customer_id, day_from=day_from, day_to=day_to, number=number
        )
        return await sales.page(filters, limit, cursor)

    @get("/{sale_id:uuid}", operation_id="GetSale", guards=[requires("sales:read")])
    async def get_sale(self, sale_id: FromPath[UUID], sales: NamedDependency[SaleReader]) -> SaleOut:
        """Una venta con sus líneas, pagos y estado."""
        return await sales.read(sale_id)

    @get(
        "/{sale_id:uuid}/ticket.pdf",
        operation_id="GetSaleTicket",
        guards=[requires("sales:read")],
        media_type="application/pdf",
    )
    async def get_ticket(
        self, sale_id: FromPath[UUID], work: NamedDependency[Work], width: WidthParam = "80"
    ) -> Response[bytes]:
        """El tiquete impreso: rollo de 58 u 80 mm, o carta."""
        view = await ticket_view(work, sale_id)
        pdf = await asyncio.to_thread(render_ticket, view, width)
        return Response(
            pdf,
            media_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="tiquete-{view.number}.pdf"'},
        )

    @post(
        "/{sale_id:uuid}/void",
        operation_id="VoidSale",
        guards=[requires("sales:void", in_read_only=True)],
        opt=MOVES_VALUE,
        status_code=HTTP_201_CREATED,
    )
    async def void_sale(
        self,
        sale_id: FromPath[UUID],
        data: JSONBody[VoidSale],
        givebacks: NamedDependency[GiveBackService],
        returns: NamedDependency[ReturnReader],
    ) -> Response[ReturnOut]:
        """Anula lo que queda de una venta: devuelve existencias y dinero en el turno abierto."""
        return_id, is_new = await givebacks.void(sale_id, data)
        return Response(await returns.read(return_id), status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)


class ReturnController(Controller):
    path = "/returns"
    tags = ["Ventas"]
    dependencies = {
        "givebacks": Provide(provide_giveback, sync_to_thread=False),
        "returns": Provide(provide_returns, sync_to_thread=False),
    }

    @post(
        operation_id="PostReturn",
        guards=[requires("sales:return", in_read_only=True)],
        opt=MOVES_VALUE,
        status_code=HTTP_201_CREATED,
    )
    async def post_return(
        self,
        data: JSONBody[PostReturn],
        givebacks: NamedDependency[GiveBackService],
        returns: NamedDependency[ReturnReader],
    ) -> Response[ReturnOut]:
        """Recibe mercancía de una venta y devuelve el dinero, por el medio en que se pagó."""
        return_id, is_new = await givebacks.return_goods(data)
        return Response(await returns.read(return_id), status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get(operation_id="ListReturns", guards=[requires("sales:read")])
    async def list_returns(
        self,
        returns: NamedDependency[ReturnReader],
        sale_id: SaleParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> ReturnPage:
        """Devoluciones y anulaciones, de la más nueva a la más vieja."""
        return await returns.page(sale_id, limit, cursor)

    @get("/{return_id:uuid}", operation_id="GetReturn", guards=[requires("sales:read")])
    async def get_return(self, return_id: FromPath[UUID], returns: NamedDependency[ReturnReader]) -> ReturnOut:
        """Una devolución o anulación con sus líneas y reembolsos."""
        return await returns.read(return_id)


class HeldTicketController(Controller):
    path = "/held-tickets"
    tags = ["Ventas"]
    dependencies = {"held": Provide(provide_held, sync_to_thread=False)}

    @post(operation_id="HoldTicket", guards=[requires("sales:post")], status_code=HTTP_201_CREATED)
    async def hold_ticket(
        self, data: JSONBody[HoldTicket], held: NamedDependency[HeldTicketService]
    ) -> Response[HeldTicketOut]:
        """Deja un tiquete en espera: no cobra ni descuenta existencias."""
        ticket, is_new = await held.hold(data)
        return Response(ticket, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get(operation_id="ListHeldTickets", guards=[requires("sales:read")])
    async def list_held(
        self,
        held: NamedDependency[HeldTicketService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> HeldTicketPage:
        """Tiquetes en espera, del más viejo al más nuevo."""
        return await held.page(limit, cursor)

    @post(
        "/{held_id:uuid}/resume",
        operation_id="ResumeTicket",
        guards=[requires("sales:post")],
        status_code=HTTP_200_OK,
    )
    async def resume_ticket(self, held_id: FromPath[UUID], held: NamedDependency[HeldTicketService]) -> HeldTicketOut:
        """Retoma un tiquete en espera: deja de esperar, y ninguna otra caja lo recibe."""
        return await held.resume(held_id)


async def _stored_sale(request: Request[Any, Any, Any], claims: Claims, data: PostSale) -> bytes:
    """The ticket that was posted before under the id the client chose."""
    gate = request.app.state.gate
    await gate.enter(request, claims, ACCESS)
    assert data.id is not None
    return JSON.encode(await SaleReader(request.scope["state"]["request_work"].work).read(data.id))
