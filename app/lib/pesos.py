"""Numbers and instants as Colombian paper prints them. What programs read keeps its point and no grouping."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.lib.money import as_price, cents


def format_amount(amount: Decimal) -> str:
    """Pesos without their sign: `1.234.567,89`."""
    return _swap(f"{cents(amount):,.2f}")


def format_pesos(amount: Decimal) -> str:
    """Pesos as on a ticket: `$ 1.234.567,89`, `-$ 50,00`."""
    return f"{'-' if cents(amount) < 0 else ''}$ {format_amount(abs(amount))}"


def format_price(price: Decimal) -> str:
    """Pesos of one unit: at least two decimals, at most six."""
    return _swap(f"{as_price(price):,f}")


def format_number(value: Decimal) -> str:
    """A quantity without needless zeros: `2`, `1.234,5`."""
    text = f"{value:,f}"
    return _swap(text.rstrip("0").rstrip(".") if "." in text else text)


def format_percent(rate: Decimal) -> str:
    """A fraction as a percentage: `19 %`."""
    return f"{format_number(rate * 100)} %"


def format_nit(nit: str, dv: str | None) -> str:
    """`901.555.123-8`; without a digit when there is none, and untouched when it is not a number."""
    grouped = _swap(f"{int(nit):,}") if nit.isascii() and nit.isdigit() else nit
    return f"{grouped}-{dv}" if dv else grouped


def format_instant(instant: datetime, zone: str) -> str:
    """`24/11/2026 01:05 p. m.` in the shop's zone."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local:%d/%m/%Y %I:%M} {'a' if local.hour < 12 else 'p'}. m."  # noqa: PLR2004


def _swap(text: str) -> str:
    return text.translate({ord(","): ".", ord("."): ","})
