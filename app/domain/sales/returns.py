"""Reading returns and voids."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select

from app.db.session import Work
from app.domain.sales.models import SaleLine, SaleRefund, SaleReturn, SaleReturnLine
from app.domain.sales.schemas import RefundOut, ReturnLineOut, ReturnOut, ReturnPage
from app.domain.tenants.scope import check_branch, in_branches
from app.lib.errors import NotFound
from app.lib.money import as_price, as_quantity, unit_cost
from app.lib.pages import after, cut


class ReturnReader:
    """Returns and voids of the company of the request."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def read(self, return_id: UUID) -> ReturnOut:
        """One return or void. Raises `NotFound`, also for another company's; 403 for one of a branch not the caller's."""
        row = await self._work.session.get(SaleReturn, (self._work.tenant_id, return_id))
        if row is None:
            raise NotFound("No hay tal devolución.")
        check_branch(self._work.actor, row.branch_id)
        return (await self._whole([row]))[0]

    async def page(self, sale_id: UUID | None, limit: int, cursor: str | None) -> ReturnPage:
        """Returns and voids in the caller's branches, the newest first."""
        statement = (
            select(SaleReturn)
            .where(SaleReturn.tenant_id == self._work.tenant_id, *in_branches(self._work.actor, SaleReturn.branch_id))
            .limit(limit + 1)
        )
        if sale_id is not None:
            statement = statement.where(SaleReturn.sale_id == sale_id)
        statement = after(
            statement, (SaleReturn.posted_at, SaleReturn.id), cursor, tuple[datetime, UUID], descending=True
        )
        rows, next_cursor = cut(
            list(await self._work.session.scalars(statement)), limit, lambda row: (row.posted_at, row.id)
        )
        return ReturnPage(items=await self._whole(rows), next_cursor=next_cursor)

    async def _whole(self, rows: Sequence[SaleReturn]) -> list[ReturnOut]:
        tenant_id = self._work.tenant_id
        ids = [row.id for row in rows]
        costs = self._work.actor.may("costs:read")
        lines: dict[UUID, list[ReturnLineOut]] = defaultdict(list)
        for line, product_id in await self._work.session.execute(
            select(SaleReturnLine, SaleLine.product_id)
            .join(
                SaleLine,
                and_(SaleLine.tenant_id == SaleReturnLine.tenant_id, SaleLine.id == SaleReturnLine.sale_line_id),
            )
            .where(SaleReturnLine.tenant_id == tenant_id, SaleReturnLine.return_id.in_(ids))
            .order_by(SaleReturnLine.position)
        ):
            lines[line.return_id].append(
                ReturnLineOut(
                    id=line.id,
                    sale_line_id=line.sale_line_id,
                    product_id=product_id,
                    quantity=as_quantity(line.quantity),
                    base=line.base,
                    tax=line.tax,
                    total=line.total,
                    unit_cost=as_price(unit_cost(line.cost, line.quantity)) if costs else None,
                )
            )
        refunds: dict[UUID, list[RefundOut]] = defaultdict(list)
        for refund in await self._work.session.scalars(
            select(SaleRefund)
            .where(SaleRefund.tenant_id == tenant_id, SaleRefund.return_id.in_(ids))
            .order_by(SaleRefund.id)
        ):
            refunds[refund.return_id].append(
                RefundOut(method=refund.method, amount=refund.amount, reference=refund.reference)
            )
        return [
            ReturnOut(
                id=row.id,
                kind="void" if row.kind == "void" else "return",
                number=row.number,
                sequence=row.sequence,
                sale_id=row.sale_id,
                session_id=row.session_id,
                reason=row.reason,
                user_id=row.user_id,
                posted_at=row.posted_at,
                business_day=row.business_day,
                lines=lines[row.id],
                refunds=refunds[row.id],
                subtotal=row.subtotal,
                tax_total=row.tax_total,
                total=row.total,
                document=None,
            )
            for row in rows
        ]
