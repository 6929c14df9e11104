"""Stripe: keys of the right kind, and an end point that hears us; asked of its API without changing anything."""

from collections.abc import Sequence
from typing import Any, Final

from app.ops.verify.check import Check, Context, Fault, NotAsked, outside

_STRIPE: Final = "https://api.stripe.com"
_PATH: Final = "/billing/webhooks/stripe"
_NEEDED: Final = ("invoice.paid", "invoice.payment_failed", "customer.subscription.deleted")


async def keys(context: Context) -> Sequence[Fault]:
    key = _key(context)
    faults = []
    production = context.whole.environment == "production"
    if not key.startswith(("sk_live_", "rk_live_") if production else ("sk_", "rk_")):
        seen = (
            "es una clave de prueba: nadie pagaría de verdad"
            if "_test_" in key
            else "no es una clave secreta de Stripe"
        )
        faults.append(Fault(seen, "La clave sk_live_… o una restringida rk_live_….", "STRIPE_SECRET_KEY"))
    for secret in context.environ.get("STRIPE_WEBHOOK_SECRET", "").split(","):
        if not secret.strip().startswith("whsec_"):
            cure = "El secreto whsec_… que Stripe muestra junto al punto de recepción."
            faults.append(Fault("no es un secreto de webhook", cure, "STRIPE_WEBHOOK_SECRET"))
    return faults


async def end_point(context: Context) -> Sequence[Fault]:
    """Stripe tells its events to this installation's address."""
    url = f"{context.whole.public_url}{_PATH}"
    base = context.environ.get("STRIPE_URL", "").strip() or _STRIPE
    async with outside() as client:
        answer = await client.get(
            f"{base}/v1/webhook_endpoints",
            params={"limit": "100"},
            headers={"Authorization": f"Bearer {_key(context)}"},
        )
    if answer.status_code in {401, 403}:
        return [Fault(f"Stripe responde {answer.status_code}", "Clave retirada, o sin permiso.", "STRIPE_SECRET_KEY")]
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    ours = [one for one in found if one["url"] == url and one["status"] == "enabled"]
    if not ours:
        return [
            Fault(
                f"ningún punto de recepción activo en {url}",
                "Créelo en Stripe, con los eventos de docs/suscripciones.md.",
            )
        ]
    heard = {event for one in ours for event in one["enabled_events"]}
    missing = [] if "*" in heard else [event for event in _NEEDED if event not in heard]
    return [Fault(f"no oye {', '.join(missing)}", "Agregue esos eventos al punto de recepción.")] if missing else []


def _key(context: Context) -> str:
    key = context.environ.get("STRIPE_SECRET_KEY", "").strip()
    if not key:
        raise NotAsked("esta instalación no cobra")
    return key


_AREA: Final = "cobros"
CHECKS: Final = (
    Check(name="stripe-keys", area=_AREA, title="Claves de Stripe", ask=keys, needs=("settings",)),
    Check(
        name="stripe-endpoint", area=_AREA, title="Stripe avisa a esta dirección", ask=end_point, needs=("settings",)
    ),
)
