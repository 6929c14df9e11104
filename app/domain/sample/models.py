"""Table of samples."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import DefaultBase


class SampleCompany(DefaultBase):
    """A person's sample and how far its history is written; one that is not closed each."""

    __tablename__ = "sample_company"
    __table_args__ = (
        CheckConstraint("days_begun >= 0", name="days_begun"),
        Index("uq_sample_company_open", "user_id", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    """The company; no foreign key: this table is of people."""
    last_day: Mapped[date]
    """Of the history, in the shop's zone: the day before it was asked for, however late the rest is written."""
    days_begun: Mapped[int] = mapped_column(server_default="0")
    """A day that was begun is not lived twice: what a crash cut off stays short."""
    run_id: Mapped[UUID | None]
    """The session that writes: whoever takes over ends it, and every step asks whether it is still the one."""
    kept: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What was made before the first day: `Made`, written with it."""
    ready_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
