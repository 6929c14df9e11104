"""HTTP face of stock counts."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.inventory.count_closing import CountClosing
from app.domain.inventory.count_reads import CountReads
from app.domain.inventory.count_schemas import (
    CloseCount,
    CountEntryPage,
    CountItemPage,
    CountOut,
    CountPage,
    CountReview,
    EnterCount,
    EnteredOut,
    OpenCount,
    RecountProducts,
)
from app.domain.inventory.counts import CountService
from app.domain.inventory.transfer_controller import MODULE
from app.domain.inventory.viewing import shown
from app.lib.access import MOVES_VALUE, requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ProductParam = Annotated[UUID | None, QueryParameter(name="productId", description="Solo este producto.")]


def provide_counts(work: NamedDependency[Work]) -> CountService:
    return CountService(work)


def provide_count_reads(work: NamedDependency[Work]) -> CountReads:
    return CountReads(work)


def provide_count_closing(work: NamedDependency[Work]) -> CountClosing:
    return CountClosing(work)


class CountController(Controller):
    """Who counts sees no expected figures; who may adjust stock reviews, asks for recounts and ends the count."""

    path = "/inventory/counts"
    tags = ["Inventario"]
    dependencies = {
        "counts": Provide(provide_counts, sync_to_thread=False),
        "reads": Provide(provide_count_reads, sync_to_thread=False),
        "closing": Provide(provide_count_closing, sync_to_thread=False),
    }

    @post(operation_id="OpenCount", guards=[requires("inventory:count", module=MODULE)])
    async def open_count(self, data: JSONBody[OpenCount], counts: NamedDependency[CountService]) -> Response[CountOut]:
        """Abre un conteo de una bodega; mientras se cuenta se sigue vendiendo."""
        answer, is_new = await counts.open(data)
        return Response(answer, status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)

    @get(operation_id="ListCounts", guards=[requires("inventory:read", module=MODULE)])
    async def list_counts(
        self,
        reads: NamedDependency[CountReads],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        status: Annotated[
            Literal["open", "closed", "cancelled", "all"], QueryParameter(name="status", description="Solo estos.")
        ] = "all",
    ) -> CountPage:
        """Los conteos, del más nuevo al más viejo."""
        return await reads.page(status, limit=limit, cursor=cursor)

    @get("/{count_id:uuid}", operation_id="GetCount", guards=[requires("inventory:read", module=MODULE)])
    async def get_count(self, count_id: FromPath[UUID], reads: NamedDependency[CountReads]) -> CountOut:
        """Un conteo y cuánto va contado."""
        return await reads.find(count_id)

    @get("/{count_id:uuid}/items", operation_id="ListCountItems", guards=[requires("inventory:read", module=MODULE)])
    async def list_items(
        self,
        count_id: FromPath[UUID],
        reads: NamedDependency[CountReads],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        status: Annotated[
            Literal["pending", "counted", "all"], QueryParameter(name="status", description="`pending`: sin contar.")
        ] = "all",
    ) -> CountItemPage:
        """Los productos de un conteo, a ciegas: sin lo que dicen los libros."""
        return await reads.items(count_id, status, limit=limit, cursor=cursor)

    @post(
        "/{count_id:uuid}/entries",
        operation_id="EnterCount",
        guards=[requires("inventory:count", module=MODULE, in_read_only=True)],
        # Units added twice would become an adjustment of stock: a key makes a repeated request harmless.
        opt=MOVES_VALUE,
    )
    async def enter(
        self, count_id: FromPath[UUID], data: JSONBody[EnterCount], counts: NamedDependency[CountService]
    ) -> EnteredOut:
        """Registra lo contado desde un dispositivo: suma a lo que hay o lo reemplaza."""
        return EnteredOut(items=await counts.enter(count_id, data))

    @get(
        "/{count_id:uuid}/entries",
        operation_id="ListCountEntries",
        guards=[requires("inventory:adjust", module=MODULE, writes=False)],
    )
    async def list_entries(
        self,
        count_id: FromPath[UUID],
        reads: NamedDependency[CountReads],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        product_id: ProductParam = None,
    ) -> CountEntryPage:
        """Quién contó qué, cuándo y desde dónde."""
        return await reads.entries(count_id, product_id, limit=limit, cursor=cursor)

    @get(
        "/{count_id:uuid}/review",
        operation_id="ReviewCount",
        guards=[requires("inventory:adjust", module=MODULE, writes=False)],
    )
    async def review(
        self,
        count_id: FromPath[UUID],
        reads: NamedDependency[CountReads],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> CountReview:
        """Lo que no cuadra, en unidades y en pesos."""
        return shown(await reads.review(count_id, limit=limit, cursor=cursor), work.actor)

    @post(
        "/{count_id:uuid}/recount",
        operation_id="RecountProducts",
        guards=[requires("inventory:adjust", module=MODULE, in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def recount(
        self, count_id: FromPath[UUID], data: JSONBody[RecountProducts], counts: NamedDependency[CountService]
    ) -> CountOut:
        """Pide contar de nuevo unos productos, o todos los que no cuadran."""
        return await counts.recount(count_id, data)

    @post(
        "/{count_id:uuid}/close",
        operation_id="CloseCount",
        guards=[requires("inventory:adjust", module=MODULE, in_read_only=True)],
        opt=MOVES_VALUE,
        status_code=HTTP_200_OK,
    )
    async def close(
        self, count_id: FromPath[UUID], data: JSONBody[CloseCount], closing: NamedDependency[CountClosing]
    ) -> CountOut:
        """Cierra el conteo y ajusta las diferencias; lo vendido después de contar queda como está."""
        return await closing.close(count_id, data)

    @post(
        "/{count_id:uuid}/cancel",
        operation_id="CancelCount",
        guards=[requires("inventory:adjust", module=MODULE, in_read_only=True)],
        status_code=HTTP_200_OK,
    )
    async def cancel(self, count_id: FromPath[UUID], closing: NamedDependency[CountClosing]) -> CountOut:
        """Abandona el conteo sin ajustar nada."""
        return await closing.cancel(count_id)
