"""The figures about the alert load, against examples that were computed by hand."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerts.kpis import DEFAULT_SHIFTS, CountedAlert, Period, Shift, days, kpis, parse_shifts, shifts
from tests.unit.alerts.parts import NOON, at

HOUR_S = 3_600
# Ten hours from noon on: 60 windows of ten minutes.
TEN_HOURS = Period("test", NOON, at(10 * HOUR_S))


def alarm(
    at_s: float,
    *,
    lift_id: str = "A1",
    code: str | None = "overspeed",
    priority: int = 2,
    cleared_s: float | None = None,
    acknowledged_s: float | None = None,
    repeats: int = 0,
    chattering: bool = False,
) -> CountedAlert:
    return CountedAlert(
        lift_id=lift_id,
        kind="lift-stopped",
        code=code,
        priority=priority,
        received_at=at(at_s),
        cleared_at=None if cleared_s is None else at(cleared_s),
        acknowledged_at=None if acknowledged_s is None else at(acknowledged_s),
        repeats=repeats,
        chattering=chattering,
    )


def test_nothing_happened() -> None:
    found = kpis([], TEN_HOURS)
    assert (found.alarm_count, found.average_alarm_rate, found.flood_share) == (0, 0.0, 0.0)
    assert (found.top_share, found.acknowledge_median_s, found.acknowledge_p95_s) == (None, None, None)


def test_the_count_and_the_rates_are_for_ten_minutes() -> None:
    # 12 alerts in 60 windows; two in the last ten minutes; at most 3 within ten minutes (0, 300, 600 s: not 600 and 0).
    instants = [0, 300, 599, 600, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_500, 35_999]
    found = kpis([alarm(at_s) for at_s in instants], TEN_HOURS, operators=2)
    assert found.alarm_count == 12
    assert found.average_alarm_rate == pytest.approx(0.2)
    assert found.per_operator_10_min == pytest.approx(0.1)
    assert (found.maximum_alarm_rate, found.current_alarm_rate) == (3, 2)


def test_a_flood_lasts_from_the_alert_too_many_until_the_eleventh_before_is_ten_minutes_ago() -> None:
    # Alerts each 30 s: the 11th comes at 300 s, the first one is ten minutes ago at 600 s.
    eleven = [alarm(30 * number) for number in range(11)]
    assert kpis(eleven, TEN_HOURS).flood_share == pytest.approx(300 / 36_000)
    assert kpis(eleven[:10], TEN_HOURS).flood_share == 0
    assert kpis(eleven, TEN_HOURS, operators=2).flood_share == 0
    # The 12th comes at 330 s and keeps it going until 630 s.
    twelve = [alarm(30 * number) for number in range(12)]
    assert kpis(twelve, TEN_HOURS).flood_share == pytest.approx(330 / 36_000)


def test_a_flood_flows_over_into_the_period_behind_it() -> None:
    eleven = [alarm(30 * number) for number in range(11)]
    before = kpis(eleven, Period("before", at(-HOUR_S), at(400)))
    after = kpis(eleven, Period("after", at(400), at(HOUR_S)))
    assert before.flood_share == pytest.approx(100 / 4_000)
    assert after.flood_share == pytest.approx(200 / 3_200)
    assert (before.alarm_count, after.alarm_count) == (11, 0)


def test_two_floods_are_two_times() -> None:
    instants = [30 * number for number in range(11)] + [20_000 + 30 * number for number in range(11)]
    assert kpis([alarm(at_s) for at_s in instants], TEN_HOURS).flood_share == pytest.approx(600 / 36_000)


def test_the_longest_times_are_cut_at_the_end_and_go_back_before_the_beginning() -> None:
    alerts = [
        alarm(-7_200, cleared_s=3_600, acknowledged_s=-7_000),
        alarm(100, cleared_s=200, acknowledged_s=1_100),
        alarm(32_000),
        alarm(-90_000, cleared_s=-80_000, acknowledged_s=-80_000),
    ]
    found = kpis(alerts, TEN_HOURS)
    assert found.maximum_active_state_s == 10_800
    assert found.maximum_unack_s == 4_000
    assert found.alarm_count == 2


def test_the_time_to_acknowledge_is_told_as_median_and_as_what_95_of_100_do_not_exceed() -> None:
    alerts = [alarm(100 * number, acknowledged_s=100 * number + 10 * (number + 1)) for number in range(20)]
    found = kpis([*alerts, alarm(9_000)], TEN_HOURS)
    assert found.acknowledge_median_s == 105
    assert found.acknowledge_p95_s == 190
    assert found.unacknowledged == 1


def test_priorities_sources_and_repeats_are_counted() -> None:
    alerts = [
        *(alarm(number * 700, priority=3, code="lift-shaft-device-fault") for number in range(6)),
        alarm(100, priority=1, lift_id="B2", repeats=7),
        *(alarm(200 + number * 700, lift_id=f"C{number}", repeats=1) for number in range(13)),
    ]
    found = kpis(alerts, TEN_HOURS)
    assert found.priorities == {1: 1, 2: 13, 3: 6, 4: 0}
    assert found.maximum_re_alarm_count == 7
    assert [(each.lift_id, each.count, each.share) for each in found.top_sources[:2]] == [
        ("A1", 6, 0.3),
        ("B2", 1, 0.05),
    ]
    assert len(found.top_sources) == 10
    assert found.top_share == pytest.approx(15 / 20)


def test_three_changes_within_a_minute_are_chattering() -> None:
    restless = [alarm(0, cleared_s=20), alarm(60, cleared_s=5_000)]
    steady = [alarm(0, lift_id="B2", cleared_s=20), alarm(61, lift_id="B2", cleared_s=5_000)]
    held = [alarm(700, lift_id="C3", chattering=True)]
    found = kpis([*restless, *steady, *held], TEN_HOURS).chattering
    assert [(each.lift_id, each.count) for each in found] == [("A1", 2), ("C3", 1)]


def test_what_is_active_for_more_than_a_day_at_the_end_is_stale() -> None:
    end_s, day_s = 10 * HOUR_S, 24 * HOUR_S
    alerts = [
        alarm(end_s - day_s - 1, priority=2),
        alarm(end_s - day_s, priority=2),
        alarm(end_s - 2 * day_s, priority=4),
        alarm(end_s - 2 * day_s, cleared_s=end_s - 1),
        alarm(end_s - 2 * day_s, priority=3, cleared_s=end_s + 1),
    ]
    found = kpis(alerts, TEN_HOURS)
    assert (found.stale, found.stale_urgent) == (3, 1)


def test_days_and_shifts_are_cut_at_the_window() -> None:
    since, until = at(0), at(86_400)
    assert [(day.name, (day.until - day.since) / timedelta(hours=1)) for day in days(since, until)] == [
        ("2026-03-02", 12),
        ("2026-03-03", 12),
    ]
    assert [
        (one.name, (one.until - one.since) / timedelta(hours=1)) for one in shifts(since, until, DEFAULT_SHIFTS)
    ] == [
        ("2026-03-02 early", 4),
        ("2026-03-02 late", 8),
        ("2026-03-03 night", 8),
        ("2026-03-03 early", 4),
    ]


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_began() -> None:
    plan = (Shift("day", 6), Shift("evening", 14), Shift("night", 22))
    found = shifts(at(-11 * HOUR_S), at(0), plan)
    assert [(one.name, one.since, one.until) for one in found] == [
        ("2026-03-01 night", at(-11 * HOUR_S), at(-6 * HOUR_S)),
        ("2026-03-02 day", at(-6 * HOUR_S), at(0)),
    ]


def test_shifts_are_written_as_names_and_hours() -> None:
    assert parse_shifts("night 0, early 8, late 16") == DEFAULT_SHIFTS
    assert parse_shifts("long day 7,night 19", 3) == (Shift("long day", 7, 3), Shift("night", 19, 3))
    for wrong in ("", "night", "8", "night 24", "a 1, b 1", "a 1,"):
        with pytest.raises(ValueError, match="shifts"):
            parse_shifts(wrong)


@given(
    instants=st.lists(st.integers(-3_600, 40_000), max_size=60),
    cuts=st.lists(st.integers(1, 35_999), max_size=4, unique=True),
)
def test_parts_add_up_to_the_whole(instants: list[int], cuts: list[int]) -> None:
    alerts = [alarm(at_s) for at_s in instants]
    edges = [0, *sorted(cuts), 36_000]
    parts = [kpis(alerts, Period("part", at(start), at(end))) for start, end in pairwise(edges)]
    whole = kpis(alerts, TEN_HOURS)
    assert sum(part.alarm_count for part in parts) == whole.alarm_count
    in_flood_s = sum(part.flood_share * (part.until - part.since).total_seconds() for part in parts)
    assert in_flood_s == pytest.approx(whole.flood_share * 36_000)
    assert max(part.maximum_alarm_rate for part in parts) == whole.maximum_alarm_rate


def test_findings_that_come_all_at_once_are_no_flood() -> None:
    found = [structs.replace(alarm(number), kind="maintenance-due") for number in range(40)]
    whole = kpis(found, TEN_HOURS)
    assert (whole.flood_share, whole.maximum_alarm_rate, whole.alarm_count) == (0, 40, 40)
