"""Reading tickets: one ticket whole, lists, and the state that follows from what came back."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import SQLColumnExpression, and_, case, exists, func, select

from app.db.session import Work
from app.domain.inventory.models import StockConflict
from app.domain.invoicing.reads import documents_of_sales
from app.domain.sales.models import Sale, SaleLine, SaleLineRemaining, SalePayment, SaleReturn
from app.domain.sales.schemas import (
    BuyerOut,
    ConflictOut,
    DocumentOut,
    NoticeOut,
    PaymentOut,
    SaleLineOut,
    SaleOut,
    SalePage,
    SaleSummaryOut,
)
from app.domain.tenants.scope import check_branch, in_branches
from app.lib.errors import NotFound
from app.lib.money import as_price, as_quantity, unit_cost
from app.lib.pages import after, cut
from app.lib.schemas import Input

Status = Literal["posted", "partly-returned", "returned", "voided"]

NO_DIAN = NoticeOut(
    code="dian-not-enabled", detail="La empresa aún no está habilitada ante la DIAN: el tiquete no es factura."
)
"""Readiness warning of a ticket that carries no electronic document."""

NO_DOCUMENT = NoticeOut(
    code="no-document", detail="La venta no lleva documento electrónico porque así se pidió: la ley pide expedirlo."
)
"""Warning of a ticket whose seller wanted none; the trail keeps it with the ticket."""


TRIAL = NoticeOut(
    code="dian-test-environment",
    detail="Documento de prueba: la empresa expide en el ambiente de habilitación de la DIAN, sin validez fiscal.",
)
"""Warning of a ticket whose document is of the habilitación."""


def notices(wanted: str, *, is_documented: bool, is_trial: bool) -> list[NoticeOut]:
    """What is to be said about the document of a ticket."""
    if wanted == "none":
        return [NO_DOCUMENT]
    if not is_documented:
        return [NO_DIAN]
    return [TRIAL] if is_trial else []


class SaleFilters(Input):
    """What a list of tickets can be narrowed to."""

    session_id: UUID | None = None
    customer_id: UUID | None = None
    day_from: date | None = None
    day_to: date | None = None
    number: str | None = None


class SaleReader:
    """Tickets of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def find(self, sale_id: UUID) -> Sale:
        """The ticket's row. Raises `NotFound`, also for another company's; 403 for one of a branch not the caller's."""
        sale = await self._work.session.scalar(
            select(Sale).where(Sale.tenant_id == self._work.tenant_id, Sale.id == sale_id)
        )
        if sale is None:
            raise NotFound("No hay tal venta.")
        check_branch(self._work.actor, sale.branch_id)
        return sale

    async def read(self, sale_id: UUID) -> SaleOut:
        """One ticket with its lines, payments and state."""
        sale = await self.find(sale_id)
        lines = (
            await self._work.session.execute(
                select(SaleLine, func.coalesce(SaleLineRemaining.quantity, SaleLine.quantity))
                .outerjoin(
                    SaleLineRemaining,
                    and_(
                        SaleLineRemaining.tenant_id == SaleLine.tenant_id, SaleLineRemaining.sale_line_id == SaleLine.id
                    ),
                )
                .where(SaleLine.tenant_id == self._work.tenant_id, SaleLine.sale_id == sale_id)
                .order_by(SaleLine.position)
            )
        ).all()
        payments = await self._work.session.scalars(
            select(SalePayment)
            .where(SalePayment.tenant_id == self._work.tenant_id, SalePayment.sale_id == sale_id)
            .order_by(SalePayment.position)
        )
        conflicts = await self._work.session.scalars(
            select(StockConflict)
            .where(StockConflict.tenant_id == self._work.tenant_id, StockConflict.document_id == sale_id)
            .order_by(StockConflict.id)
        )
        shown = (await documents_of_sales(self._work, [sale_id])).get(sale_id)
        document = DocumentOut.of(shown)
        costs = self._work.actor.may("costs:read")
        status = (await self._statuses([sale_id]))[sale_id]
        return SaleOut(
            id=sale.id,
            number=sale.number,
            sequence=sale.sequence,
            status=status,
            session_id=sale.session_id,
            branch_id=sale.branch_id,
            register_id=sale.register_id,
            customer=_buyer(sale),
            seller_id=sale.seller_id,
            user_id=sale.user_id,
            sold_at=sale.sold_at,
            posted_at=sale.posted_at,
            business_day=sale.business_day,
            lines=[_line(line, remaining, costs=costs) for line, remaining in lines],
            payments=[
                PaymentOut(method=row.method, amount=row.amount, change=row.change, reference=row.reference)
                for row in payments
            ],
            subtotal=sale.subtotal,
            tax_total=sale.tax_total,
            discount_total=sale.discount_total,
            total=sale.total,
            rounding=sale.rounding,
            change=sale.change,
            document=document,
            warnings=notices(
                sale.document_wanted,
                is_documented=document is not None,
                is_trial=shown is not None and shown.is_trial,
            ),
            conflicts=[ConflictOut(product_id=row.product_id, missing=as_quantity(row.missing)) for row in conflicts],
        )

    async def page(self, filters: SaleFilters, limit: int, cursor: str | None) -> SalePage:
        """Tickets of the caller's branches, the newest first."""
        conditions: list[SQLColumnExpression[bool]] = [
            Sale.tenant_id == self._work.tenant_id,
            *in_branches(self._work.actor, Sale.branch_id),
        ]
        if filters.session_id:
            conditions.append(Sale.session_id == filters.session_id)
        if filters.customer_id:
            conditions.append(Sale.customer_id == filters.customer_id)
        if filters.day_from:
            conditions.append(Sale.business_day >= filters.day_from)
        if filters.day_to:
            conditions.append(Sale.business_day <= filters.day_to)
        if filters.number:
            conditions.append(Sale.number == filters.number)
        statement = after(
            select(Sale).where(*conditions).limit(limit + 1),
            (Sale.posted_at, Sale.id),
            cursor,
            tuple[datetime, UUID],
            descending=True,
        )
        rows, next_cursor = cut(
            list(await self._work.session.scalars(statement)), limit, lambda row: (row.posted_at, row.id)
        )
        statuses = await self._statuses([row.id for row in rows])
        return SalePage(
            items=[
                SaleSummaryOut(
                    id=row.id,
                    number=row.number,
                    sequence=row.sequence,
                    status=statuses[row.id],
                    session_id=row.session_id,
                    branch_id=row.branch_id,
                    customer=_buyer(row),
                    seller_id=row.seller_id,
                    sold_at=row.sold_at,
                    posted_at=row.posted_at,
                    business_day=row.business_day,
                    total=row.total,
                    tax_total=row.tax_total,
                )
                for row in rows
            ],
            next_cursor=next_cursor,
        )

    async def _statuses(self, sale_ids: Sequence[UUID]) -> dict[UUID, Status]:
        """State of tickets, derived from what remains of their lines and how it left."""
        tenant_id = self._work.tenant_id
        voided = exists().where(
            SaleReturn.tenant_id == tenant_id, SaleReturn.sale_id == SaleLine.sale_id, SaleReturn.kind == "void"
        )
        rows: Sequence[Any] = (
            await self._work.session.execute(
                select(
                    SaleLine.sale_id,
                    case((voided, True), else_=False),
                    func.sum(SaleLine.quantity),
                    func.sum(func.coalesce(SaleLineRemaining.quantity, SaleLine.quantity)),
                )
                .outerjoin(
                    SaleLineRemaining,
                    and_(
                        SaleLineRemaining.tenant_id == SaleLine.tenant_id, SaleLineRemaining.sale_line_id == SaleLine.id
                    ),
                )
                .where(SaleLine.tenant_id == tenant_id, SaleLine.sale_id.in_(sale_ids))
                .group_by(SaleLine.sale_id)
            )
        ).all()
        statuses: dict[UUID, Status] = defaultdict(lambda: "posted")
        for sale_id, was_voided, sold, remaining in rows:
            statuses[sale_id] = status_of(sold, remaining, voided=was_voided)
        return statuses


def status_of(sold: Decimal, remaining: Decimal, *, voided: bool) -> Status:
    """State of a ticket by its units."""
    if voided:
        return "voided"
    if not remaining:
        return "returned"
    return "posted" if remaining == sold else "partly-returned"


def _buyer(sale: Sale) -> BuyerOut:
    return BuyerOut(id=sale.customer_id, name=sale.customer_name, identification=sale.customer_identification)


def _line(line: SaleLine, remaining: Decimal, *, costs: bool) -> SaleLineOut:
    return SaleLineOut(
        id=line.id,
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        unit_code=line.unit_code,
        quantity=as_quantity(line.quantity),
        unit_price=as_price(line.unit_price),
        discount=line.discount,
        tax_class=line.tax_class,
        tax_rate=line.tax_rate,
        base=line.base,
        tax=line.tax,
        total=line.total,
        unit_cost=as_price(unit_cost(line.cost, line.quantity)) if costs else None,
        returned=as_quantity(line.quantity - remaining),
    )
