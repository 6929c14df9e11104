"""Tables of billing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Editable, Money, TenantOwned

STATES = "('trialing','active','past_due','read_only','suspended','cancelled','blocked','closed')"


class PlanPrice(DefaultBase):
    """A price at the payment provider: one interval of one version of a plan."""

    __tablename__ = "plan_price"
    __table_args__ = (
        ForeignKeyConstraint(
            ["plan", "version"], ["plan_version.plan", "plan_version.version"], name="fk_plan_price_plan_version"
        ),
        UniqueConstraint("price_id"),
        CheckConstraint("interval IN ('month','year')", name="interval"),
    )

    plan: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    interval: Mapped[str] = mapped_column(primary_key=True)
    price_id: Mapped[str]


class BillingMove(DefaultBase):
    """A step of a subscription's life that is allowed: what `subscription_transition` points at."""

    __tablename__ = "billing_move"

    from_state: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    to_state: Mapped[str] = mapped_column(primary_key=True)


class PaymentEvent(DefaultBase):
    """An event of the payment provider, by its id: written once, before anything is done about it."""

    __tablename__ = "payment_event"
    __table_args__ = (
        CheckConstraint("outcome IN ('queued','done','unknown-customer','unknown-kind')", name="outcome"),
        Index("ix_payment_event_received", "received_at", "id"),
        Index("ix_payment_event_queued", "tenant_id", postgresql_where=text("outcome = 'queued'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    customer_id: Mapped[str | None]
    object_id: Mapped[str | None]
    tenant_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    """The outbox row that answers it; dead there, it is a dead letter here."""
    outcome: Mapped[str]
    received_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class BillingReport(DefaultBase):
    """One comparison of our books with the payment provider's."""

    __tablename__ = "billing_report"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    companies: Mapped[int]
    subscriptions: Mapped[int]
    differences: Mapped[list[dict[str, Any]]]


class SubscriptionTransition(TenantOwned, DefaultBase):
    """One step of a subscription's life. Append-only; the database refuses what `billing_move` does not know."""

    __tablename__ = "subscription_transition"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(
            ["from_state", "event", "to_state"],
            ["billing_move.from_state", "billing_move.event", "billing_move.to_state"],
            name="fk_subscription_transition_move",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "previous_seq", "from_state"],
            ["subscription_transition.tenant_id", "subscription_transition.seq", "subscription_transition.to_state"],
            name="fk_subscription_transition_previous",
        ),
        UniqueConstraint("tenant_id", "seq", "to_state", name="uq_subscription_transition_tenant_id_seq_to_state"),
        CheckConstraint("seq >= 1 AND (seq = 1) = (from_state = 'new')", name="first"),
        CheckConstraint("coalesce(previous_seq, 0) = seq - 1 AND (seq = 1) = (previous_seq IS NULL)", name="next"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    previous_seq: Mapped[int | None]
    from_state: Mapped[str]
    event: Mapped[str]
    to_state: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class Subscription(TenantOwned, Editable, DefaultBase):
    """Where a company's subscription stands: our state, and what the payment provider last said of it."""

    __tablename__ = "subscription"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "state_seq", "state"],
            ["subscription_transition.tenant_id", "subscription_transition.seq", "subscription_transition.to_state"],
            name="fk_subscription_state",
        ),
        ForeignKeyConstraint(
            ["plan", "version"], ["plan_version.plan", "plan_version.version"], name="fk_subscription_plan_version"
        ),
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint(
            "(scheduled_plan IS NULL) = (scheduled_version IS NULL) AND (scheduled_plan IS NULL) = (scheduled_for IS NULL)",
            name="scheduled",
        ),
        CheckConstraint("mrr >= 0", name="mrr"),
        Index("ix_subscription_customer", "customer_id"),
        Index("ix_subscription_look", "look_at"),
    )

    state: Mapped[str]
    state_seq: Mapped[int]
    state_since: Mapped[datetime]
    customer_id: Mapped[str | None]
    provider_id: Mapped[str | None]
    """The one subscription at the provider that the company pays; a new one only after this has ended."""
    checkout_id: Mapped[str | None]
    """The last page of payment that was opened: expired before another is."""
    plan: Mapped[str | None]
    """What was last paid for."""
    version: Mapped[int | None]
    interval: Mapped[str | None]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    cancels: Mapped[bool] = mapped_column(server_default="false")
    """Ends with its period."""
    cancel_reason: Mapped[str | None]
    scheduled_plan: Mapped[str | None]
    scheduled_version: Mapped[int | None]
    scheduled_interval: Mapped[str | None]
    """None with a scheduled plan: the free one."""
    scheduled_for: Mapped[datetime | None]
    failing_invoice: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    """Since when the oldest unpaid invoice is owed: one count an invoice, however often it is tried."""
    mrr: Mapped[Money] = mapped_column(server_default="0")
    """Pesos a month, before taxes; a year's price is divided by twelve."""
    mrr_seq: Mapped[int] = mapped_column(server_default="0")
    trial_ends_at: Mapped[datetime | None]
    """Of the company's trial, as it last was: what is left of one that was stopped."""
    looks: Mapped[int] = mapped_column(server_default="0")
    """Goes up with each look at the provider: of two that overlap, the older one starts again."""
    look_at: Mapped[datetime | None]
    """When time alone may change something."""
    synced_at: Mapped[datetime | None]


class BillingInvoice(TenantOwned, Editable, DefaultBase):
    """An invoice of the operator's, as the payment provider last showed it."""

    __tablename__ = "billing_invoice"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("status IN ('draft','open','paid','void','uncollectible')", name="status"),
        Index("ix_billing_invoice_made", "tenant_id", "made_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str | None]
    status: Mapped[str]
    kind: Mapped[str]
    """Why it was made, in the provider's word: `subscription_create subscription_cycle subscription_update`."""
    currency: Mapped[str]
    subtotal: Mapped[Money]
    tax: Mapped[Money]
    total: Mapped[Money]
    paid: Mapped[Money]
    refunded: Mapped[Money] = mapped_column(server_default="0")
    is_disputed: Mapped[bool] = mapped_column(server_default="false")
    attempts: Mapped[int]
    price_id: Mapped[str | None]
    pay_url: Mapped[str | None]
    pdf_url: Mapped[str | None]
    made_at: Mapped[datetime]
    failed_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]


class MrrMovement(TenantOwned, DefaultBase):
    """A change of what a company pays every month. Append-only: their sum is the recurring revenue, to the cent."""

    __tablename__ = "mrr_movement"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("kind IN ('new','expansion','contraction','churn','reactivation')", name="kind"),
        CheckConstraint(
            "(kind IN ('contraction','churn')) = (amount < 0) AND amount <> 0 AND after >= 0",
            name="sign",
        ),
        Index("ix_mrr_movement_at", "at"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str]
    amount: Mapped[Money]
    after: Mapped[Money]
    plan: Mapped[str | None]
    interval: Mapped[str | None]


class BillingNotice(TenantOwned, DefaultBase):
    """A reminder of an unpaid invoice that was written: one a day of the grace that has one."""

    __tablename__ = "billing_notice"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),)

    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
