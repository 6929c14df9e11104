"""The life of a company: trial, active, past due, read-only, suspended, closed; and what moves it.

`MOVES` is the one table of what is allowed; `tenant_move` holds the same rows, and the foreign keys of `tenant_transition`
make PostgreSQL refuse any other step, one out of turn, and a status that no step led to.

What each status leaves open is asked by `app.lib.actor.admit`: read-only finishes what was begun (close a drawer, returns,
voids, notes), reads, pays and exports; suspended and closed leave the login, who one is, the company's own page and what a
route names `in_suspended`. Moves act in a transaction pinned to the company, by whoever is its actor: the system for the
end of a trial, billing for payments, the operator's staff by name.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select

from app.db.session import Work
from app.domain.tenants.models import Tenant, TenantStatus, TenantTransition
from app.lib import clock
from app.lib.errors import BROKEN_CONSTRAINTS, Conflict, FieldError, RuleBroken

NEW: Final = "new"
"""Where every life begins."""

MOVES: Final[dict[str, tuple[TenantStatus, ...]]] = {
    NEW: (TenantStatus.TRIAL, TenantStatus.ACTIVE),
    TenantStatus.TRIAL: (
        TenantStatus.ACTIVE,
        TenantStatus.READ_ONLY,
        TenantStatus.SUSPENDED,
        TenantStatus.CLOSED,
    ),
    TenantStatus.ACTIVE: (
        TenantStatus.PAST_DUE,
        TenantStatus.READ_ONLY,
        TenantStatus.SUSPENDED,
        TenantStatus.CLOSED,
    ),
    TenantStatus.PAST_DUE: (
        TenantStatus.ACTIVE,
        TenantStatus.READ_ONLY,
        TenantStatus.SUSPENDED,
        TenantStatus.CLOSED,
    ),
    TenantStatus.READ_ONLY: (
        TenantStatus.TRIAL,
        TenantStatus.ACTIVE,
        TenantStatus.SUSPENDED,
        TenantStatus.CLOSED,
    ),
    TenantStatus.SUSPENDED: (
        TenantStatus.TRIAL,
        TenantStatus.ACTIVE,
        TenantStatus.READ_ONLY,
        TenantStatus.CLOSED,
    ),
    TenantStatus.CLOSED: (TenantStatus.READ_ONLY,),
}
"""Status to where it may go. A closed company comes back to read-only, while its data is kept; a trial comes back as it was,
or longer, by the operator."""

_BUSY: Final = Conflict("El estado de la empresa acaba de cambiar; intente de nuevo.", code="busy")
BROKEN_CONSTRAINTS["pk_tenant_transition"] = _BUSY
BROKEN_CONSTRAINTS["fk_tenant_transition_from_status_to_status"] = Conflict(
    "La empresa no puede pasar de su estado actual a ese.", code="move-not-allowed"
)


class MoveNotAllowed(Conflict):
    """The table of moves has no such step."""

    code = "move-not-allowed"


async def begin(work: Work, status: TenantStatus, reason: str) -> datetime:
    """Write the first step of a company that is being created, before its own row; answers the step's instant."""
    at = clock.now()
    await _append(work, 1, NEW, status, reason, at)
    return at


async def move(work: Work, status: TenantStatus, reason: str, *, trial_ends_at: datetime | None = None) -> Tenant:
    """Take the company of the transaction to another status; answers it.

    Again to the same status: nothing happens. Raises 409 `move-not-allowed`, 422 for no reason.
    """
    if not reason.strip():
        raise RuleBroken(
            "Escriba el motivo del cambio.",
            code="blank",
            errors=(FieldError("/reason", "blank", "No puede estar en blanco."),),
        )
    tenant = await lock(work)
    if tenant.status == status:
        return tenant
    if status not in MOVES[tenant.status]:
        raise MoveNotAllowed(
            "La empresa no puede pasar de su estado actual a ese.",
            fromStatus=tenant.status,
            toStatus=str(status),
        )
    before = {"status": tenant.status, "since": tenant.status_since, "trialEndsAt": tenant.trial_ends_at}
    seq, at = tenant.status_seq + 1, clock.now()
    await _append(work, seq, tenant.status, status, reason.strip(), at)
    tenant.status, tenant.status_seq, tenant.status_since = status, seq, at
    tenant.trial_ends_at = trial_ends_at if status == TenantStatus.TRIAL else None
    await work.flush()
    work.record(
        "company.moved",
        tenant.tenant_id,
        before=before,
        after={"status": status, "since": at, "seq": seq, "reason": reason.strip()},
    )
    return tenant


async def end_trial(work: Work) -> bool:
    """End the company's trial if its time has come; answers whether it did. Run twice, it ends once."""
    tenant = await lock(work)
    if tenant.status != TenantStatus.TRIAL or tenant.trial_ends_at is None or tenant.trial_ends_at > clock.now():
        return False
    await move(work, TenantStatus.READ_ONLY, "Terminó el período de prueba.")
    return True


async def extend_trial(work: Work, until: datetime, reason: str) -> Tenant:
    """Let a trial run until another instant. Raises 409 for a company that is in none, 422 for an instant gone by."""
    tenant = await lock(work)
    if tenant.status != TenantStatus.TRIAL:
        raise Conflict("La empresa no está en período de prueba.", code="not-in-trial")
    if until <= clock.now():
        raise RuleBroken(
            "La prueba debe terminar en el futuro.",
            code="in-the-past",
            errors=(FieldError("/until", "in-the-past", "Debe ser un instante futuro."),),
        )
    before = {"trialEndsAt": tenant.trial_ends_at}
    tenant.trial_ends_at = until
    await work.flush()
    work.record(
        "company.trial-extended", tenant.tenant_id, before=before, after={"trialEndsAt": until, "reason": reason}
    )
    return tenant


async def lock(work: Work) -> Tenant:
    """The company of the transaction, held against other moves; a sale that only reads it goes on."""
    return (
        await work.session.scalars(
            select(Tenant)
            .where(Tenant.tenant_id == work.tenant_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()


def trial_end(begun: datetime, days: int) -> datetime:
    """When a trial that begins now is over."""
    return begun + timedelta(days=days)


async def _append(work: Work, seq: int, before: str, status: str, reason: str, at: datetime) -> None:
    await work.session.execute(
        insert(TenantTransition).values(
            tenant_id=work.tenant_id,
            seq=seq,
            previous_seq=seq - 1 or None,
            from_status=before,
            to_status=str(status),
            reason=reason,
            actor_id=work.actor.user_id,
            actor_name=work.actor.display_name,
            at=at,
        )
    )
