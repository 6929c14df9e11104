"""HTTP face of reports on sales, money and customers."""

from datetime import date
from typing import Annotated

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.db.session import Work
from app.domain.reports.asked import Asked, By
from app.domain.reports.cash import cash, exceptions
from app.domain.reports.customers import clusters, rfm
from app.domain.reports.documents import Narrow, documents
from app.domain.reports.params import provide_asked, provide_drawers, provide_period, provide_tickets, sent
from app.domain.reports.sales import sales
from app.domain.reports.tables import ReportOut
from app.domain.reports.taxes import document_states, tax_documents, taxes
from app.domain.reports.trending import Order, top
from app.lib.access import requires
from app.lib.page_params import CursorParam, LimitParam
from app.lib.pages import DEFAULT_LIMIT

ByParam = Annotated[By, QueryParameter(name="by", description="Cómo se separan las ventas.")]
OrderParam = Annotated[Order, QueryParameter(name="order", description="Por ventas, crecimiento, unidades o margen.")]
DayParam = Annotated[date | None, QueryParameter(name="day", description="De ese día.")]
HourParam = Annotated[int | None, QueryParameter(name="hour", ge=0, le=23, description="De esa hora.")]
WeekdayParam = Annotated[int | None, QueryParameter(name="weekday", ge=1, le=7, description="1 lunes … 7 domingo.")]
BrandParam = Annotated[str | None, QueryParameter(name="brand", max_length=200, description="De esa marca.")]
OwnCategoryParam = Annotated[
    str | None,
    QueryParameter(
        name="ownCategoryId",
        pattern=r"^(none|[0-9a-f-]{36})$",
        description="De esa categoría misma; `none`: sin categoría.",
    ),
]
MethodParam = Annotated[str | None, QueryParameter(name="method", max_length=20, description="De ese medio de pago.")]
TaxClassParam = Annotated[
    str | None, QueryParameter(name="taxClass", max_length=40, description="De esa clase de impuesto.")
]
TaxRateParam = Annotated[
    str | None,
    QueryParameter(name="taxRate", pattern=r"^[01](\.[0-9]{1,6})?$", description="De esa tarifa, como fracción."),
]
KindParam = Annotated[
    str | None,
    QueryParameter(name="kind", pattern="^(sale|return|void)$", description="Ventas, devoluciones o anulaciones."),
]
_MAY = requires("reports:read", in_read_only=True)


class ReportController(Controller):
    path = "/reports"
    tags = ["Informes"]
    dependencies = {"asked": Provide(provide_asked)}

    @get("/sales", operation_id="GetSalesReport", guards=[_MAY])
    async def get_sales(
        self, work: NamedDependency[Work], asked: NamedDependency[Asked], by: ByParam = "day"
    ) -> Response[ReportOut]:
        """Ventas netas de devoluciones por día, hora, producto, categoría, marca, vendedor, medio de pago, cliente o sucursal."""
        return await sent(work, asked, await sales(work, asked, by))

    @get("/sales/documents", operation_id="ListReportDocuments", guards=[_MAY])
    async def list_documents(
        self,
        work: NamedDependency[Work],
        asked: NamedDependency[Asked],
        *,
        day: DayParam = None,
        hour: HourParam = None,
        weekday: WeekdayParam = None,
        brand: BrandParam = None,
        own_category: OwnCategoryParam = None,
        method: MethodParam = None,
        tax_class: TaxClassParam = None,
        tax_rate: TaxRateParam = None,
        kind: KindParam = None,
        limit: LimitParam = DEFAULT_LIMIT,
        cursor: CursorParam = None,
    ) -> Response[ReportOut]:
        """Los documentos detrás de un número de un informe, con lo que cada uno le suma."""
        narrow = Narrow(
            day=day,
            hour=hour,
            weekday=weekday,
            brand=brand,
            own_category_id=own_category,
            method=method,
            tax_class=tax_class,
            tax_rate=tax_rate,
            kind=kind,
        )
        return await sent(work, asked, await documents(work, asked, narrow, limit, cursor))

    @get("/top-products", operation_id="GetTopProducts", guards=[_MAY])
    async def get_top(
        self, work: NamedDependency[Work], asked: NamedDependency[Asked], order: OrderParam = "revenue"
    ) -> Response[ReportOut]:
        """Productos más vendidos y los que crecen, frente al período anterior."""
        return await sent(work, asked, await top(work, asked, order))

    @get("/taxes", operation_id="GetTaxReport", guards=[_MAY])
    async def get_taxes(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Impuestos generados por clase, tarifa y clase de tiquete."""
        return await sent(work, asked, await taxes(work, asked))

    @get(
        "/tax-documents",
        operation_id="GetTaxDocumentReport",
        guards=[_MAY],
        dependencies={"asked": Provide(provide_tickets)},
    )
    async def get_tax_documents(
        self, work: NamedDependency[Work], asked: NamedDependency[Asked]
    ) -> Response[ReportOut]:
        """Los mismos impuestos por el documento electrónico que los lleva."""
        return await sent(work, asked, await tax_documents(work, asked))

    @get("/dian", operation_id="GetDianReport", guards=[_MAY], dependencies={"asked": Provide(provide_period)})
    async def get_dian(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Documentos electrónicos del período por clase y estado ante la DIAN."""
        return await sent(work, asked, await document_states(work, asked))

    @get("/cash", operation_id="GetCashBySession", guards=[_MAY], dependencies={"asked": Provide(provide_drawers)})
    async def get_cash(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Caja por turno: lo esperado, lo contado y la diferencia, como quedaron en cada Z."""
        return await sent(work, asked, await cash(work, asked))

    @get(
        "/exceptions",
        operation_id="GetExceptionReport",
        guards=[_MAY],
        dependencies={"asked": Provide(provide_tickets)},
    )
    async def get_exceptions(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Anulaciones, devoluciones y descuentos, con quién los hizo."""
        return await sent(work, asked, await exceptions(work, asked))

    @get("/customers/rfm", operation_id="GetCustomerSegments", guards=[_MAY])
    async def get_rfm(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Clientes por recencia, frecuencia y monto, con su segmento."""
        return await sent(work, asked, await rfm(work, asked))

    @get("/customers/clusters", operation_id="GetCustomerClusters", guards=[_MAY])
    async def get_clusters(self, work: NamedDependency[Work], asked: NamedDependency[Asked]) -> Response[ReportOut]:
        """Grupos de clientes parecidos, por k-means con semilla fija, y qué distingue a cada uno."""
        return await sent(work, asked, await clusters(work, asked))
