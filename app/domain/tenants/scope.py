"""People limited to branches: who is, and the conditions that keep their lists and acts inside.

`Actor.branches` is None for whoever may be everywhere; it is read with the first statement of a request. The sale, which
reads its caller itself, asks with `BRANCH_ALLOWED`.

The catalogue is the company's: looking a product up, and the feed of changes, say how much of it lies in every branch.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import SQLColumnExpression, false, select

from app.db.session import Work
from app.domain.tenants.models import Warehouse
from app.lib.actor import Actor
from app.lib.errors import Forbidden

BRANCH_ALLOWED: Final = (
    "(m.all_branches OR EXISTS (SELECT FROM membership_branch l WHERE l.tenant_id = m.tenant_id "
    "AND l.membership_id = m.id AND l.branch_id = {branch}))"
)
"""SQL: whether the person of `membership m` may act in a branch, such as `c.branch_id`. One index probe for whoever is
limited, none for all others."""


class BranchNotAllowed(Forbidden):
    """The person belongs to other branches of the company."""

    code = "branch-not-allowed"


def branch_refusal() -> BranchNotAllowed:
    return BranchNotAllowed("Su acceso no incluye esta sucursal.")


def check_whole(actor: Actor) -> None:
    """Raise 403 `branch-not-allowed` for a caller who is limited to branches, where what is asked concerns all of them."""
    if actor.branches is not None:
        raise BranchNotAllowed("Su acceso se limita a algunas sucursales, y esto muestra las de toda la empresa.")


def check_branch(actor: Actor, branch_id: UUID) -> None:
    """Raise 403 `branch-not-allowed` when the caller is limited to other branches."""
    if actor.branches is not None and branch_id not in actor.branches:
        raise branch_refusal()


async def check_warehouse(work: Work, *warehouse_ids: UUID) -> None:
    """Raise 403 `branch-not-allowed` when none of these warehouses is in a branch of the caller's."""
    if work.actor.branches is None:
        return
    branches = await work.session.scalars(
        select(Warehouse.branch_id).where(Warehouse.tenant_id == work.tenant_id, Warehouse.id.in_(warehouse_ids))
    )
    if work.actor.branches.isdisjoint(branches):
        raise branch_refusal()


def in_branches(actor: Actor, branch: SQLColumnExpression[UUID]) -> list[SQLColumnExpression[bool]]:
    """Conditions that keep a list inside the caller's branches; none for whoever may be everywhere."""
    if actor.branches is None:
        return []
    return [branch.in_(actor.branches)] if actor.branches else [false()]


def in_warehouses(actor: Actor, warehouse: SQLColumnExpression[UUID]) -> list[SQLColumnExpression[bool]]:
    """The same for a list of what lies in warehouses."""
    if actor.branches is None:
        return []
    mine = select(Warehouse.id).where(Warehouse.tenant_id == actor.tenant_id, *in_branches(actor, Warehouse.branch_id))
    return [warehouse.in_(mine)]
