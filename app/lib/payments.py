"""The port to whoever collects the operator's money: what billing asks, and the facts that it is answered.

An adapter speaks one provider's protocol (`app.integrations.stripe`); amounts are pesos, instants are UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

Interval = Literal["month", "year"]


class PaymentsUnavailable(Exception):
    """The provider did not answer, or is busy: the same may be asked again, under the same key."""


class PaymentsRefused(Exception):
    """The provider says no, and will again. `code` is its own word."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SubscriptionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it is now at the provider."""

    id: str
    item_id: str
    status: Literal[
        "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "canceled", "paused"
    ]
    price_id: str
    period_start: datetime
    period_end: datetime
    cancels: bool
    """Ends with its period."""
    made_at: datetime
    is_changing: bool = False
    """A change waits for its payment."""

    @property
    def is_live(self) -> bool:
        return self.status not in {"canceled", "incomplete", "incomplete_expired"}


class InvoiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as it is now at the provider."""

    id: str
    number: str | None
    subscription_id: str | None
    status: Literal["draft", "open", "paid", "void", "uncollectible"]
    kind: str
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    paid: Decimal
    attempts: int
    price_id: str | None
    """What it charges for."""
    pay_url: str | None
    pdf_url: str | None
    made_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    refunded: Decimal = Decimal("0.00")
    is_disputed: bool = False


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one customer that decides about its access."""

    subscriptions: Sequence[SubscriptionFacts]
    invoices: Sequence[InvoiceFacts]
    """The newest first."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a change would charge now."""

    amount: Decimal
    tax: Decimal
    currency: str
    at: datetime
    """The proration is counted to this instant."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page at the provider, for a browser."""

    id: str
    url: str


class Payments(Protocol):
    """Each method raises `PaymentsUnavailable` or `PaymentsRefused`; `key` makes a repetition the same act."""

    async def make_customer(self, name: str, email: str, reference: str, key: str) -> str: ...

    async def ensure_price(self, name: str, lookup: str, amount: Decimal, interval: Interval) -> str: ...

    async def open_checkout(
        self, customer: str, price: str, reference: str, urls: tuple[str, str], coupon: str | None, key: str
    ) -> Page: ...

    async def expire_checkout(self, checkout: str) -> None: ...

    async def open_portal(self, customer: str, return_url: str) -> Page: ...

    async def read_account(self, customer: str) -> Account: ...

    async def preview_change(self, subscription: SubscriptionFacts, price: str) -> Preview: ...

    async def change_now(self, subscription: SubscriptionFacts, price: str, at: datetime | None, key: str) -> None:
        """Change and charge the difference; the price stays what it was until that is paid."""

    async def change_next(self, subscription: SubscriptionFacts, price: str, key: str) -> None:
        """Charge another price from the next period on."""

    async def set_cancelling(self, subscription: str, cancels: bool) -> None: ...

    async def list_subscriptions(self) -> Sequence[tuple[str, SubscriptionFacts]]:
        """All that are not over, of all customers: `(customer, facts)`."""
        ...
