from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from analytics.backtest_rule import RuleBacktest, RulePast, backtest_rule
from analytics.findings import FindingKind
from analytics.occurrences import Occurrence
from analytics.settings import AssessmentSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR, BRAKE = "door-closing-fault", "brake-fault"


def fault(day: float, code: str = BRAKE, *, lift_id: str = "L1", lasts_min: float = 60) -> Occurrence:
    at = START + day * DAY
    return Occurrence(
        lift_id=lift_id, code=code, raised_at=at, cleared_at=at + timedelta(minutes=lasts_min), source="message"
    )


def tried(
    found: Sequence[Occurrence],
    days: Sequence[float],
    *,
    kind: FindingKind = FindingKind.REPEATED_FAULT,
    settings: AssessmentSettings | None = None,
    until: float = 100,
) -> RuleBacktest:
    past = RulePast(found=found, visits=(), lifts=1, until=START + until * DAY)
    return backtest_rule(kind, past, [START + day * DAY for day in days], settings)


THREE = [fault(10.1), fault(10.5), fault(11.5)]


def test_an_alert_is_what_was_not_there_the_time_before() -> None:
    assert tried(THREE, range(30)).alerts == 1


def test_what_stood_at_the_first_origin_was_raised_before_it() -> None:
    assert tried(THREE, range(12, 30)).alerts == 0


def test_a_rule_is_tried_as_it_is_set() -> None:
    assert tried(THREE[:2], range(30)).alerts == 0
    assert tried(THREE[:2], range(30), settings=AssessmentSettings(repeated_fault_count_min=2)).alerts == 1


def test_a_month_of_breakdowns_is_seen_whole_however_short_the_other_rules_look_back() -> None:
    found = [fault(day) for day in (10, 22, 35)]
    settings = AssessmentSettings(repeat_repair_days=1)
    assert tried(found, range(60), kind=FindingKind.REPEAT_BREAKDOWNS, settings=settings).alerts == 1


def test_what_passed_by_itself_is_no_breakdown_that_proves_an_alert() -> None:
    assert tried([*THREE, fault(15, DOOR)], range(30)).came_true == 1.0
    assert tried([*THREE, fault(15, DOOR, lasts_min=5)], range(30)).came_true == 0.0


def test_an_alert_is_judged_only_where_the_history_goes_on_for_a_week() -> None:
    told = tried(THREE, range(15), until=15)
    assert (told.alerts, told.judged, told.came_true) == (1, 0, None)
    both = tried([*THREE, *(fault(day) for day in (24, 24.5, 25, 25.5))], range(29), until=29)
    assert (both.alerts, both.judged, both.came_true) == (2, 1, 0.0)
    assert both.line().endswith("; after 0% of the 1 that are a week old the lift broke down within 7 days")


def test_one_look_shows_nothing_new() -> None:
    for days in ([], [12.0]):
        with pytest.raises(ValueError, match="origins lie in the history"):
            tried(THREE, days)
