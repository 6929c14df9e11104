"""Stripe's objects as facts of the port."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.lib.payments import InvoiceFacts, SubscriptionFacts


def pesos(cents: int) -> Decimal:
    """COP has two decimals at Stripe."""
    return Decimal(cents).scaleb(-2)


def to_cents(amount: Decimal) -> int:
    """Pesos, which have at most two decimals, as Stripe wants them."""
    return int(amount.scaleb(2))


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: int | None) -> datetime | None:
    return None if seconds is None else instant(seconds)


def subscription(found: dict[str, Any]) -> SubscriptionFacts:
    """A subscription of ours has one item; the period is the item's since the version of March 2025."""
    item = found["items"]["data"][0]
    return SubscriptionFacts(
        id=found["id"],
        item_id=item["id"],
        status=found["status"],
        price_id=item["price"]["id"],
        period_start=instant(item["current_period_start"]),
        period_end=instant(item["current_period_end"]),
        cancels=bool(found["cancel_at_period_end"]),
        made_at=instant(found["created"]),
        is_changing=found.get("pending_update") is not None,
    )


def tax_of(found: dict[str, Any]) -> Decimal:
    return pesos(sum(tax["amount"] for tax in found.get("total_taxes") or ()))


def invoice(found: dict[str, Any], refunded: int, is_disputed: bool) -> InvoiceFacts:
    """An invoice; `refunded` in cents, which its charges tell."""
    parent = (found.get("parent") or {}).get("subscription_details") or {}
    lines = found["lines"]["data"]
    # Of a change the dearest line is what is bought; the other gives the old price's rest back.
    main: dict[str, Any] = max(lines, key=lambda line: int(line["amount"]), default={})
    pricing = (main.get("pricing") or {}).get("price_details") or {}
    steps = found["status_transitions"]
    return InvoiceFacts(
        id=found["id"],
        number=found.get("number"),
        subscription_id=parent.get("subscription"),
        status=found["status"],
        kind=found.get("billing_reason") or "manual",
        currency=str(found["currency"]).upper(),
        subtotal=pesos(found["subtotal"]),
        tax=tax_of(found),
        total=pesos(found["total"]),
        paid=pesos(found["amount_paid"]),
        attempts=found["attempt_count"],
        price_id=pricing.get("price"),
        pay_url=found.get("hosted_invoice_url"),
        pdf_url=found.get("invoice_pdf"),
        made_at=instant(found["created"]),
        finalized_at=_maybe(steps.get("finalized_at")),
        paid_at=_maybe(steps.get("paid_at")),
        refunded=pesos(refunded),
        is_disputed=is_disputed,
    )
