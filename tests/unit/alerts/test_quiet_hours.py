"""At night what can wait is held back until the morning of the place."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.quiet_hours import QuietHours

NIGHT = QuietHours("22:00", "07:00", "Asia/Hong_Kong")
MIDNIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)  # in Hong Kong


@pytest.mark.parametrize("priority", [1, 2, None])
def test_what_is_urgent_is_never_held_back(priority: int | None) -> None:
    assert NIGHT.hold_until(MIDNIGHT, priority) is None


def test_the_rest_waits_until_the_morning_there() -> None:
    morning = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    assert NIGHT.hold_until(MIDNIGHT, 3) == morning
    assert NIGHT.hold_until(MIDNIGHT - timedelta(hours=2), 4) == morning
    assert NIGHT.hold_until(morning, 3) is None
    assert NIGHT.hold_until(MIDNIGHT - timedelta(hours=2, seconds=1), 3) is None


def test_quiet_hours_may_lie_within_a_day() -> None:
    noon = QuietHours("12:00", "14:00", "UTC")
    assert noon.hold_until(datetime(2026, 3, 2, 13, 0, tzinfo=UTC), 3) == datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
    assert noon.hold_until(datetime(2026, 3, 2, 14, 0, tzinfo=UTC), 3) is None


@given(minutes=st.integers(0, 366 * 24 * 60), zone=st.sampled_from(["Europe/London", "America/New_York", "UTC"]))
def test_what_is_held_back_is_let_go_within_a_day_whatever_the_clocks_do(minutes: int, zone: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    hours = QuietHours("23:30", "06:30", zone)
    until = hours.hold_until(now, 3)
    if until is not None:
        assert now < until <= now + timedelta(hours=9)
        assert hours.hold_until(until, 3) is None


@pytest.mark.parametrize(
    "values", [("22:00", "22:00", "UTC"), ("25:00", "07:00", "UTC"), ("22:00", "07:00", "Mars/Base"), ("", "", "")]
)
def test_what_is_no_span_is_refused(values: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="expected two different times"):
        QuietHours(*values)
