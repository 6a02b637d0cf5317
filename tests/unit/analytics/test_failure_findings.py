from datetime import timedelta

import numpy as np
import pytest

from analytics.failure_findings import often_failing, repeat_breakdowns, worsening
from analytics.failures import Observed, fleet_failures
from analytics.findings import Finding, FindingKind
from analytics.occurrences import Occurrence
from tests.unit.analytics.test_failures import BRAKE, DAY, DOOR, at, stop
from tests.unit.analytics.test_rates import UNTIL, drawn_fleet

CODES = (DOOR, BRAKE, "position-lost")


def spread(lift_id: str, count: int, code: str = DOOR, since: float = 0, until: float = 365) -> list[Occurrence]:
    """`count` breakdowns at even distances."""
    step = (until - since) / count
    apart = (sum(map(ord, code)) % 97) / 100 * step  # no two codes at one instant, which were one breakdown
    days = [since + step * number + apart for number in range(count)]
    return [stop(day, code, day + 0.05, lift_id=lift_id) for day in days]


def often(found: list[Occurrence], lifts: int = 40) -> list[Finding]:
    observed = [Observed(f"L{number}", at(0)) for number in range(lifts)]
    return often_failing(fleet_failures(observed, found, at(365)), at(365.4))


def usual(lifts: int = 40) -> list[Occurrence]:
    """A fleet of which each lift fails once a year by each of three parts."""
    return [item for number in range(lifts) for code in CODES for item in spread(f"L{number}", 1, code)]


def test_three_breakdowns_in_a_month_are_found_whatever_their_cause() -> None:
    found = [stop(1, DOOR), stop(10, BRAKE), stop(29, "position-lost")]
    (finding,) = repeat_breakdowns(found, at(30))
    assert (finding.kind, finding.value, finding.found_at) == (FindingKind.REPEAT_BREAKDOWNS, 3, at(29))
    assert finding.key is None
    assert finding.reason == (
        "Broke down 3 times in 30 days: brake fault (1), door closing fault (1), position lost (1); "
        "the last at 2026-01-30 00:00 UTC (three breakdowns in a month)"
    )
    assert repeat_breakdowns(found, at(31.5)) == [], "the first is more than a month ago"
    assert repeat_breakdowns(found[:2], at(30)) == []


def test_one_code_that_was_a_repeated_fault_is_not_told_twice() -> None:
    close, apart = [stop(day) for day in (1, 3, 5)], [stop(day) for day in (1, 10, 20)]
    assert repeat_breakdowns(close, at(25)) == []
    assert len(repeat_breakdowns(apart, at(25))) == 1
    assert repeat_breakdowns([*close, stop(20, BRAKE)], at(25)) == []
    (finding,) = repeat_breakdowns([*close, stop(20, BRAKE), stop(21, "overspeed"), stop(22, BRAKE)], at(25))
    assert finding.value == 3


def test_a_fleet_in_which_lifts_are_alike_has_none_that_fails_too_often() -> None:
    assert often(usual()) == []


def test_a_lift_whose_doors_fail_ten_times_as_often_is_found_for_its_doors_alone() -> None:
    (finding,) = often([*usual(), *spread("L7", 12, "door-opening-fault")])
    assert (finding.lift_id, finding.component, finding.code, finding.key) == ("L7", "door", None, "door")
    assert finding.reason == (
        "13 door breakdowns in 365 days in use, where each of the other lifts has 1.0: door opening fault (12), "
        f"door closing fault (1). At present {finding.value:.1f} a year " + finding.reason.partition(" a year ")[2]
    )
    assert "90 % certainty" in finding.reason
    assert finding.value > finding.limit
    assert finding.confidence is not None
    assert finding.confidence > 0.9
    assert finding.evidence[-1]["code"] == "door-opening-fault"


@pytest.mark.parametrize(("since", "found"), [(30, False), (300, True)])
def test_a_lift_that_failed_often_and_does_no_longer_is_left_alone(*, since: float, found: bool) -> None:
    told = often([*usual(), *spread("L7", 12, "door-opening-fault", since, since + 36)])
    assert [finding.lift_id for finding in told] == ["L7"] * found


def test_a_part_that_was_mended_long_ago_does_not_hide_a_lift_that_fails_by_everything() -> None:
    mended = spread("L7", 12, BRAKE, 30, 66)
    many = [item for code in (DOOR, "position-lost") for item in spread("L7", 6, code)]
    assert [finding.key for finding in often([*usual(), *mended, *many])] == [None]


def test_a_lift_that_fails_by_everything_is_found_as_a_whole() -> None:
    many = [item for code in CODES for item in spread("L7", 5, code)]
    (finding,) = often([*usual(), *many])
    assert (finding.lift_id, finding.key) == ("L7", None)


def test_a_code_of_no_component_stands_for_itself() -> None:
    (finding,) = often([*usual(), *spread("L7", 15, "belt")])
    assert (finding.component, finding.code, finding.key) == (None, "belt", "belt")
    assert "has 0.0. At present" in finding.reason, "the code is named once"


def test_a_lift_of_a_few_days_is_compared_with_nobody() -> None:
    observed = [Observed(f"L{number}", at(0)) for number in range(40)] + [Observed("NEW", at(350))]
    found = [*usual(), *spread("NEW", 12, since=350)]
    assert often_failing(fleet_failures(observed, found, at(365)), at(365)) == []


def test_a_single_lift_has_no_fleet_to_be_beyond() -> None:
    assert often(spread("L0", 40), lifts=1) == []


def test_breakdowns_that_come_closer_together_are_found() -> None:
    later = spread("L3", 3, until=180) + spread("L3", 20, since=250)
    observed = [Observed(f"L{number}", at(0)) for number in range(20)]
    found = [item for number in range(20) if number != 3 for item in spread(f"L{number}", 8)] + later
    (finding,) = worsening(fleet_failures(observed, found, at(365)), at(365.5))
    assert (finding.lift_id, finding.kind, finding.limit) == ("L3", FindingKind.WORSENING, 1.0)
    assert finding.value > 1.5
    assert finding.reason.startswith("Breakdowns come closer together: 3 in the first 182 of 365 days in use, 20 in ")
    assert "at present one in" in finding.reason
    assert finding.found_at == later[-1].raised_at


def test_steady_and_rare_breakdowns_are_no_trend() -> None:
    observed = [Observed("L0", at(0)), Observed("L1", at(0))]
    found = [*spread("L0", 12), *spread("L1", 4, since=300)]
    assert worsening(fleet_failures(observed, found, at(365)), at(365)) == []


@pytest.mark.parametrize("clustered", [False, True])
def test_under_equal_rates_and_no_trend_findings_stay_within_the_stated_rate(*, clustered: bool) -> None:
    """300 fleets of 100 lifts, four breakdowns a year: a fleet with any finding is a wrong one."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(150):
        owner = np.repeat(np.arange(100), rng.poisson(2.0 if clustered else 4.0, 100))
        day = rng.uniform(0, 365, owner.size)
        if clustered:
            owner, day = np.repeat(owner, 2), np.minimum(np.repeat(day, 2) + np.tile([0.0, 0.5], day.size), 365.0)
        fleet = drawn_fleet(owner, day, 100)
        wrong += bool(often_failing(fleet, UNTIL) or worsening(fleet, UNTIL))
    assert wrong / 150 <= 0.1 + 2 * (0.1 * 0.9 / 150) ** 0.5, "one in twenty for each of the two"


def test_a_finding_was_complete_before_the_midnight_that_it_rests_on() -> None:
    (finding,) = often([*usual(), *spread("L7", 12)])
    assert finding.found_at < at(365) <= finding.as_of
    assert finding.as_of - finding.found_at < timedelta(days=60)
    assert timedelta(days=1) == DAY
