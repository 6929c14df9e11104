"""Days of a shop as instants, to the last one there is."""

from datetime import UTC, date, datetime

from app.lib import clock

ZONE = "America/Bogota"


def test_a_day_ends_where_the_next_begins() -> None:
    assert clock.day_ended(date(2026, 12, 31), ZONE) == clock.day_begun(date(2027, 1, 1), ZONE)
    assert clock.day_ended(date(2026, 12, 31), ZONE) == datetime(2027, 1, 1, 5, tzinfo=UTC)


def test_the_last_day_there_is_ends_too() -> None:
    assert clock.day_ended(date.max, ZONE) > clock.day_begun(date.max, ZONE)
