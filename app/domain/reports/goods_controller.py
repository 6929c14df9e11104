"""HTTP face of reports on goods."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from app.db.session import Work
from app.domain.reports.asked import Asked
from app.domain.reports.forecast import forecasts
from app.domain.reports.params import provide_goods, provide_period, sent
from app.domain.reports.stock import DEAD_AFTER, abc, dead, inventory, kardex, rotation
from app.domain.reports.stockouts import stockouts
from app.domain.reports.tables import ReportOut
from app.lib.access import requires

_MAY = requires("reports:read", in_read_only=True)
DaysParam = Annotated[int, QueryParameter(name="days", ge=1, le=365, description="Días sin ventas.")]


class GoodsReportController(Controller):
    path = "/reports"
    tags = ["Informes"]
    dependencies = {"asked": Provide(provide_goods)}

    @get("/inventory", operation_id="GetInventoryReport", guards=[_MAY])
    async def get_inventory(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Existencias y su valor al final del último día del período; sin fechas, ahora."""
        return await sent(work, asked, await inventory(work, asked))

    @get(
        "/products/{product_id:uuid}/kardex",
        operation_id="GetKardexReport",
        guards=[_MAY],
        dependencies={"asked": Provide(provide_period)},
    )
    async def get_kardex(
        self, product_id: FromPath[UUID], work: NamedDependency[Work], asked: NamedDependency[Asked]
    ) -> Response[ReportOut]:
        """El kárdex de un producto en el período."""
        return await sent(work, asked, await kardex(work, asked, product_id))

    @get("/rotation", operation_id="GetRotationReport", guards=[_MAY])
    async def get_rotation(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Rotación y días de inventario de cada producto."""
        return await sent(work, asked, await rotation(work, asked))

    @get("/abc", operation_id="GetAbcReport", guards=[_MAY])
    async def get_abc(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Clasificación ABC de los productos por sus ventas."""
        return await sent(work, asked, await abc(work, asked))

    @get("/dead-stock", operation_id="GetDeadStockReport", guards=[_MAY])
    async def get_dead(
        self, work: NamedDependency[Work], asked: NamedDependency[Asked], days: DaysParam = DEAD_AFTER
    ) -> Response[ReportOut]:
        """Existencias que nadie compra."""
        return await sent(work, asked, await dead(work, asked, days))

    @get("/stockouts", operation_id="GetStockoutReport", guards=[_MAY])
    async def get_stockouts(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Lo que costaron los agotados: ventas y margen que no se hicieron."""
        return await sent(work, asked, await stockouts(work, asked))

    @get("/forecast", operation_id="GetForecast", guards=[_MAY])
    async def get_forecast(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Demanda esperada de los productos que más se venden, con el error medido del método."""
        return await sent(work, asked, await forecasts(work, asked))
