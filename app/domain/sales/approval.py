"""What of a ticket a supervisor has to approve: discounts above the company's limit, prices under cost, voids.

For a sale it is plain functions over what its first statement read. The approvals that a ticket names are used up in
its transaction, so that one used twice at once is used once, and a refused sale gives it back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from app.db.lane import LaneConnection
from app.db.session import Work
from app.domain.members.approvals import act_hash, approval_required, approved_by, subject_of
from app.domain.members.kinds import APPROVES
from app.domain.members.schemas import ApprovalKind, ApprovalSubject
from app.domain.sales.schemas import PostSale
from app.lib.actor import Actor
from app.lib.errors import RuleBroken
from app.lib.money import CENT, ZERO, ZeroOrMorePesos, cents, times

LIMITS: Final = "t.discount_limit AS discount_limit, t.allow_below_cost AS allow_below_cost"
"""Columns of the company (`tenant t`) that `Limits.of` reads."""

_USE: Final = """
UPDATE approval SET used_at = $4
WHERE tenant_id = $1 AND requested_by = $2 AND id = ANY($3::uuid[]) AND kind IN ('discount', 'below-cost')
      AND used_at IS NULL AND expires_at > $4
RETURNING kind, act_hash, approved_by"""
_NEEDED: Final = frozenset(APPROVES[kind] for kind in ("discount", "below-cost"))

_HUNDRED: Final = Decimal(100)


class Limits(msgspec.Struct, frozen=True):
    """What the company lets a seller do alone."""

    discount_limit: int
    """Per cent off a line's list price."""
    allow_below_cost: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Limits":
        """From a row with the columns of `LIMITS`."""
        return cls(row["discount_limit"], row["allow_below_cost"])


class LineToApprove(msgspec.Struct, frozen=True):
    """A priced line beside what its goods are listed at and cost."""

    product_id: UUID
    quantity: Decimal
    """Sold units."""
    list_price: Decimal
    """Pesos the catalogue asks for one sold unit, taxes included."""
    total: Decimal
    """Pesos the customer pays for the line, all discounts off."""
    base: Decimal
    """Pesos of it without taxes."""
    cost: Decimal
    """Pesos that the goods of the line cost."""

    @property
    def listed(self) -> Decimal:
        return cents(times(self.list_price, self.quantity))

    @property
    def given_away(self) -> Decimal:
        """Pesos under the list price, whether called a discount or a lower unit price."""
        return max(self.listed - self.total, ZERO)


class Approved(msgspec.Struct, frozen=True):
    """An approval that the ticket used up."""

    kind: str
    act_hash: bytes
    approved_by: UUID


async def approve_ticket(
    connection: LaneConnection,
    ticket: PostSale,
    actor: Actor,
    limits: Limits,
    lines: Sequence[LineToApprove],
    now: datetime,
) -> dict[str, UUID]:
    """Who approved what the seller may not do alone, by kind. Costs nothing for whoever may approve, nor for a plain ticket.

    Raises 422 `approval-required`, as `check_ticket`.
    """
    given = []
    if ticket.approval_ids:
        rows = await connection.fetch(_USE, actor.tenant_id, actor.user_id, ticket.approval_ids, now)
        given = [Approved(row["kind"], row["act_hash"], row["approved_by"]) for row in rows]
    return check_ticket(ticket.session_id, lines, limits, actor.permissions, given)


def approves_alone(permissions: frozenset[str]) -> bool:
    """Whether nothing of a ticket needs anybody else."""
    return permissions >= _NEEDED


def check_ticket(
    session_id: UUID,
    lines: Sequence[LineToApprove],
    limits: Limits,
    permissions: frozenset[str],
    approvals: Sequence[Approved],
) -> dict[str, UUID]:
    """Who approved what the seller may not do alone, by kind; empty when nothing needed it.

    Whoever may approve needs nobody. Raises 422 `approval-required` with every kind that is missing and the subject
    that its approval has to name.
    """
    wanted: dict[ApprovalKind, dict[str, Any]] = {
        kind: subject_of(kind, subject)
        for kind, subject in _wanted(session_id, lines, limits).items()
        if APPROVES[kind] not in permissions
    }
    given = {(approval.kind, approval.act_hash): approval.approved_by for approval in approvals}
    found: dict[str, UUID] = {}
    missing: list[tuple[ApprovalKind, dict[str, Any]]] = []
    for kind, subject in wanted.items():
        approver = given.get((kind, act_hash(kind, subject)))
        if approver is None:
            missing.append((kind, subject))
        else:
            found[kind] = approver
    if missing:
        raise _refusal(missing)
    return found


def _wanted(session_id: UUID, lines: Sequence[LineToApprove], limits: Limits) -> dict[ApprovalKind, ApprovalSubject]:
    wanted: dict[ApprovalKind, ApprovalSubject] = {}
    if any(_is_above(line, limits.discount_limit) for line in lines):
        given = sum((line.given_away for line in lines), start=ZERO)
        wanted["discount"] = ApprovalSubject(session_id=session_id, discount=ZeroOrMorePesos(given))
    # What the catalogue itself asks less than the cost for, a bag for its tax, is nobody's decision at the till.
    low = {line.product_id for line in lines if line.given_away and line.base < line.cost}
    if low and not limits.allow_below_cost:
        total = sum((line.total for line in lines), start=ZERO)
        wanted["below-cost"] = ApprovalSubject(
            session_id=session_id, product_ids=sorted(low), total=ZeroOrMorePesos(total)
        )
    return wanted


def _is_above(line: LineToApprove, limit: int) -> bool:
    """Whether more is given away than the limit allows. A whole cent more: a ticket's discount is spread in cents."""
    return line.given_away - times(line.listed, limit / _HUNDRED) >= CENT


def _refusal(missing: Sequence[tuple[ApprovalKind, dict[str, Any]]]) -> RuleBroken:
    kinds = {kind for kind, _ in missing}
    if kinds == {"discount"}:
        reason = "El descuento supera el límite; un supervisor debe aprobarlo."
    elif kinds == {"below-cost"}:
        reason = "Hay productos por debajo del costo; un supervisor debe aprobarlo."
    else:
        reason = "El descuento supera el límite y hay productos por debajo del costo; un supervisor debe aprobarlo."
    return approval_required(*missing, reason=reason)


async def approve_void(work: Work, sale_id: UUID, approval_id: UUID | None) -> UUID:
    """Who stands for a void: the caller, if they may, else the supervisor who approved it. Raises `approval-required`."""
    return await approved_by(work, "void", ApprovalSubject(sale_id=sale_id), approval_id)
