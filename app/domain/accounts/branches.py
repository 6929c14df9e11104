"""Which branches a person works in. The conditions that follow from it are `app.domain.tenants.scope`."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select

from app.db.session import Work
from app.domain.accounts.models import Membership, MembershipBranch
from app.domain.tenants.models import Branch
from app.domain.tenants.scope import branch_refusal
from app.lib.errors import NotFound, unknown_reference


async def limit_to_branches(work: Work, membership_id: UUID, branch_ids: Sequence[UUID] | None) -> None:
    """Say which branches a person works in; None opens all. Counts from the next request on.

    Nobody opens a branch to others that is closed to themselves. Raises `NotFound` for an unknown membership, 422
    `unknown-reference` for an unknown or retired branch, 403 `branch-not-allowed`.
    """
    membership = (
        await work.session.scalars(
            select(Membership)
            .where(Membership.tenant_id == work.tenant_id, Membership.id == membership_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if membership is None:
        raise NotFound("No existe esa persona en la empresa.")
    await _check_known(work, branch_ids or ())
    own = work.actor.branches
    if own is not None and (branch_ids is None or not own.issuperset(branch_ids)):
        raise branch_refusal()
    before = await branches_of(work, membership_id)
    wanted = None if branch_ids is None else sorted(set(branch_ids))
    if before == wanted:
        return
    membership.all_branches = wanted is None
    await work.flush()
    mine: tuple[Any, ...] = (
        MembershipBranch.tenant_id == work.tenant_id,
        MembershipBranch.membership_id == membership_id,
    )
    await work.session.execute(delete(MembershipBranch).where(*mine))
    if wanted:
        await work.session.execute(
            insert(MembershipBranch),
            [
                {"tenant_id": work.tenant_id, "membership_id": membership_id, "branch_id": branch_id}
                for branch_id in wanted
            ],
        )
    work.record(
        "membership.limited-to-branches", membership_id, before={"branchIds": before}, after={"branchIds": wanted}
    )


async def branches_of(work: Work, membership_id: UUID) -> list[UUID] | None:
    """Branches a person is limited to, by id; None when to none in particular."""
    is_open = await work.session.scalar(
        select(Membership.all_branches).where(Membership.tenant_id == work.tenant_id, Membership.id == membership_id)
    )
    if is_open is None:
        raise NotFound("No existe esa persona en la empresa.")
    if is_open:
        return None
    found = await work.session.scalars(
        select(MembershipBranch.branch_id)
        .where(MembershipBranch.tenant_id == work.tenant_id, MembershipBranch.membership_id == membership_id)
        .order_by(MembershipBranch.branch_id)
    )
    return list(found)


async def _check_known(work: Work, branch_ids: Iterable[UUID]) -> None:
    wanted = list(branch_ids)
    if not wanted:
        return
    known = set(
        await work.session.scalars(
            select(Branch.id).where(
                Branch.tenant_id == work.tenant_id, Branch.id.in_(wanted), Branch.retired_at.is_(None)
            )
        )
    )
    for place, branch_id in enumerate(wanted):
        if branch_id not in known:
            raise unknown_reference(f"/branchIds/{place}")
