from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.failures import FleetFailures, Observed, breakdowns, fleet_failures, midnight_before, part_of
from analytics.occurrences import Occurrence
from ingest.fleet import OutageKind

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR, BRAKE = "door-closing-fault", "brake-fault"


def at(day: float) -> datetime:
    return START + day * DAY


def stop(
    day: float,
    code: str = DOOR,
    cleared: float | None = None,
    *,
    lift_id: str = "L1",
    source: str = "outage",
    kind: OutageKind = OutageKind.BREAKDOWN,
) -> Occurrence:
    cleared_at = None if cleared is None else at(cleared)
    return Occurrence(lift_id=lift_id, code=code, raised_at=at(day), cleared_at=cleared_at, source=source, kind=kind)


def fleet(found: list[Occurrence], until: float = 100, since: float = 0, lifts: int = 1) -> FleetFailures:
    observed = [Observed(f"L{number}", at(since)) for number in range(1, lifts + 1)]
    return fleet_failures(observed, found, at(until), window_days=100)


def test_what_comes_while_the_lift_stands_is_no_second_breakdown() -> None:
    found = [stop(1, cleared=1.5), stop(1.2, "safety-interlock-fault", 1.4), stop(1.6, cleared=1.7)]
    assert [item.raised_at for item in breakdowns(found)] == [at(1), at(1.6)]


def test_where_nobody_says_that_it_is_over_a_quarter_of_an_hour_is_one_stop() -> None:
    minute = 1 / 1440
    assert len(breakdowns([stop(1), stop(1 + 14 * minute, BRAKE), stop(1 + 40 * minute)])) == 2


def test_a_fault_that_lets_the_lift_run_and_an_outage_that_is_none_are_no_breakdowns() -> None:
    found = [
        stop(1, "levelling-out-of-tolerance", source="message"),
        stop(2, "repaint", kind=OutageKind.PLANNED),
        stop(3, "power-supply-fault", kind=OutageKind.EXTERNAL),
    ]
    assert breakdowns(found) == []
    assert fleet(found).apart.tolist() == [[1, 1, 0]]
    assert len(breakdowns([stop(1, "levelling-out-of-tolerance")])) == 1, "an outage log has its reasons"


def test_a_lift_is_not_at_risk_from_the_fifteenth_day_of_an_outage_to_its_end() -> None:
    known = fleet([stop(10, cleared=40), stop(50, cleared=51)])
    assert known.spans == [[(0, 24), (40, 100)]]
    assert known.exposure_days.tolist() == [84]
    assert known.risk_day.tolist() == [10, 34]


def test_an_outage_that_is_open_goes_on_and_a_fault_that_nobody_cleared_does_not() -> None:
    assert fleet([stop(10)]).exposure_days.tolist() == [24]
    assert fleet([stop(10, source="message")]).exposure_days.tolist() == [100]


def test_an_outage_that_began_before_the_window_counts_against_the_days_in_it() -> None:
    known = fleet([stop(-10, cleared=20)], since=-50)
    assert known.exposure_days.tolist() == [4 + 80]
    assert known.counts().tolist() == [0], "the breakdown itself was before"


def test_a_lift_is_at_risk_from_when_it_is_observed_or_first_heard_of_to_its_end() -> None:
    assert fleet([], since=30).exposure_days.tolist() == [70]
    assert fleet([stop(20, cleared=20.1)], since=30).exposure_days.tolist() == [80]
    ended = fleet_failures([Observed("L1", at(0), at(60))], [], at(100), window_days=100)
    assert ended.exposure_days.tolist() == [60]


def test_breakdowns_are_counted_by_the_component_of_their_code_or_by_the_code() -> None:
    known = fleet([stop(1), stop(2, "door-opening-fault"), stop(3, "belt")])
    assert (known.parts, known.codes) == (["belt", "door"], ["belt", DOOR, "door-opening-fault"])
    assert known.counts(known.parts.index("door")).tolist() == [2]
    assert (part_of(BRAKE), part_of("belt")) == ("brake", "belt")


def test_what_is_half_a_life_old_counts_half() -> None:
    known = fleet([stop(40), stop(99.9999)], lifts=2)
    assert known.discounted_counts(60).tolist() == pytest.approx([1.5, 0], abs=1e-4)
    whole = fleet([], lifts=1).discounted_exposure(1e9)
    assert whole.tolist() == pytest.approx([100], rel=1e-4)


def test_a_day_begins_at_midnight_utc() -> None:
    assert midnight_before(at(3)) == at(3)
    assert midnight_before(at(3.99)) == at(3)


STOPS = st.lists(
    st.builds(
        lambda lift, day, days, code: stop(day, code, day + days, lift_id=lift),
        st.sampled_from(["L1", "L2", "L3"]),
        st.floats(-50, 200),
        st.floats(0.001, 60),
        st.sampled_from([DOOR, BRAKE, "belt"]),
    ),
    max_size=25,
)


@given(STOPS)
def test_what_happens_after_the_midnight_changes_nothing(found: list[Occurrence]) -> None:
    known = [item for item in found if item.raised_at < at(100)]
    whole, then = fleet(found, lifts=3), fleet(known, lifts=3)
    assert whole.spans == then.spans
    assert whole.day.tolist() == then.day.tolist()


@given(STOPS)
def test_days_at_risk_are_at_most_the_window_and_no_breakdown_lies_beyond_them(found: list[Occurrence]) -> None:
    known = fleet(found, lifts=3)
    assert (known.exposure_days >= 0).all()
    assert (known.exposure_days <= 100 + 1e-9).all()
    assert (known.risk_day <= known.exposure_days[known.owner] + 1e-9).all()
    assert known.counts().sum() == sum(known.counts(part).sum() for part in range(len(known.parts)))
    assert (known.discounted_exposure(30) <= known.exposure_days + 1e-9).all()


def test_what_the_controller_mends_before_anybody_is_called_is_a_sign_and_no_breakdown() -> None:
    minute = 1 / 1440
    short = stop(1, cleared=1 + 19 * minute, source="message")
    assert breakdowns([short]) == []
    assert len(breakdowns([stop(1, cleared=1 + 20 * minute, source="message")])) == 1, "somebody was called"
    assert len(breakdowns([stop(1, source="message")])) == 1, "nobody says that it is over"
    assert len(breakdowns([stop(1, "safety-interlock-fault", 1 + minute, source="message")])) == 1, "it does not wait"
    assert len(breakdowns([stop(1, cleared=1 + minute)])) == 1, "what a log calls a breakdown is one"
