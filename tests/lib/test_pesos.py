"""Figures as Colombian paper prints them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.lib.pesos import (
    format_amount,
    format_instant,
    format_nit,
    format_number,
    format_percent,
    format_pesos,
    format_price,
)


@pytest.mark.parametrize(
    ("amount", "printed"),
    [
        ("0", "$ 0,00"),
        ("1234567.89", "$ 1.234.567,89"),
        ("-50", "-$ 50,00"),
        ("0.005", "$ 0,00"),
        ("0.015", "$ 0,02"),
        ("-0.004", "$ 0,00"),
        ("9999999999999999.99", "$ 9.999.999.999.999.999,99"),
    ],
)
def test_pesos(amount: str, printed: str) -> None:
    assert format_pesos(Decimal(amount)) == printed


def test_amounts_prices_quantities_and_rates() -> None:
    assert format_amount(Decimal("-1234.5")) == "-1.234,50"
    assert format_price(Decimal("8400.123456")) == "8.400,123456"
    assert format_price(Decimal("8400.000000")) == "8.400,00"
    assert [format_number(Decimal(text)) for text in ("2.000000", "1234.500", "0.375", "100", "1E+3")] == [
        "2",
        "1.234,5",
        "0,375",
        "100",
        "1.000",
    ]
    assert [format_percent(Decimal(text)) for text in ("0.190000", "0.05", "0.025")] == ["19 %", "5 %", "2,5 %"]


def test_a_nit_with_and_without_its_digit() -> None:
    assert format_nit("901555123", "8") == "901.555.123-8"
    assert format_nit("222222222222", None) == "222.222.222.222"
    assert format_nit("AB-12", None) == "AB-12"


def test_an_instant_is_told_in_the_zone_of_the_shop() -> None:
    assert [
        format_instant(datetime(2026, 11, 24, hour, 5, tzinfo=UTC), "America/Bogota") for hour in (4, 5, 16, 17, 18)
    ] == [
        "23/11/2026 11:05 p. m.",
        "24/11/2026 12:05 a. m.",
        "24/11/2026 11:05 a. m.",
        "24/11/2026 12:05 p. m.",
        "24/11/2026 01:05 p. m.",
    ]
