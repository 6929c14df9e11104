"""The payments adapter of a process: one for each database that it is connected to."""

from typing import Final
from weakref import WeakKeyDictionary

from app.db.session import Database
from app.integrations.stripe.gateway import StripePayments
from app.lib.errors import Conflict, RuleBroken, Unavailable
from app.lib.payments import Payments, PaymentsRefused, PaymentsUnavailable

_MADE: Final[WeakKeyDictionary[Database, Payments]] = WeakKeyDictionary()


def payments_of(database: Database) -> Payments | None:
    """The adapter; None where no provider is configured."""
    settings = database.settings
    if settings.stripe_secret_key is None:
        return None
    if database not in _MADE:
        _MADE[database] = StripePayments(settings.stripe_secret_key, settings.stripe_url, settings.stripe_tax_rate)
    return _MADE[database]


def collecting(database: Database) -> Payments:
    """The adapter for a person's request. Raises 409 `billing-not-enabled`."""
    payments = payments_of(database)
    if payments is None:
        raise Conflict("Esta instalación no cobra suscripciones.", code="billing-not-enabled")
    return payments


def refusal(error: Exception) -> Exception:
    """What a person is told of the provider's no."""
    if isinstance(error, PaymentsUnavailable):
        return Unavailable(
            "La pasarela de pagos no responde; intente de nuevo en unos minutos.",
            code="payments-unavailable",
            headers={"Retry-After": "30"},
        )
    if isinstance(error, PaymentsRefused):
        if error.code == "unknown-coupon":
            return RuleBroken("Ese cupón no existe o ya no sirve.", code="unknown-coupon")
        return RuleBroken("La pasarela de pagos no aceptó la operación.", code="payment-refused", reason=error.code)
    return error
