from datetime import UTC, datetime, timedelta

from ingest.clock import ManualClock, to_ms
from simulator.pace import Pace

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
NOW_MS = to_ms(NOW)


class Seconds:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_in_real_time_the_fleet_reads_the_machines_clock() -> None:
    clock = ManualClock(NOW)
    pace = Pace(clock)
    clock.advance(timedelta(hours=3))
    assert pace.now_ms() == NOW_MS + 3 * 3_600_000


def test_a_faster_fleet_runs_ahead_from_now_on() -> None:
    seconds = Seconds()
    pace = Pace(ManualClock(NOW), speed=60, monotonic=seconds)
    seconds.now_s += 2
    assert pace.now_ms() == NOW_MS + 120_000


def test_a_fleet_can_begin_in_the_past() -> None:
    seconds = Seconds()
    pace = Pace(ManualClock(NOW), NOW_MS - 3_600_000, 1, seconds)
    assert pace.now_ms() == NOW_MS - 3_600_000
    seconds.now_s += 1.5
    assert pace.now_ms() == NOW_MS - 3_600_000 + 1_500
