"""Subscriptions as a page of arithmetic, written apart from the product: what each company must be at the end of a story."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

GRACE, PATIENCE = timedelta(days=7), timedelta(days=30)
MONTHLY = {"basic": 4_990_000, "pro": 9_990_000, "enterprise": 24_990_000}
"""Cents."""


@dataclass
class Model:
    """One company's expected standing. Every act is told with its instant, in order."""

    plan: str = ""
    owed_since: datetime | None = None
    asked_to_end: bool = False
    is_over: bool = False
    next_plan: str | None = None
    facts: list[str] = field(default_factory=list)

    def state(self, now: datetime) -> str:
        if not self.plan:
            return "trialing"
        if self.is_over:
            return "read_only"
        if self.owed_since is not None:
            late = now - self.owed_since
            if late >= GRACE + PATIENCE:
                return "suspended"
            return "read_only" if late >= GRACE else "past_due"
        return "cancelled" if self.asked_to_end else "active"

    def worth(self, now: datetime) -> int:
        return MONTHLY[self.plan] if self.state(now) in {"active", "past_due", "cancelled"} else 0

    def subscribed(self, plan: str) -> None:
        self.plan, self.owed_since, self.asked_to_end, self.is_over, self.next_plan = plan, None, False, False, None

    def upgraded(self, plan: str) -> None:
        self.plan, self.next_plan = plan, None

    def period_ended(self, at: datetime, *, paid: bool) -> None:
        """A renewal came due."""
        if self.asked_to_end:
            self.is_over, self.asked_to_end, self.owed_since = True, False, None
            return
        if self.next_plan is not None:
            self.plan, self.next_plan = self.next_plan, None
        if not paid and self.owed_since is None:
            self.owed_since = at

    def paid_up(self) -> None:
        self.owed_since = None
