"""Stripe behind the port: the official asynchronous client, loaded when first asked, one API version.

COP has two decimals at Stripe: amounts travel as cents. Every write carries a key that makes a repetition the same act.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from app.integrations.stripe import reading
from app.lib.payments import (
    Account,
    Interval,
    InvoiceFacts,
    Page,
    PaymentsRefused,
    PaymentsUnavailable,
    Preview,
    SubscriptionFacts,
)

API_VERSION: Final = "2026-10-28.endive"
"""Pinned: what an account's default is does not change what we read. The one the library was generated for."""
_LIMIT: Final = 8.0
"""Seconds for one call; a request of a shop may wait for one."""
_RETRIES: Final = 1
_PAGE: Final = 100
_BUSY: Final = frozenset({401, 403, 408, 409, 429})
"""Statuses after which the same call may do; a key that is no good is put right by the operator, and nothing is lost."""
_FIRST_OF_OURS: Final = 400
_FIRST_OF_SERVER: Final = 500

_Answer = TypeVar("_Answer")


class StripePayments:
    """One account of Stripe's; `url` is another address than its own for development."""

    def __init__(self, key: str, url: str | None = None, tax_rate: str | None = None) -> None:
        self._key = key
        self._url = url
        self._tax_rates = [tax_rate] if tax_rate else []
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            import stripe

            self._made = stripe.StripeClient(
                self._key,
                stripe_version=API_VERSION,
                base_addresses={"api": self._url} if self._url else {},
                max_network_retries=_RETRIES,
                http_client=stripe.HTTPXClient(timeout=_LIMIT),
            ).v1
        return self._made

    async def close(self) -> None:
        """Hang up."""
        self._made = None

    async def make_customer(self, name: str, email: str, reference: str, key: str) -> str:
        body = {"name": name, "metadata": {"tenant": reference}, "preferred_locales": ["es-CO"]}
        if email:
            body["email"] = email
        made = await _asked(self._client.customers.create_async(body, {"idempotency_key": key}))
        return str(made["id"])

    async def ensure_price(self, name: str, lookup: str, amount: Decimal, interval: Interval) -> str:
        """The price of this look-up key; made with its product if there is none."""
        found = await _asked(self._client.prices.list_async({"lookup_keys": [lookup], "limit": 1}))
        if found["data"]:
            return str(found["data"][0]["id"])
        made = await _asked(
            self._client.prices.create_async(
                {
                    "currency": "cop",
                    "unit_amount": reading.to_cents(amount),
                    "recurring": {"interval": interval},
                    "lookup_key": lookup,
                    "tax_behavior": "exclusive",
                    "product_data": {"name": name},
                },
                {"idempotency_key": f"price-{lookup}"},
            )
        )
        return str(made["id"])

    async def open_checkout(
        self, customer: str, price: str, reference: str, urls: tuple[str, str], coupon: str | None, key: str
    ) -> Page:
        """A page where the customer subscribes. Raises `PaymentsRefused` `unknown-coupon`."""
        body: dict[str, Any] = {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": reference,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": urls[0],
            "cancel_url": urls[1],
            "locale": "es-419",
            "subscription_data": {"metadata": {"tenant": reference}},
        }
        if self._tax_rates:
            body["subscription_data"]["default_tax_rates"] = self._tax_rates
        if coupon is not None:
            found = await _asked(self._client.promotion_codes.list_async({"code": coupon, "active": True, "limit": 1}))
            if not found["data"]:
                raise PaymentsRefused("there is no such promotion code", "unknown-coupon")
            body["discounts"] = [{"promotion_code": found["data"][0]["id"]}]
        made = await _asked(self._client.checkout.sessions.create_async(body, {"idempotency_key": key}))
        return Page(id=str(made["id"]), url=str(made["url"]))

    async def expire_checkout(self, checkout: str) -> None:
        """Close a page that nobody paid. Raises `PaymentsRefused` when it was paid or is closed."""
        await _asked(self._client.checkout.sessions.expire_async(checkout))

    async def open_portal(self, customer: str, return_url: str) -> Page:
        made = await _asked(
            self._client.billing_portal.sessions.create_async({"customer": customer, "return_url": return_url})
        )
        return Page(id=str(made["id"]), url=str(made["url"]))

    async def read_account(self, customer: str) -> Account:
        client = self._client
        subscriptions, invoices, charges = await asyncio.gather(
            _all(client.subscriptions, {"customer": customer, "status": "all"}),
            _all(client.invoices, {"customer": customer}),
            _all(client.charges, {"customer": customer}),
        )
        marks = await self._marks([charge for charge in charges if charge["amount_refunded"] or charge["disputed"]])
        return Account(
            subscriptions=[reading.subscription(one) for one in subscriptions],
            invoices=[reading.invoice(one, *marks.get(one["id"], (0, False))) for one in invoices],
        )

    async def _marks(self, charges: Sequence[Any]) -> dict[str, tuple[int, bool]]:
        """Invoice to the cents that were given back of it, and whether it is disputed."""
        found: dict[str, tuple[int, bool]] = {}
        for charge in charges:
            asked = {"type": "payment_intent", "payment_intent": charge["payment_intent"]}
            paid = await _asked(self._client.invoice_payments.list_async({"payment": asked, "limit": 1}))
            for one in paid["data"]:
                cents, disputed = found.get(one["invoice"], (0, False))
                found[one["invoice"]] = (cents + charge["amount_refunded"], disputed or charge["disputed"])
        return found

    async def preview_change(self, subscription: SubscriptionFacts, price: str) -> Preview:
        now = int(datetime.now(UTC).timestamp())
        details = {
            "items": [{"id": subscription.item_id, "price": price}],
            "proration_behavior": "always_invoice",
        }
        seen = await _asked(
            self._client.invoices.create_preview_async(
                {"subscription": subscription.id, "subscription_details": details}
            )
        )
        at = seen.get("subscription_proration_date") or seen.get("created") or now
        return Preview(
            amount=reading.pesos(seen["total"]),
            tax=reading.tax_of(seen),
            currency=str(seen["currency"]).upper(),
            at=reading.instant(at),
        )

    async def change_now(self, subscription: SubscriptionFacts, price: str, at: datetime | None, key: str) -> None:
        body: dict[str, Any] = {
            "items": [{"id": subscription.item_id, "price": price}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
        }
        if at is not None:
            body["proration_date"] = int(at.timestamp())
        await _asked(self._client.subscriptions.update_async(subscription.id, body, {"idempotency_key": key}))

    async def change_next(self, subscription: SubscriptionFacts, price: str, key: str) -> None:
        body = {"items": [{"id": subscription.item_id, "price": price}], "proration_behavior": "none"}
        await _asked(self._client.subscriptions.update_async(subscription.id, body, {"idempotency_key": key}))

    async def set_cancelling(self, subscription: str, cancels: bool) -> None:
        await _asked(self._client.subscriptions.update_async(subscription, {"cancel_at_period_end": cancels}))

    async def list_subscriptions(self) -> Sequence[tuple[str, SubscriptionFacts]]:
        found = await _all(self._client.subscriptions, {})
        return [(str(one["customer"]), reading.subscription(one)) for one in found]

    async def read_invoice(self, invoice: str) -> InvoiceFacts:
        """One invoice as it is now."""
        return reading.invoice(await _asked(self._client.invoices.retrieve_async(invoice)), 0, False)


async def _all(service: Any, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Every page of a list."""
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = await _asked(service.list_async({**wanted, **after, "limit": _PAGE}))
        found += page["data"]
        if not page["has_more"] or not page["data"]:
            return found
        after = {"starting_after": page["data"][-1]["id"]}


async def _asked(call: Awaitable[Any]) -> dict[str, Any]:
    """The answer as plain data. Raises only what the port knows."""
    async with _translated():
        answer: dict[str, Any] = (await call).to_dict()
        return answer


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    import stripe

    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise PaymentsUnavailable(f"{type(error).__name__}: {error}") from error
    except stripe.StripeError as error:
        status = error.http_status or 0
        # An answer of 200 that is no JSON is an error as well.
        if not _FIRST_OF_OURS <= status < _FIRST_OF_SERVER or status in _BUSY:
            raise PaymentsUnavailable(f"{type(error).__name__}: {error}") from error
        raise PaymentsRefused(str(error), error.code or "") from error
    except (ValueError, KeyError, AttributeError) as error:
        # An answer that is no JSON, or not the object that was asked for.
        raise PaymentsUnavailable(f"unreadable answer: {type(error).__name__}: {error}") from error
