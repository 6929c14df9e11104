"""Numbers as shops write them."""

from decimal import Decimal

import pytest

from app.domain.imports.amounts import DecimalMark, NotANumber, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234.567,89", "1234567.89"),
        ("1,234,567.89", "1234567.89"),
        ("1234567.89", "1234567.89"),
        ("1234567,89", "1234567.89"),
        ("1.000.000", "1000000"),
        ("1,000,000", "1000000"),
        ("$ 34.900,00", "34900"),
        ("34900 COP", "34900"),
        ("34\u00a0900", "34900"),
        ("1'234'567", "1234567"),
        ("0,125", "0.125"),
        ("0.125", "0.125"),
        ("1.2345", "1.2345"),
        ("1234.567", "1234.567"),
        ("-5", "-5"),
    ],
)
def test_a_number_that_can_mean_one_thing_is_read(text: str, number: str) -> None:
    assert read_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["34.900", "34,900", "1.234", "-1,234"])
def test_a_number_that_can_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(NotANumber) as refusal:
        read_number(text)
    assert refusal.value.code == "ambiguous-number"


@pytest.mark.parametrize(("mark", "number"), [("comma", "34900"), ("point", "34.9")])
def test_the_file_may_say_how_it_writes_decimals(mark: DecimalMark, number: str) -> None:
    assert read_number("34.900", mark) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not-a-number"),
        ("gratis", "not-a-number"),
        ("NaN", "not-a-number"),
        ("1e5", "not-a-number"),
        ("12.34.56", "not-a-number"),
        ("1,23,456.7", "not-a-number"),
        ("3 4900", "not-a-number"),
        ("٣٤", "not-a-number"),
        ("=1+1", "not-a-number"),
        ("1000000000000", "out-of-range"),
        ("0.1234567", "too-precise"),
    ],
)
def test_what_is_no_number_is_refused(text: str, code: str) -> None:
    with pytest.raises(NotANumber) as refusal:
        read_number(text)
    assert refusal.value.code == code
