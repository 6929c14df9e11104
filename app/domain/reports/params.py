"""What reports take from their query string."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.db.session import Work
from app.domain.reports.asked import MAX_ROWS, Asked, Compare, Format, asked_by, check
from app.domain.reports.sheets import MEDIA, file_of
from app.domain.reports.tables import ReportOut, Table, answer, heading
from app.lib.errors import FieldError, RuleBroken

FromParam = Annotated[
    date | None,
    QueryParameter(name="from", description="Primer día, en la zona de la tienda; sin él, el primero del mes."),
]
ToParam = Annotated[date | None, QueryParameter(name="to", description="Último día, incluido; sin él, hoy.")]
FormatParam = Annotated[Format, QueryParameter(name="format", description="json, csv, xlsx o pdf.")]
CompareParam = Annotated[
    Compare, QueryParameter(name="compare", description="Con el período anterior o con el mismo del año pasado.")
]
BranchParam = Annotated[UUID | None, QueryParameter(name="branchId", description="Solo esta sucursal.")]
RegisterParam = Annotated[UUID | None, QueryParameter(name="registerId", description="Solo esta caja.")]
SellerParam = Annotated[UUID | None, QueryParameter(name="sellerId", description="Solo este vendedor.")]
CategoryParam = Annotated[
    UUID | None, QueryParameter(name="categoryId", description="Solo esta categoría y las que cuelgan de ella.")
]
CustomerParam = Annotated[UUID | None, QueryParameter(name="customerId", description="Solo este cliente.")]
ProductParam = Annotated[UUID | None, QueryParameter(name="productId", description="Solo este producto.")]


async def provide_asked(
    work: NamedDependency[Work],
    *,
    first: FromParam = None,
    last: ToParam = None,
    branch_id: BranchParam = None,
    register_id: RegisterParam = None,
    seller_id: SellerParam = None,
    category_id: CategoryParam = None,
    customer_id: CustomerParam = None,
    product_id: ProductParam = None,
    format_: FormatParam = "json",
    compare: CompareParam = "none",
) -> Asked:
    """Period and filters of sales reports, checked."""
    asked = asked_by(
        work,
        first,
        last,
        branch_id=branch_id,
        register_id=register_id,
        seller_id=seller_id,
        category_id=category_id,
        customer_id=customer_id,
        product_id=product_id,
        format=format_,
        compare=compare,
    )
    return await check(work, asked)


async def provide_tickets(
    work: NamedDependency[Work],
    *,
    first: FromParam = None,
    last: ToParam = None,
    branch_id: BranchParam = None,
    register_id: RegisterParam = None,
    seller_id: SellerParam = None,
    customer_id: CustomerParam = None,
    format_: FormatParam = "json",
) -> Asked:
    """Period and filters of reports of whole tickets, checked."""
    asked = asked_by(
        work,
        first,
        last,
        branch_id=branch_id,
        register_id=register_id,
        seller_id=seller_id,
        customer_id=customer_id,
        format=format_,
    )
    return await check(work, asked)


async def provide_drawers(
    work: NamedDependency[Work],
    first: FromParam = None,
    last: ToParam = None,
    branch_id: BranchParam = None,
    register_id: RegisterParam = None,
    format_: FormatParam = "json",
) -> Asked:
    """Period and filters of reports of drawers, checked."""
    return await check(work, asked_by(work, first, last, branch_id=branch_id, register_id=register_id, format=format_))


async def provide_period(
    work: NamedDependency[Work],
    first: FromParam = None,
    last: ToParam = None,
    branch_id: BranchParam = None,
    format_: FormatParam = "json",
) -> Asked:
    """Period and branch of reports that know no more, checked."""
    return await check(work, asked_by(work, first, last, branch_id=branch_id, format=format_))


async def provide_goods(
    work: NamedDependency[Work],
    first: FromParam = None,
    last: ToParam = None,
    branch_id: BranchParam = None,
    category_id: CategoryParam = None,
    product_id: ProductParam = None,
    format_: FormatParam = "json",
) -> Asked:
    """Period and filters of reports of goods, checked."""
    asked = asked_by(
        work, first, last, branch_id=branch_id, category_id=category_id, product_id=product_id, format=format_
    )
    return await check(work, asked)


async def sent(work: Work, asked: Asked, table: Table) -> Response[ReportOut]:
    """The report in the asked format. Raises 422 for a file that is too long to be made while somebody waits."""
    head = await heading(work)
    if asked.format == "json":
        return Response(answer(table, asked, head))
    if table.has_more:
        raise RuleBroken(
            f"El informe pasa de {MAX_ROWS} filas: acorte el período o pida el detalle en segundo plano.",
            code="too-many-rows",
            errors=(FieldError("/format", "too-many-rows", "Use POST /v1/reports/exports."),),
        )
    name = f"{table.name}-{asked.first}-{asked.last}.{asked.format}"
    made: Response[Any] = Response(
        file_of(table, asked, head),
        media_type=MEDIA[asked.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    return made
