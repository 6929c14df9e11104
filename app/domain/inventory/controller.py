"""HTTP face of stock."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from app.db.session import Work
from app.domain.inventory.conflicts import ConflictService
from app.domain.inventory.reads import StockReads
from app.domain.inventory.schemas import (
    AdjustmentOut,
    AdjustmentPage,
    ConflictOut,
    ConflictPage,
    KardexPage,
    PostAdjustment,
    PostRevaluation,
    ReverseAdjustment,
    SettleConflict,
    StockPage,
    ValuationOut,
)
from app.domain.inventory.service import AdjustmentService
from app.domain.inventory.sheet import kardex_sheet
from app.domain.inventory.viewing import shown
from app.lib.access import MOVES_VALUE, requires
from app.lib.actor import Actor
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ProductParam = Annotated[UUID | None, QueryParameter(name="productId", description="Solo este producto.")]
WarehouseParam = Annotated[UUID | None, QueryParameter(name="warehouseId", description="Solo esta bodega.")]
FromParam = Annotated[date | None, QueryParameter(name="from", description="Primer día, en la zona de la tienda.")]
ToParam = Annotated[date | None, QueryParameter(name="to", description="Último día, incluido.")]


def provide_adjustments(work: NamedDependency[Work]) -> AdjustmentService:
    return AdjustmentService(work)


def provide_stock(work: NamedDependency[Work]) -> StockReads:
    return StockReads(work)


def provide_conflicts(work: NamedDependency[Work]) -> ConflictService:
    return ConflictService(work)


class AdjustmentController(Controller):
    path = "/inventory"
    tags = ["Inventario"]
    dependencies = {
        "adjustments": Provide(provide_adjustments, sync_to_thread=False),
        "stock": Provide(provide_stock, sync_to_thread=False),
    }

    @post("/adjustments", operation_id="PostAdjustment", guards=[requires("inventory:adjust")], opt=MOVES_VALUE)
    async def post_adjustment(
        self,
        data: JSONBody[PostAdjustment],
        adjustments: NamedDependency[AdjustmentService],
        work: NamedDependency[Work],
    ) -> Response[AdjustmentOut]:
        """Ajusta existencias: entradas y salidas con su motivo, todas o ninguna."""
        return _created(*await adjustments.adjust(data), work.actor)

    @get("/adjustments", operation_id="ListAdjustments", guards=[requires("inventory:read")])
    async def list_adjustments(
        self,
        stock: NamedDependency[StockReads],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> AdjustmentPage:
        """Los ajustes, revaluaciones y reversiones, del más nuevo al más viejo."""
        return shown(await stock.adjustments(limit=limit, cursor=cursor), work.actor)

    @get("/adjustments/{adjustment_id:uuid}", operation_id="GetAdjustment", guards=[requires("inventory:read")])
    async def get_adjustment(
        self,
        adjustment_id: FromPath[UUID],
        adjustments: NamedDependency[AdjustmentService],
        work: NamedDependency[Work],
    ) -> AdjustmentOut:
        """Un ajuste con sus líneas."""
        return shown(await adjustments.find(adjustment_id), work.actor)

    @post(
        "/adjustments/{adjustment_id:uuid}/reverse",
        operation_id="ReverseAdjustment",
        guards=[requires("inventory:adjust")],
        opt=MOVES_VALUE,
    )
    async def reverse_adjustment(
        self,
        adjustment_id: FromPath[UUID],
        data: JSONBody[ReverseAdjustment],
        adjustments: NamedDependency[AdjustmentService],
        work: NamedDependency[Work],
    ) -> Response[AdjustmentOut]:
        """Reversa un ajuste con su contrario; lo escrito no se borra."""
        return _created(*await adjustments.reverse(adjustment_id, data), work.actor)

    @post("/revaluations", operation_id="PostRevaluation", guards=[requires("inventory:adjust")], opt=MOVES_VALUE)
    async def post_revaluation(
        self,
        data: JSONBody[PostRevaluation],
        adjustments: NamedDependency[AdjustmentService],
        work: NamedDependency[Work],
    ) -> Response[AdjustmentOut]:
        """Cambia lo que valen las existencias sin mover unidades."""
        return _created(*await adjustments.revalue(data), work.actor)


class StockController(Controller):
    tags = ["Inventario"]
    dependencies = {"stock": Provide(provide_stock, sync_to_thread=False)}

    @get("/inventory/stock", operation_id="ListStock", guards=[requires("inventory:read")])
    async def list_stock(
        self,
        stock: NamedDependency[StockReads],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        product_id: ProductParam = None,
        warehouse_id: WarehouseParam = None,
        below_minimum: Annotated[
            bool, QueryParameter(name="belowMinimum", description="Solo lo que está por debajo de su mínimo.")
        ] = False,
    ) -> StockPage:
        """Lo que hay de cada producto en cada bodega, con su costo promedio."""
        page = await stock.stock(
            product_id=product_id,
            warehouse_id=warehouse_id,
            below_minimum=below_minimum,
            limit=limit,
            cursor=cursor,
        )
        return shown(page, work.actor)

    @get("/products/{product_id:uuid}/kardex", operation_id="GetKardex", guards=[requires("inventory:read")])
    async def get_kardex(
        self,
        product_id: FromPath[UUID],
        stock: NamedDependency[StockReads],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        warehouse_id: WarehouseParam = None,
        first_day: FromParam = None,
        last_day: ToParam = None,
        as_format: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
    ) -> KardexPage | Response[bytes]:
        """El kárdex de un producto: cada movimiento con su saldo. `format=csv` lo da entero, para imprimir."""
        if as_format == "json":
            page = await stock.kardex(
                product_id,
                warehouse_id=warehouse_id,
                first_day=first_day,
                last_day=last_day,
                limit=limit,
                cursor=cursor,
            )
            return shown(page, work.actor)
        rows = await stock.kardex_rows(product_id, warehouse_id=warehouse_id, first_day=first_day, last_day=last_day)
        return Response(
            kardex_sheet(((shown(line, work.actor), name) for line, name in rows), work.actor.time_zone),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="kardex-{product_id}.csv"'},
        )

    @get("/inventory/valuation", operation_id="GetValuation", guards=[requires("costs:read")])
    async def get_valuation(
        self,
        stock: NamedDependency[StockReads],
        at: Annotated[
            date | None, QueryParameter(name="at", description="Al final de este día; sin él, ahora.")
        ] = None,
        group_by: Annotated[Literal["category", "warehouse"], QueryParameter(name="groupBy")] = "category",
    ) -> ValuationOut:
        """Lo que valen las existencias, por categoría o por bodega."""
        return await stock.valuation(at, group_by)


class ConflictController(Controller):
    path = "/inventory/conflicts"
    tags = ["Inventario"]
    dependencies = {"conflicts": Provide(provide_conflicts, sync_to_thread=False)}

    @get(operation_id="ListStockConflicts", guards=[requires("inventory:read")])
    async def list_conflicts(
        self,
        conflicts: NamedDependency[ConflictService],
        work: NamedDependency[Work],
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        status: Annotated[Literal["open", "settled", "all"], QueryParameter(name="status")] = "open",
    ) -> ConflictPage:
        """Unidades que una caja vendió sin conexión y que los libros no tenían."""
        return shown(await conflicts.page(status, limit=limit, cursor=cursor), work.actor)

    @post(
        "/{conflict_id:uuid}/settle",
        operation_id="SettleStockConflict",
        guards=[requires("inventory:adjust")],
        status_code=HTTP_200_OK,
    )
    async def settle_conflict(
        self,
        conflict_id: FromPath[UUID],
        data: JSONBody[SettleConflict],
        conflicts: NamedDependency[ConflictService],
        work: NamedDependency[Work],
    ) -> ConflictOut:
        """Anota cómo se resolvió un faltante."""
        return shown(await conflicts.settle(conflict_id, data), work.actor)


def _created(answer: AdjustmentOut, is_new: bool, actor: Actor) -> Response[AdjustmentOut]:
    return Response(shown(answer, actor), status_code=HTTP_201_CREATED if is_new else HTTP_200_OK)
