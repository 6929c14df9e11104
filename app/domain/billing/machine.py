"""The life of a subscription: one table of (state, event) to (state, effects), and the pure rules that name the event.

The database holds the same moves in `billing_move`; the company's own status (`tenant.status`) follows from here. What time or
the provider's facts mean is `next_event`; it looks at facts as they are now, so that the order in which events arrive is nothing.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from app.domain.tenants.models import TenantStatus


class State(StrEnum):
    """Of a subscription."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """In its days of grace: everything works."""
    READ_ONLY = "read_only"
    SUSPENDED = "suspended"
    """For lack of payment: a payment ends it."""
    CANCELLED = "cancelled"
    """Until the end of the period that was paid."""
    BLOCKED = "blocked"
    """By the operator: no payment ends it."""
    CLOSED = "closed"


class Event(StrEnum):
    """What may happen to one."""

    PAID = "paid"
    FREE_CHOSEN = "free_chosen"
    PAYMENT_FAILED = "payment_failed"
    GRACE_ENDED = "grace_ended"
    PATIENCE_ENDED = "patience_ended"
    TRIAL_ENDED = "trial_ended"
    CANCEL_ASKED = "cancel_asked"
    RESUMED = "resumed"
    SUBSCRIPTION_ENDED = "subscription_ended"
    MOVED_BY_HAND = "moved_by_hand"
    """The company's status was changed by its trial's end or the operator: the state follows it."""


class Effect(StrEnum):
    """What follows a step, besides the company's status and the recurring revenue."""

    MAIL_ACTIVE = "billing-active"
    MAIL_READ_ONLY = "billing-read-only"
    MAIL_SUSPENDED = "billing-suspended"
    MAIL_CANCELLED = "billing-cancelled"
    MAIL_ENDED = "billing-ended"


_PAID: Final = (State.ACTIVE, (Effect.MAIL_ACTIVE,))
_ENDED: Final = (State.READ_ONLY, (Effect.MAIL_ENDED,))
TABLE: Final[dict[tuple[State, Event], tuple[State, tuple[Effect, ...]]]] = {
    (State.TRIALING, Event.PAID): _PAID,
    (State.PAST_DUE, Event.PAID): _PAID,
    (State.READ_ONLY, Event.PAID): _PAID,
    (State.SUSPENDED, Event.PAID): _PAID,
    (State.TRIALING, Event.FREE_CHOSEN): (State.ACTIVE, ()),
    (State.READ_ONLY, Event.FREE_CHOSEN): (State.ACTIVE, ()),
    (State.CANCELLED, Event.FREE_CHOSEN): (State.ACTIVE, ()),
    (State.ACTIVE, Event.PAYMENT_FAILED): (State.PAST_DUE, ()),
    (State.CANCELLED, Event.PAYMENT_FAILED): (State.PAST_DUE, ()),
    (State.PAST_DUE, Event.GRACE_ENDED): (State.READ_ONLY, (Effect.MAIL_READ_ONLY,)),
    (State.READ_ONLY, Event.PATIENCE_ENDED): (State.SUSPENDED, (Effect.MAIL_SUSPENDED,)),
    (State.TRIALING, Event.TRIAL_ENDED): (State.READ_ONLY, (Effect.MAIL_READ_ONLY,)),
    (State.ACTIVE, Event.CANCEL_ASKED): (State.CANCELLED, (Effect.MAIL_CANCELLED,)),
    (State.CANCELLED, Event.RESUMED): (State.ACTIVE, ()),
    (State.ACTIVE, Event.SUBSCRIPTION_ENDED): _ENDED,
    (State.CANCELLED, Event.SUBSCRIPTION_ENDED): _ENDED,
    (State.PAST_DUE, Event.SUBSCRIPTION_ENDED): _ENDED,
}
"""State and event to the next state and what follows. `MOVED_BY_HAND` is not here: it goes where the company's status went."""

STATUS_OF: Final[dict[State, TenantStatus]] = {
    State.TRIALING: TenantStatus.TRIAL,
    State.ACTIVE: TenantStatus.ACTIVE,
    State.PAST_DUE: TenantStatus.PAST_DUE,
    State.READ_ONLY: TenantStatus.READ_ONLY,
    State.SUSPENDED: TenantStatus.SUSPENDED,
    State.CANCELLED: TenantStatus.ACTIVE,
    State.BLOCKED: TenantStatus.SUSPENDED,
    State.CLOSED: TenantStatus.CLOSED,
}
BY_HAND: Final[dict[str, State]] = {
    TenantStatus.TRIAL: State.TRIALING,
    TenantStatus.ACTIVE: State.ACTIVE,
    TenantStatus.PAST_DUE: State.PAST_DUE,
    TenantStatus.READ_ONLY: State.READ_ONLY,
    TenantStatus.SUSPENDED: State.BLOCKED,
    TenantStatus.CLOSED: State.CLOSED,
}
"""Where a state goes when somebody moved the company."""

PAYING: Final = frozenset({State.ACTIVE, State.PAST_DUE, State.CANCELLED})
"""States whose price counts as recurring revenue."""
REMINDED: Final = (0, 3, 6)
"""Days of the grace on which a mail reminds of an unpaid invoice."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides, at one instant."""

    had: bool
    """Whether a subscription was known before."""
    is_live: bool
    is_paid: bool
    """Whether an invoice of the live subscription was ever paid."""
    cancels: bool
    failing_since: datetime | None
    """Of the oldest invoice that is owed; counted once, however often it was tried."""
    is_free_next: bool = False
    """The company chose the free plan for the end of its period."""


class Rules(msgspec.Struct, frozen=True):
    """The operator's patience."""

    grace: timedelta
    """Full use after an invoice failed."""
    patience: timedelta
    """Read-only, after the grace, before the suspension."""


def next_event(state: State, facts: Facts, rules: Rules, now: datetime) -> Event | None:
    """What these facts mean for a subscription in this state; None: nothing. Asked again after each step."""
    found: Event | None = None
    failing = facts.failing_since
    if state in {State.BLOCKED, State.CLOSED}:
        return None
    if not facts.is_live:
        if state in PAYING and facts.had:
            found = Event.SUBSCRIPTION_ENDED
        elif state == State.READ_ONLY and facts.is_free_next:
            found = Event.FREE_CHOSEN
    elif failing is not None:
        if state in {State.ACTIVE, State.CANCELLED}:
            found = Event.PAYMENT_FAILED
        elif state == State.PAST_DUE and now >= failing + rules.grace:
            found = Event.GRACE_ENDED
        elif state == State.READ_ONLY and now >= failing + rules.grace + rules.patience:
            found = Event.PATIENCE_ENDED
    elif facts.is_paid:
        if (state, Event.PAID) in TABLE:
            found = Event.PAID
        elif state == State.ACTIVE and facts.cancels:
            found = Event.CANCEL_ASKED
        elif state == State.CANCELLED and not facts.cancels:
            found = Event.RESUMED
    return found


def due_reminders(failing_since: datetime, now: datetime) -> list[int]:
    """Days whose reminder should have been sent by now."""
    return [day for day in REMINDED if now >= failing_since + timedelta(days=day)]


def next_look(state: State, facts: Facts, rules: Rules, now: datetime, period_end: datetime | None) -> datetime | None:
    """When time alone may change something, or what we know should be asked again."""
    instants = []
    if facts.failing_since is not None:
        instants += [facts.failing_since + timedelta(days=day) for day in REMINDED]
        instants += [facts.failing_since + rules.grace, facts.failing_since + rules.grace + rules.patience]
    if period_end is not None and state in PAYING:
        # A little later than the renewal, in case no event told of it.
        instants.append(period_end + timedelta(hours=2))
    ahead = [instant for instant in instants if instant > now]
    if ahead:
        return min(ahead)
    return now + timedelta(days=1) if facts.is_live else None
