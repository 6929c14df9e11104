"""HTTP face of transfers between warehouses."""

from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.inventory.transfer_reads import TransferReads
from app.domain.inventory.transfer_schemas import (
    CancelTransfer,
    PostTransfer,
    ReceiveTransfer,
    TransferOut,
    TransferPage,
)
from app.domain.inventory.transfers import TransferService
from app.domain.inventory.viewing import shown
from app.lib.access import MOVES_VALUE, requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

MODULE: Final = "transfers"
"""Of the plan; counts are part of it."""


def provide_transfers(work: NamedDependency[Work]) -> TransferService:
    return TransferService(work)


class TransferController(Controller):
    path = "/inventory/transfers"
    tags = ["Inventario"]
    dependencies = {"transfers": Provide(provide_transfers, sync_to_thread=False)}

    @post(operation_id="PostTransfer", guards=[requires("inventory:transfer", module=MODULE)], opt=MOVES_VALUE)
    async def post_transfer(
        self,
        data: JSONBody[PostTransfer],
        transfers: NamedDependency[TransferService],
        work: NamedDependency[Work],
    ) -> Response[TransferOut]:
        """Envía productos de una bodega a otra: salen a su costo promedio y quedan en camino hasta que se reciban."""
        answer, is_new = await transfers.send(data)
        return Response(shown(answer, work.actor), status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get(operation_id="ListTransfers", guards=[requires("inventory:read", module=MODULE)])
    async def list_transfers(
        self,
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        status: Annotated[
            Literal["open", "closed", "all"],
            QueryParameter(name="status", description="`open`: algo viene en camino."),
        ] = "all",
        warehouse_id: Annotated[
            UUID | None, QueryParameter(name="warehouseId", description="Desde o hacia esta bodega.")
        ] = None,
    ) -> TransferPage:
        """Los traslados, del más nuevo al más viejo."""
        page = await TransferReads(work).page(status, warehouse_id, limit=limit, cursor=cursor)
        return shown(page, work.actor)

    @get("/{transfer_id:uuid}", operation_id="GetTransfer", guards=[requires("inventory:read", module=MODULE)])
    async def get_transfer(self, transfer_id: FromPath[UUID], work: NamedDependency[Work]) -> TransferOut:
        """Un traslado con sus líneas y lo que pasó con ellas."""
        return shown(await TransferReads(work).find(transfer_id), work.actor)

    @post(
        "/{transfer_id:uuid}/receive",
        operation_id="ReceiveTransfer",
        guards=[requires("inventory:transfer", module=MODULE, in_read_only=True)],
        opt=MOVES_VALUE,
        status_code=HTTP_200_OK,
    )
    async def receive_transfer(
        self,
        transfer_id: FromPath[UUID],
        data: JSONBody[ReceiveTransfer],
        transfers: NamedDependency[TransferService],
        work: NamedDependency[Work],
    ) -> TransferOut:
        """Recibe lo que llegó, todo o una parte, y da de baja lo que se perdió; lo demás sigue en camino."""
        return shown(await transfers.receive(transfer_id, data), work.actor)

    @post(
        "/{transfer_id:uuid}/cancel",
        operation_id="CancelTransfer",
        guards=[requires("inventory:transfer", module=MODULE, in_read_only=True)],
        opt=MOVES_VALUE,
        status_code=HTTP_200_OK,
    )
    async def cancel_transfer(
        self,
        transfer_id: FromPath[UUID],
        data: JSONBody[CancelTransfer],
        transfers: NamedDependency[TransferService],
        work: NamedDependency[Work],
    ) -> TransferOut:
        """Devuelve a la bodega de origen lo que viene en camino, con su valor."""
        return shown(await transfers.cancel(transfer_id, data), work.actor)
