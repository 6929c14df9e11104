"""Tables of a company's own alerts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, DateTime, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase, Editable, TenantOwned, TenantRow

_CLOCK = r"~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'"


class CompanyAlertSetting(TenantOwned, Editable, DefaultBase):
    """When a company wants no mail. Without times: never. The row is also what looks at a company take turns by."""

    __tablename__ = "company_alert_setting"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("(quiet_from IS NULL) = (quiet_to IS NULL)", name="quiet"),
        CheckConstraint(f"quiet_from {_CLOCK} AND quiet_to {_CLOCK} AND quiet_from <> quiet_to", name="times"),
    )

    quiet_from: Mapped[str | None]
    """`HH:MM` in the company's zone."""
    quiet_to: Mapped[str | None]


class CompanyAlertRule(TenantOwned, Editable, DefaultBase):
    """What a company set of a kind: whether it is looked at, how bad it is, its thresholds. Without a row: as usual."""

    __tablename__ = "company_alert_rule"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("severity IN ('info','warning','critical')", name="severity"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]
    severity: Mapped[str]
    thresholds: Mapped[dict[str, Any]]


class CompanyAlertLife(TenantOwned, DefaultBase):
    """What was seen of a kind so far (`app.domain.alerts.life`), and which alert people know of."""

    __tablename__ = "company_alert_life"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        ForeignKeyConstraint(["tenant_id", "heard_id"], ["company_alert.tenant_id", "company_alert.id"]),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default="0")
    goods: Mapped[int] = mapped_column(server_default="0")
    changes: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default="{}")
    heard_id: Mapped[UUID | None]
    """The alert whose beginning was told and whose end was not."""


class CompanyAlert(TenantRow, DefaultBase):
    """Something wrong in a shop, from its second finding to its second good look. One open alert of each kind."""

    __tablename__ = "company_alert"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
        CheckConstraint("severity IN ('info','warning','critical')", name="severity"),
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
        Index("uq_company_alert_open", "tenant_id", "kind", unique=True, postgresql_where=text("resolved_at IS NULL")),
        Index("ix_company_alert_opened", "tenant_id", "opened_at", "id"),
    )

    kind: Mapped[str]
    severity: Mapped[str]
    title: Mapped[str]
    detail: Mapped[str]
    items: Mapped[list[dict[str, Any]]]
    """Up to twenty of what is wrong: `id`, `name`, `detail`."""
    item_count: Mapped[int]
    """How many there are."""
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(server_default="")
    told_at: Mapped[datetime | None]
    told_count: Mapped[int] = mapped_column(server_default="0")
    """How many there were when it was last told."""
    end_told_at: Mapped[datetime | None]


class CompanyAlertPreference(TenantOwned, Editable, DefaultBase):
    """How one person of a company wants to hear of its alerts. Without a row: warnings and worse by mail, at once."""

    __tablename__ = "company_alert_preference"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
        CheckConstraint("mails IN ('now','daily','none')", name="mails"),
        CheckConstraint("severity IN ('info','warning','critical')", name="severity"),
        CheckConstraint(f"digest_at {_CLOCK}", name="digest_at"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_to IS NULL)", name="quiet"),
        CheckConstraint(f"quiet_from {_CLOCK} AND quiet_to {_CLOCK} AND quiet_from <> quiet_to", name="times"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    mails: Mapped[str] = mapped_column(server_default="now")
    severity: Mapped[str] = mapped_column(server_default="warning")
    """The least that is mailed."""
    digest_at: Mapped[str] = mapped_column(server_default="07:00")
    """When the day's mail goes out, in the company's zone."""
    quiet_from: Mapped[str | None]
    """The person's own quiet hours; none: the company's."""
    quiet_to: Mapped[str | None]
    muted: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    """Kinds this person is not mailed about."""


class CompanyAlertMail(TenantRow, DefaultBase):
    """One thing to tell one person about an alert: mailed, waiting for its time, or not mailed and why."""

    __tablename__ = "company_alert_mail"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "alert_id"], ["company_alert.tenant_id", "company_alert.id"]),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["membership.tenant_id", "membership.user_id"]),
        CheckConstraint("event IN ('opened','resolved','repeated')", name="event"),
        CheckConstraint("status IN ('pending','sent','failed','skipped')", name="status"),
        CheckConstraint("(status = 'pending') = (finished_at IS NULL)", name="finished"),
        Index("ix_company_alert_mail_alert", "tenant_id", "alert_id"),
        Index("ix_company_alert_mail_pending", "tenant_id", "due_at", postgresql_where=text("status = 'pending'")),
    )

    alert_id: Mapped[UUID]
    user_id: Mapped[UUID]
    event: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    """Why it was not mailed, or what the mail server said last, in Spanish."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
