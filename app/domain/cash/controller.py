"""HTTP face of the drawer."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.cash.close import CloseService
from app.domain.cash.movements import MovementService
from app.domain.cash.papers import movement_pdf, report_pdf
from app.domain.cash.report import Report, ReportService
from app.domain.cash.schemas import (
    CashRegisterPage,
    CloseSession,
    MakeMovement,
    MakeTransfer,
    MovementOut,
    MovementPage,
    OpenSession,
    SessionOut,
    SessionPage,
    TransferOut,
)
from app.domain.cash.sessions import SessionService
from app.lib.access import MOVES_VALUE, requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

PDF = "application/pdf"

StatusParam = Annotated[
    Literal["open", "closed"] | None, QueryParameter(name="status", description="Abiertos o cerrados.")
]
RegisterParam = Annotated[UUID | None, QueryParameter(name="registerId", description="De una sola caja.")]
FormatParam = Annotated[
    Literal["json", "pdf"], QueryParameter(name="format", description="`pdf`: para imprimir en 80 mm.")
]


def provide_sessions(work: NamedDependency[Work]) -> SessionService:
    return SessionService(work)


def provide_movements(work: NamedDependency[Work]) -> MovementService:
    return MovementService(work)


class CashController(Controller):
    path = "/cash"
    tags = ["Caja"]
    dependencies = {
        "sessions": Provide(provide_sessions, sync_to_thread=False),
        "movements": Provide(provide_movements, sync_to_thread=False),
    }

    @get("/registers", operation_id="ListCashRegisters", guards=[requires("cash:read")])
    async def list_registers(
        self,
        sessions: NamedDependency[SessionService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CashRegisterPage:
        """Las cajas de la empresa, y el turno abierto de cada una."""
        return await sessions.registers(limit, cursor)

    @post("/sessions", operation_id="OpenCashSession", guards=[requires("cash:operate")], opt=MOVES_VALUE)
    async def open_session(
        self, data: JSONBody[OpenSession], sessions: NamedDependency[SessionService]
    ) -> Response[SessionOut]:
        """Abre un turno de caja con su base en efectivo; una caja tiene a lo sumo uno abierto."""
        opened, is_new = await sessions.open(data)
        return Response(opened, status_code=_made(is_new=is_new))

    @get("/sessions", operation_id="ListCashSessions", guards=[requires("cash:read")])
    async def list_sessions(
        self,
        sessions: NamedDependency[SessionService],
        status: StatusParam = None,
        register_id: RegisterParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> SessionPage:
        """Turnos de caja, del más nuevo al más viejo."""
        return await sessions.page(status, register_id, limit, cursor)

    @get("/sessions/{session_id:uuid}", operation_id="GetCashSession", guards=[requires("cash:read")])
    async def get_session(self, session_id: FromPath[UUID], sessions: NamedDependency[SessionService]) -> SessionOut:
        """Un turno con sus medios de pago. Lo esperado solo lo ve, antes del cierre, quien aprueba diferencias."""
        return await sessions.find(session_id)

    @post(
        "/sessions/{session_id:uuid}/movements",
        operation_id="MakeCashMovement",
        guards=[requires("cash:operate")],
        opt=MOVES_VALUE,
    )
    async def make_movement(
        self,
        session_id: FromPath[UUID],
        data: JSONBody[MakeMovement],
        movements: NamedDependency[MovementService],
    ) -> Response[MovementOut]:
        """Entra o sale efectivo de una caja abierta, con su motivo."""
        movement, is_new = await movements.make(session_id, data)
        return Response(movement, status_code=_made(is_new=is_new))

    @get("/sessions/{session_id:uuid}/movements", operation_id="ListCashMovements", guards=[requires("cash:approve")])
    async def list_movements(
        self,
        session_id: FromPath[UUID],
        sessions: NamedDependency[SessionService],
        movements: NamedDependency[MovementService],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> MovementPage:
        """Todo lo que movió un turno, ventas incluidas, del primero al último."""
        await sessions.row(session_id)
        return await movements.page(session_id, limit, cursor)

    @post("/transfers", operation_id="TransferCash", guards=[requires("cash:operate")], opt=MOVES_VALUE)
    async def transfer(
        self, data: JSONBody[MakeTransfer], movements: NamedDependency[MovementService]
    ) -> Response[TransferOut]:
        """Lleva efectivo de una caja abierta a otra."""
        transfer, is_new = await movements.transfer(data)
        return Response(transfer, status_code=_made(is_new=is_new))

    @post(
        "/sessions/{session_id:uuid}/close",
        operation_id="CloseCashSession",
        guards=[requires("cash:operate", in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def close_session(
        self, session_id: FromPath[UUID], data: JSONBody[CloseSession], work: NamedDependency[Work]
    ) -> SessionOut:
        """Cierra el turno con lo contado por medio de pago y numera su Z; después nada se le puede registrar."""
        return await CloseService(work).close(session_id, data)

    @get(
        "/sessions/{session_id:uuid}/report",
        operation_id="GetCashReport",
        guards=[requires("cash:read")],
        responses={200: ResponseSpec(Report, generate_examples=False, description="El informe; en PDF si se pide.")},
    )
    async def get_report(
        self, session_id: FromPath[UUID], work: NamedDependency[Work], report_format: FormatParam = "json"
    ) -> Response[Report] | Response[bytes]:
        """El informe X (turno abierto, al momento) o Z (cerrado, congelado)."""
        report = await ReportService(work).report(session_id)
        if report_format == "pdf":
            name = f"{report.kind}-{report.z_number or session_id}"
            return _paper(await report_pdf(report), name)
        return Response(report)

    @get(
        "/movements/{movement_id:uuid}/receipt.pdf",
        operation_id="GetCashMovementReceipt",
        guards=[requires("cash:read")],
        media_type=PDF,
    )
    async def get_receipt(self, movement_id: FromPath[UUID], work: NamedDependency[Work]) -> Response[bytes]:
        """Comprobante de una entrada, salida o traslado de efectivo, para firmar."""
        return _paper(await movement_pdf(work, movement_id), f"comprobante-{movement_id}")


def _made(*, is_new: bool) -> int:
    return HTTP_201_CREATED if is_new else HTTP_200_OK


def _paper(content: bytes, name: str) -> Response[bytes]:
    return Response(content, media_type=PDF, headers={"Content-Disposition": f'inline; filename="{name}.pdf"'})
