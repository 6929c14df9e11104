"""Lists of branches and warehouses; that of the registers is the cash domain's, with their shifts."""

from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, select

from app.db.session import Work
from app.domain.tenants.models import Branch, Warehouse
from app.domain.tenants.place_schemas import BranchPage, WarehousePage
from app.domain.tenants.places import branch_out, warehouse_out
from app.domain.tenants.scope import in_branches
from app.lib.pages import after, cut

_Place = TypeVar("_Place", Branch, Warehouse)


async def list_branches(work: Work, limit: int, cursor: str | None, *, retired: bool) -> BranchPage:
    """Branches that the caller works in, the first one first."""
    statement = _those(work, Branch, retired=retired).where(*in_branches(work.actor, Branch.id)).limit(limit + 1)
    rows = await work.session.scalars(after(statement, [Branch.id], cursor, tuple[UUID], descending=False))
    page, next_cursor = cut(rows.all(), limit, lambda row: (row.id,))
    return BranchPage(items=[branch_out(row) for row in page], next_cursor=next_cursor)


async def list_warehouses(
    work: Work, branch_id: UUID | None, limit: int, cursor: str | None, *, retired: bool
) -> WarehousePage:
    """Warehouses of the branches that the caller works in, the first one first."""
    statement = _those(work, Warehouse, retired=retired).where(*in_branches(work.actor, Warehouse.branch_id))
    if branch_id is not None:
        statement = statement.where(Warehouse.branch_id == branch_id)
    wanted = after(statement.limit(limit + 1), [Warehouse.id], cursor, tuple[UUID], descending=False)
    page, next_cursor = cut((await work.session.scalars(wanted)).all(), limit, lambda row: (row.id,))
    return WarehousePage(items=[warehouse_out(row) for row in page], next_cursor=next_cursor)


def _those(work: Work, model: type[_Place], *, retired: bool) -> Select[_Place]:
    is_retired = model.retired_at.is_not(None)
    return select(model).where(model.tenant_id == work.tenant_id, is_retired if retired else ~is_retired)
