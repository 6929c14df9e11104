"""How subscriptions, invoices and payments behave there: renewals, retries, prorations, changes that wait for their payment."""

import calendar
from datetime import UTC, datetime
from typing import Any, Final

from app.dev.stripe_fake.store import Store, Thing

VERSION: Final = "2026-10-28.endive"
_DAY: Final = 86_400
RETRIES: Final = (3 * _DAY, 5 * _DAY, 7 * _DAY)
"""After the first attempt; then the invoice stays open and the subscription past due."""
_PENDING: Final = 23 * 3_600
"""Seconds a change waits for its payment."""
_LIVE: Final = ("active", "past_due")


class Refused(Exception):
    """An error as the API answers it."""

    def __init__(self, message: str, code: str = "", status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.code, self.status, self.kind = code, status, kind


def add_interval(at: int, interval: str, anchor: int) -> int:
    """The same day of the next month or year; the last of a shorter one."""
    when, first = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(anchor, UTC)
    months = when.year * 12 + when.month - 1 + (1 if interval == "month" else 12)
    year, month = divmod(months, 12)
    day = min(first.day, calendar.monthrange(year, month + 1)[1])
    return int(when.replace(year=year, month=month + 1, day=day).timestamp())


class Engine:
    """`now` is seconds since the epoch, and moves only forward through `advance`."""

    def __init__(self, store: Store, now: int, site: str) -> None:
        self.store, self.now, self.site = store, now, site

    def need(self, kind: str, identity: str) -> Thing:
        found = self.store.find(kind, identity)
        if found is None:
            raise Refused(f"No such {kind}: '{identity}'", "resource_missing", 404)
        return found

    def emit(self, kind: str, thing: Thing) -> None:
        event = {
            "id": self.store.new_id("evt"), "object": "event", "api_version": VERSION, "created": self.now, "type": kind,
            "livemode": False, "data": {"object": shown(thing)},
        }  # fmt: skip
        self.store.put("event", event)

    # Subscriptions.

    def subscribe(self, session: Thing, card: str) -> bool:
        """Pay a checkout page; answers whether the card did."""
        customer = self.need("customer", session["customer"])
        customer["_card"] = card
        self.store.put("customer", customer)
        if card != "ok":
            return False
        price = self.need("price", session["_price"])
        end = add_interval(self.now, price["recurring"]["interval"], self.now)
        subscription = {
            "id": self.store.new_id("sub"), "object": "subscription", "customer": customer["id"], "status": "active",
            "created": self.now, "cancel_at_period_end": False, "canceled_at": None, "pending_update": None,
            "currency": "cop", "metadata": session["_metadata"], "latest_invoice": None, "_anchor": self.now,
            "_tax": session["_tax"], "_percent_off": session["_percent_off"], "_once": session["_once"],
            "items": {"object": "list", "has_more": False, "data": [{
                "id": self.store.new_id("si"), "object": "subscription_item", "price": price, "quantity": 1,
                "current_period_start": self.now, "current_period_end": end}]},
        }  # fmt: skip
        self.store.put("subscription", subscription)
        self.emit("customer.subscription.created", subscription)
        invoice = self.bill(subscription, "subscription_create", [(price["unit_amount"], price["id"])])
        self.pay(invoice)
        session |= {"status": "complete", "payment_status": "paid", "subscription": subscription["id"]}
        self.store.put("session", session)
        self.emit("checkout.session.completed", session)
        return True

    def bill(self, subscription: Thing, reason: str, lines: list[tuple[int, str]]) -> Thing:
        subtotal = sum(amount for amount, _ in lines)
        off = round(subtotal * subscription["_percent_off"] / 100) if subtotal > 0 else 0
        if subscription["_once"] and off:
            subscription["_percent_off"] = 0
        base = max(0, subtotal - off)
        tax = round(base * subscription["_tax"] / 100)
        identity = self.store.new_id("in")
        invoice = {
            "id": identity, "object": "invoice", "customer": subscription["customer"], "status": "open", "currency": "cop",
            "billing_reason": reason, "number": f"FAKE-{identity[-6:]}", "subtotal": subtotal, "total": base + tax,
            "amount_due": base + tax, "amount_paid": 0, "attempt_count": 0, "created": self.now,
            "next_payment_attempt": None, "total_taxes": [{"amount": tax}] if tax else [],
            "status_transitions": {"finalized_at": self.now, "paid_at": None},
            "hosted_invoice_url": f"{self.site}/invoice/{identity}", "invoice_pdf": f"{self.site}/invoice/{identity}/pdf",
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription["id"]}},
            "lines": {"object": "list", "has_more": False, "data": [
                {"id": f"il_{identity}_{n}", "object": "line_item", "amount": amount,
                 "pricing": {"price_details": {"price": price}}} for n, (amount, price) in enumerate(lines)]},
        }  # fmt: skip
        subscription["latest_invoice"] = identity
        self.store.put("subscription", subscription)
        self.store.put("invoice", invoice)
        self.emit("invoice.finalized", invoice)
        return invoice

    def pay(self, invoice: Thing) -> bool:
        """Try the customer's card on an open invoice; answers whether it is paid."""
        if invoice["status"] not in {"open", "uncollectible"}:
            return bool(invoice["status"] == "paid")
        customer = self.need("customer", invoice["customer"])
        subscription = self.need("subscription", invoice["parent"]["subscription_details"]["subscription"])
        invoice["attempt_count"] += 1
        if customer.get("_card", "ok") != "ok" and invoice["total"] > 0:
            tries = invoice["attempt_count"] - 1
            # A change that waits for its payment is not had, and so not owed.
            owed = subscription["pending_update"] is None or invoice["billing_reason"] == "subscription_cycle"
            due = owed and invoice["status"] == "open" and tries < len(RETRIES)
            invoice["next_payment_attempt"] = invoice["created"] + RETRIES[tries] if due else None
            self.store.put("invoice", invoice)
            if owed and subscription["status"] == "active":
                subscription["status"] = "past_due"
                self.store.put("subscription", subscription)
                self.emit("customer.subscription.updated", subscription)
            self.emit("invoice.payment_failed", invoice)
            return False
        invoice |= {"status": "paid", "amount_paid": invoice["total"], "next_payment_attempt": None}
        invoice["status_transitions"]["paid_at"] = self.now
        self.store.put("invoice", invoice)
        if invoice["total"]:
            intent, charge = self.store.new_id("pi"), self.store.new_id("ch")
            self.store.put("charge", {
                "id": charge, "object": "charge", "customer": customer["id"], "payment_intent": intent, "created": self.now,
                "amount": invoice["total"], "amount_refunded": 0, "disputed": False, "currency": "cop"})  # fmt: skip
            self.store.put("payment", {
                "id": self.store.new_id("inpay"), "object": "invoice_payment", "invoice": invoice["id"], "status": "paid",
                "created": self.now, "payment": {"type": "payment_intent", "payment_intent": intent}})  # fmt: skip
        self.emit("invoice.paid", invoice)
        self._after_payment(subscription)
        return True

    def _after_payment(self, subscription: Thing) -> None:
        pending = subscription["pending_update"]
        if pending is not None and self.need("invoice", subscription["latest_invoice"])["status"] == "paid":
            self._apply(subscription, pending["_price"])
            subscription["pending_update"] = None
        owed = [one for one in self.invoices_of(subscription) if one["status"] == "open"]
        if subscription["status"] == "past_due" and not owed:
            subscription["status"] = "active"
        if subscription["status"] != "canceled":
            self.store.put("subscription", subscription)
            self.emit("customer.subscription.updated", subscription)

    def invoices_of(self, subscription: Thing) -> list[Thing]:
        return [
            one for one in self.store.all("invoice")
            if one["parent"]["subscription_details"]["subscription"] == subscription["id"]
        ]  # fmt: skip

    def _apply(self, subscription: Thing, price: Thing) -> None:
        item = subscription["items"]["data"][0]
        if price["recurring"]["interval"] != item["price"]["recurring"]["interval"]:
            subscription["_anchor"] = self.now
            item["current_period_start"] = self.now
            item["current_period_end"] = add_interval(self.now, price["recurring"]["interval"], self.now)
        item["price"] = price

    def proration(self, subscription: Thing, price: Thing) -> list[tuple[int, str]]:
        """Lines of a change now: what is left of the old price back, and of the new one to pay."""
        item = subscription["items"]["data"][0]
        start, end, old = item["current_period_start"], item["current_period_end"], item["price"]
        left = (end - self.now) / (end - start)
        back = -round(old["unit_amount"] * left)
        same = old["recurring"]["interval"] == price["recurring"]["interval"]
        return [(back, old["id"]), (round(price["unit_amount"] * left) if same else price["unit_amount"], price["id"])]

    def change(self, subscription: Thing, body: dict[str, Any]) -> Thing:
        """`POST /v1/subscriptions/{id}`."""
        if subscription["status"] == "canceled":
            raise Refused("A canceled subscription can only update its cancellation_details.", "resource_missing")
        if "cancel_at_period_end" in body:
            subscription["cancel_at_period_end"] = body["cancel_at_period_end"] == "true"
        if "items" in body:
            price = self.need("price", body["items"][0]["price"])
            if body.get("proration_behavior") == "always_invoice":
                if subscription["status"] != "active" or subscription["pending_update"]:
                    raise Refused(
                        "The subscription cannot be updated with pending_if_incomplete.", "subscription_pending"
                    )
                lines = self.proration(subscription, price)
                invoice = self.bill(subscription, "subscription_update", lines)
                subscription["pending_update"] = {"expires_at": self.now + _PENDING, "_price": price}
                self.store.put("subscription", subscription)
                self.pay(invoice)
            elif price["recurring"]["interval"] != subscription["items"]["data"][0]["price"]["recurring"]["interval"]:
                # Another interval begins, and is billed, at once: also without proration.
                self._apply(subscription, price)
                self.store.put("subscription", subscription)
                self.pay(self.bill(subscription, "subscription_update", [(price["unit_amount"], price["id"])]))
            else:
                subscription["items"]["data"][0]["price"] = price
        self.store.put("subscription", subscription)
        self.emit("customer.subscription.updated", subscription)
        return subscription

    def end(self, subscription: Thing) -> None:
        subscription |= {"status": "canceled", "canceled_at": self.now}
        self.store.put("subscription", subscription)
        self.emit("customer.subscription.deleted", subscription)

    # Time.

    def advance(self, to: int) -> None:
        """Move the clock, doing everything that falls due on the way in its order."""
        while (due := self._next_due()) is not None and due[0] <= to:
            self.now = max(self.now, due[0])
            self._do(due[1], due[2])
        self.now = max(self.now, to)

    def _next_due(self) -> tuple[int, str, Thing] | None:
        found: list[tuple[int, str, Thing]] = []
        for one in self.store.all("subscription"):
            if one["status"] in _LIVE:
                found.append((one["items"]["data"][0]["current_period_end"], "renew", one))
                if one["pending_update"]:
                    found.append((one["pending_update"]["expires_at"], "forget", one))
        found += [
            (one["next_payment_attempt"], "retry", one)
            for one in self.store.all("invoice")
            if one["status"] == "open" and one["next_payment_attempt"]
        ]
        return min(found, key=lambda one: (one[0], one[2]["id"]), default=None)

    def _do(self, what: str, thing: Thing) -> None:
        if what == "retry":
            self.pay(thing)
        elif what == "forget":
            self.void(self.need("invoice", thing["latest_invoice"]))
            thing["pending_update"] = None
            self.store.put("subscription", thing)
            self.emit("customer.subscription.updated", thing)
        elif thing["cancel_at_period_end"]:
            self.end(thing)
        else:
            item = thing["items"]["data"][0]
            item["current_period_start"] = item["current_period_end"]
            interval = item["price"]["recurring"]["interval"]
            item["current_period_end"] = add_interval(item["current_period_start"], interval, thing["_anchor"])
            invoice = self.bill(thing, "subscription_cycle", [(item["price"]["unit_amount"], item["price"]["id"])])
            self.emit("customer.subscription.updated", thing)
            self.pay(invoice)

    def void(self, invoice: Thing) -> None:
        if invoice["status"] == "open":
            invoice |= {"status": "void", "next_payment_attempt": None}
            self.store.put("invoice", invoice)
            self.emit("invoice.voided", invoice)

    def write_off(self, invoice: Thing) -> None:
        """Mark an invoice that nobody paid as a loss; it may still be paid."""
        if invoice["status"] == "open":
            invoice |= {"status": "uncollectible", "next_payment_attempt": None}
            self.store.put("invoice", invoice)
            self.emit("invoice.marked_uncollectible", invoice)
            subscription = self.need("subscription", invoice["parent"]["subscription_details"]["subscription"])
            owed = [one for one in self.invoices_of(subscription) if one["status"] == "open"]
            if subscription["status"] == "past_due" and not owed:
                # As there: what is given up is not waited for.
                subscription["status"] = "active"
                self.store.put("subscription", subscription)
                self.emit("customer.subscription.updated", subscription)

    def refund(self, invoice: Thing, dispute: bool) -> None:
        """Give the whole payment of an invoice back, or dispute it."""
        payment = next(one for one in self.store.all("payment") if one["invoice"] == invoice["id"])
        intent = payment["payment"]["payment_intent"]
        charge = next(one for one in self.store.all("charge") if one["payment_intent"] == intent)
        if dispute:
            charge["disputed"] = True
        else:
            charge["amount_refunded"] = charge["amount"]
        self.store.put("charge", charge)
        self.emit("charge.dispute.created" if dispute else "charge.refunded", charge)


def shown(thing: Thing) -> Thing:
    """An object without what is the fake's own."""
    return {name: _shown(value) for name, value in thing.items() if not name.startswith("_")}


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return shown(value)
    return [_shown(one) for one in value] if isinstance(value, list) else value
