"""The part of Stripe's REST API that billing uses: method and path to an object."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from app.dev.stripe_fake.engine import Engine, Refused, shown
from app.dev.stripe_fake.store import Thing

_KEY: Final = re.compile(r"\[([^\]]*)\]")
_MOST: Final = 100


def read_form(text: str) -> dict[str, Any]:
    """`items[0][price]=x` as nested dictionaries and lists, as Stripe reads it."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        path = [name.partition("[")[0], *_KEY.findall(name)]
        place: dict[str, Any] = found
        for step in path[:-1]:
            place = place.setdefault(step, {})
        if path[-1] == "":
            place[str(len(place))] = value
        else:
            place[path[-1]] = value
    result = _listed(found)
    assert isinstance(result, dict)
    return result


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [_listed(value[name]) for name in sorted(value, key=int)]
    return {name: _listed(one) for name, one in value.items()}


def answer(engine: Engine, method: str, path: str, body: dict[str, Any]) -> Thing:
    """One request. Raises `Refused`."""
    words = path.removeprefix("/v1/").strip("/").split("/")
    match (method, *words):
        case ("POST", "customers"):
            return _customer(engine, body)
        case (
            "GET",
            "prices" | "subscriptions" | "invoices" | "charges" | "promotion_codes" | "invoice_payments" as kind,
        ):
            return _page(engine, kind, body)
        case ("GET", "checkout", "sessions"):
            return _page(engine, "sessions", body)
        case ("POST", "prices"):
            return _price(engine, body)
        case ("POST", "checkout", "sessions"):
            return _session(engine, body)
        case ("POST", "checkout", "sessions", identity, "expire"):
            session = engine.need("session", identity)
            if session["status"] != "open":
                raise Refused(f"This Session is {session['status']}", "session_not_open")
            session["status"] = "expired"
            return shown(engine.store.put("session", session))
        case ("POST", "billing_portal", "sessions"):
            identity = engine.store.new_id("bps")
            engine.need("customer", body["customer"])
            page = {
                "id": identity, "object": "billing_portal.session", "url": f"{engine.site}/portal/{identity}",
                "customer": body["customer"], "return_url": body["return_url"], "created": engine.now,
            }  # fmt: skip
            return shown(engine.store.put("portal", page))
        case ("GET", "subscriptions" | "invoices" as kind, identity):
            return shown(engine.need(kind[:-1], identity))
        case ("POST", "subscriptions", identity):
            return shown(engine.change(engine.need("subscription", identity), body))
        case ("POST", "invoices", "create_preview"):
            return _preview(engine, body)
        case ("POST", "invoices", identity, "pay"):
            invoice = engine.need("invoice", identity)
            if not engine.pay(invoice):
                raise Refused("Your card was declined.", "card_declined", 402, "card_error")
            return shown(invoice)
        case _:
            raise Refused(f"Unrecognized request URL ({method}: {path})", "", 404)


def _customer(engine: Engine, body: dict[str, Any]) -> Thing:
    customer = {
        "id": engine.store.new_id("cus"), "object": "customer", "name": body.get("name"), "email": body.get("email"),
        "metadata": body.get("metadata", {}), "created": engine.now, "_card": "ok",
    }  # fmt: skip
    return shown(engine.store.put("customer", customer))


def _price(engine: Engine, body: dict[str, Any]) -> Thing:
    if any(one["lookup_key"] == body.get("lookup_key") for one in engine.store.all("price")):
        raise Refused("A price already uses that lookup key.", "resource_already_exists")
    price = {
        "id": engine.store.new_id("price"), "object": "price", "currency": body["currency"], "active": True,
        "unit_amount": int(body["unit_amount"]), "recurring": {"interval": body["recurring"]["interval"]},
        "lookup_key": body.get("lookup_key"), "product": engine.store.new_id("prod"), "created": engine.now,
        "_name": body.get("product_data", {}).get("name", ""),
    }  # fmt: skip
    return shown(engine.store.put("price", price))


def _session(engine: Engine, body: dict[str, Any]) -> Thing:
    details = body.get("subscription_data", {})
    price = engine.need("price", body["line_items"][0]["price"])
    engine.need("customer", body["customer"])
    rates = [engine.need("tax_rate", one)["percentage"] for one in details.get("default_tax_rates", [])]
    off, once = 0, False
    for discount in body.get("discounts", []):
        code = engine.need("promotion_code", discount["promotion_code"])
        off, once = code["coupon"]["percent_off"], code["coupon"]["duration"] == "once"
    identity = engine.store.new_id("cs")
    session = {
        "id": identity, "object": "checkout.session", "url": f"{engine.site}/checkout/{identity}", "mode": "subscription",
        "status": "open", "payment_status": "unpaid", "customer": body["customer"], "created": engine.now,
        "client_reference_id": body.get("client_reference_id"), "subscription": None,
        "success_url": body["success_url"], "cancel_url": body["cancel_url"], "_price": price["id"],
        "_metadata": details.get("metadata", {}), "_tax": sum(rates), "_percent_off": off, "_once": once,
    }  # fmt: skip
    return shown(engine.store.put("session", session))


def _preview(engine: Engine, body: dict[str, Any]) -> Thing:
    subscription = engine.need("subscription", body["subscription"])
    price = engine.need("price", body["subscription_details"]["items"][0]["price"])
    subtotal = sum(amount for amount, _ in engine.proration(subscription, price))
    tax = round(max(0, subtotal) * subscription["_tax"] / 100)
    return {
        "id": "upcoming_in", "object": "invoice", "subtotal": subtotal, "total": subtotal + tax, "currency": "cop",
        "total_taxes": [{"amount": tax}] if tax else [], "created": engine.now,
    }  # fmt: skip


def _page(engine: Engine, kind: str, query: dict[str, Any]) -> Thing:
    """A list, the newest first, with the filters that are used."""
    single = {"invoice_payments": "payment", "promotion_codes": "promotion_code"}.get(kind, kind[:-1])
    found = [one for one in engine.store.all(single) if _wanted(single, one, query)][::-1]
    if after := query.get("starting_after"):
        places = [n for n, one in enumerate(found) if one["id"] == after]
        if not places:
            raise Refused(f"No such {single}: '{after}'", "resource_missing")
        found = found[places[0] + 1 :]
    limit = min(_MOST, int(query.get("limit", 10)))
    return {
        "object": "list", "url": f"/v1/{kind}", "has_more": len(found) > limit, "data": [shown(one) for one in found[:limit]]
    }  # fmt: skip


def _wanted(kind: str, one: Thing, query: dict[str, Any]) -> bool:
    if "customer" in query and one.get("customer") != query["customer"]:
        return False
    if kind == "price" and "lookup_keys" in query:
        return bool(one["lookup_key"] in query["lookup_keys"])
    if kind == "promotion_code":
        return bool(one["code"] == query.get("code") and one["active"])
    if kind == "payment" and "payment" in query:
        return bool(one["payment"]["payment_intent"] == query["payment"]["payment_intent"])
    if kind == "subscription" and query.get("status") != "all":
        return bool(one["status"] != "canceled")
    return True
