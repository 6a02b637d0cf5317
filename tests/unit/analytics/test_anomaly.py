from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.anomaly import anomaly_findings
from analytics.findings import Finding, FindingKind
from analytics.series import DailySeries, SeriesKey

FIRST = date(2026, 1, 1)
DAYS, LIFTS = 120, 12
Floats = NDArray[np.float64]


class Fleet:
    """Twelve lifts that are built alike and well."""

    def __init__(self) -> None:
        rng = np.random.default_rng(9)
        self.trips = 300.0 + 10.0 * rng.standard_normal((LIFTS, DAYS))
        self.closing = 3_000.0 + 20.0 * rng.standard_normal((LIFTS, DAYS))

    def findings(self, days: int = DAYS, lifts: int = LIFTS) -> list[Finding]:
        keys = [SeriesKey(f"L{n:02d}", channel) for channel in ("trips", "closing_ms") for n in range(lifts)]
        values = np.concatenate([self.trips[:lifts], self.closing[:lifts]])[:, :days]
        series = DailySeries(keys, FIRST, values, np.full(values.shape, 50, dtype=np.int32))
        return anomaly_findings(series, at(days))


def at(day: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_lifts_that_are_well_are_no_anomaly(fleet: Fleet) -> None:
    assert all(fleet.findings(day) == [] for day in range(70, DAYS + 1, 7))


def test_a_lift_whose_trips_collapse_is_one_with_the_readings_that_say_so(fleet: Fleet) -> None:
    fleet.trips[4, -3:] = 20.0
    (finding,) = fleet.findings()
    assert (finding.lift_id, finding.kind, finding.channel, finding.key) == ("L04", FindingKind.ANOMALY, "trips", None)
    assert finding.value == pytest.approx(20.0, abs=3.0), "as it would be on a middling day of the week"
    assert 200 < finding.limit < 280
    assert " trips a day, normal is 299" in finding.reason
    assert finding.evidence[0]["spreads_from_own_normal"] < -6


def test_several_channels_are_one_finding(fleet: Fleet) -> None:
    fleet.trips[4, -3:] = 20.0
    fleet.closing[4, -3:] = 4_000.0
    (finding,) = fleet.findings()
    assert {item["channel"] for item in finding.evidence} == {"trips", "closing_ms"}


def test_a_holiday_of_all_lifts_is_none(fleet: Fleet) -> None:
    fleet.trips[:, -3:] = 20.0
    assert fleet.findings() == []


def test_one_odd_day_is_none(fleet: Fleet) -> None:
    fleet.trips[4, -2] = 20.0
    assert fleet.findings() == []


def test_it_is_found_on_the_second_day_whenever_it_is_assessed_and_goes_after_a_week(fleet: Fleet) -> None:
    fleet.trips[4, 100:] = 20.0
    found = {day: fleet.findings(day) for day in range(99, 115)}
    told = [day for day, findings in found.items() if findings]
    assert told == list(range(102, 109))
    assert {findings[0].found_at for findings in found.values() if findings} == {at(102)}


def test_without_peers_or_a_normal_of_its_own_nothing_is_said(fleet: Fleet) -> None:
    fleet.trips[4, -3:] = 20.0
    assert fleet.findings(lifts=5) == []
    fleet.trips[4, :-20] = np.nan
    assert fleet.findings() == []


def test_a_lift_without_values_hurts_no_other(fleet: Fleet) -> None:
    fleet.trips[0] = np.nan
    fleet.trips[4, -3:] = 20.0
    assert [finding.lift_id for finding in fleet.findings()] == ["L04"]
