"""Moving average cost as plain arithmetic: every peso that came in goes out once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.inventory.costing import cost_to_assume, take, take_back, value_in, value_of

D = Decimal

quantities = st.decimals(min_value="0.000001", max_value="999999999.999999", places=6)
amounts = st.decimals(min_value="0.00", max_value="9999999999999.99", places=2)
costs = st.decimals(min_value="0.000000", max_value="9999999.999999", places=6)


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Decimal, list[Decimal]]:
    """A shelf's quantity and the pieces it is sold in, in millionths of a unit."""
    parts = draw(st.lists(st.integers(1, 5_000_000_000), min_size=1, max_size=12))
    split = [D(part).scaleb(-6) for part in parts]
    return sum(split, start=D(0)), split


@given(quantities, amounts, st.data())
def test_what_leaves_never_exceeds_what_lies_there(quantity: Decimal, value: Decimal, data: st.DataObject) -> None:
    out = data.draw(st.decimals(min_value="0", max_value=str(quantity), places=6))
    cost = take(quantity, value, out)
    assert 0 <= cost <= value
    assert cost == cost.quantize(D("0.01"))
    assert abs(cost - value * out / quantity) <= D("0.005") + value * D("1e-20")


@given(pieces(), amounts)
def test_the_pieces_of_a_shelf_cost_exactly_the_shelf(shelf: tuple[Decimal, list[Decimal]], value: Decimal) -> None:
    quantity, split = shelf
    left, costs_of_pieces = value, []
    for piece in split:
        cost = take(quantity, left, piece)
        costs_of_pieces.append(cost)
        quantity, left = quantity - piece, left - cost
        assert left >= 0
    assert quantity == left == 0
    assert sum(costs_of_pieces) == value


@given(quantities, amounts)
def test_the_last_unit_takes_all_that_is_left(quantity: Decimal, value: Decimal) -> None:
    assert take(quantity, value, quantity) == value


@given(quantities, amounts, quantities)
def test_units_at_the_average_do_not_move_it_by_more_than_rounding(
    quantity: Decimal, value: Decimal, more: Decimal
) -> None:
    came = value_in(quantity, value, None, more)
    assert abs(came - value * more / quantity) <= D("0.005") + came * D("1e-20")


@given(quantities, amounts, quantities, costs)
def test_an_entry_undone_at_once_leaves_the_shelf_as_it_was(
    quantity: Decimal, value: Decimal, more: Decimal, cost: Decimal
) -> None:
    brought = value_of(more, cost)
    assert value + brought - take_back(quantity + more, value + brought, more, brought) == value


@given(quantities, amounts, amounts, st.data())
def test_an_entry_undone_late_takes_no_more_than_is_left(
    quantity: Decimal, value: Decimal, brought: Decimal, data: st.DataObject
) -> None:
    out = data.draw(st.decimals(min_value="0", max_value=str(quantity), places=6))
    cost = take_back(quantity, value, out, brought)
    assert 0 <= cost <= value
    if out == quantity:
        assert cost == value


@pytest.mark.parametrize(
    ("quantity", "value", "out", "cost"),
    [
        pytest.param("3", "10.00", "1", "3.33", id="a third, rounded down"),
        pytest.param("2", "0.03", "1", "0.02", id="half a cent goes to even, up"),
        pytest.param("2", "0.01", "1", "0.00", id="half a cent goes to even, down"),
        pytest.param("1.5", "0", "1", "0", id="goods without cost"),
        pytest.param("7", "100.00", "0", "0", id="nothing leaves"),
    ],
)
def test_what_leaves_is_its_part_to_the_cent(quantity: str, value: str, out: str, cost: str) -> None:
    assert take(D(quantity), D(value), D(out)) == D(cost)


@pytest.mark.parametrize("out", ["3.000001", "-1"])
def test_more_than_there_is_cannot_leave(out: str) -> None:
    with pytest.raises(ValueError, match="cannot leave"):
        take(D(3), D("10.00"), D(out))
    with pytest.raises(ValueError, match="cannot leave"):
        take_back(D(3), D("10.00"), D(out), D("1.00"))


def test_a_cost_nobody_stated_is_the_average_else_the_last_else_nothing() -> None:
    assert cost_to_assume(D(3), D("10.00"), D(9)) == D("3.333333")
    assert cost_to_assume(D(0), D("0.00"), D("9.5")) == D("9.5")
    assert cost_to_assume(D(0), D("0.00"), None) == 0
    assert value_in(D(3), D("10.00"), D(9), D(3)) == D("10.00")
    assert value_in(D(0), D("0.00"), D("9.5"), D(3)) == D("28.50")
    assert value_in(D(0), D("0.00"), None, D(3)) == 0
