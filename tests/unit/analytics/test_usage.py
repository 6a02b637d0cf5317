from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.findings import Finding, FindingKind
from analytics.usage import Sample, forecast, usage_finding, used_between
from analytics.usage_reader import UsageReader
from analytics.wear_budgets import (
    WEAR_BUDGETS,
    Counter,
    WearBudget,
    WearBudgetError,
    load_wear_budgets,
    parse_wear_budgets,
)
from ingest.clock import to_ms
from ingest.fleet import Visit, VisitKind
from ingest.messages import Counters, Kind, Message
from ingest.telemetry_store import MemoryTelemetryStore

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOORS = WEAR_BUDGETS["door-parts"]


def weekly(*totals: float) -> list[Sample]:
    return [Sample(START + number * 7 * DAY, total) for number, total in enumerate(totals)]


def steady(per_day: float, total: float, weeks: int = 8) -> list[Sample]:
    """Samples of a counter that stands at `total` in the end."""
    return weekly(*(total - per_day * 7 * (weeks - number) for number in range(weeks + 1)))


def found(samples: list[Sample], used: float | None = None, since: datetime | None = None) -> Finding | None:
    used = samples[-1].total if used is None else used
    return usage_finding("L1", DOORS, samples, used, samples[-1].at + 1.4 * DAY, since=since)


def test_use_is_what_was_counted_in_between() -> None:
    assert used_between(weekly(100, 150, 400)) == 300
    assert used_between(weekly(100)) == 0


def test_a_counter_that_goes_back_begins_anew_and_takes_nothing_away() -> None:
    assert used_between(weekly(1_000, 1_100, 40, 90)) == 100 + 40 + 50


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=10), st.integers(0, 9))
def test_use_is_never_negative_and_adds_up(totals: list[float], cut: int) -> None:
    samples = weekly(*totals)
    cut = min(cut, len(samples) - 1)
    assert used_between(samples) >= 0
    parts = used_between(samples[: cut + 1]) + used_between(samples[cut:])
    assert parts == pytest.approx(used_between(samples))


def test_a_steady_pace_leaves_no_doubt() -> None:
    known = forecast(900.0, steady(10, 900), 1_000)
    assert known is not None
    assert [known.per_day, known.days, known.days_low, known.days_high] == pytest.approx([10, 10, 10, 10])


def test_a_varying_pace_leaves_more_doubt_the_more_it_varies() -> None:
    calm, wild = ([0.0], [0.0])
    for week in range(8):
        calm.append(calm[-1] + 70 + 7 * (-1) ** week)
        wild.append(wild[-1] + 70 + 35 * (-1) ** week)
    widths = []
    for totals in (calm, wild):
        known = forecast(totals[-1], weekly(*totals), totals[-1] + 500)
        assert known is not None
        assert known.days is not None
        assert known.days == pytest.approx(50, rel=0.01)
        assert known.days_low is not None
        assert known.days_high is not None
        assert known.days_low < known.days < known.days_high
        widths.append(known.days_high - known.days_low)
    assert widths[0] < widths[1]


def test_nine_forecasts_in_ten_hold_the_day() -> None:
    rng = np.random.default_rng(1)
    holds = 0
    for _ in range(500):
        uses = rng.normal(700, 120, 60)
        totals = np.concatenate([[0.0], np.cumsum(uses)])
        target = 20_000.0
        known = forecast(float(totals[8]), weekly(*totals[:9].tolist()), target)
        day = 7 * float(np.interp(target, totals, np.arange(61))) - 56
        assert known is not None
        holds += (known.days_low or 0) <= day <= (known.days_high or 1e9)
    assert holds / 500 == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("samples", [weekly(1, 2, 3), [], steady(0, 100)])
def test_too_little_or_no_use_forecasts_nothing(samples: list[Sample]) -> None:
    known = forecast(100, samples, 1_000)
    assert known is None or known.days is None


def test_a_part_that_lasts_is_not_found() -> None:
    assert found(steady(500, 2_000_000)) is None


def test_a_part_that_will_be_used_up_within_its_early_days_is_due() -> None:
    finding = found(steady(500, 2_980_000))
    assert finding is not None
    assert (finding.kind, finding.key, finding.component) == (FindingKind.USAGE_DUE, "door-parts", "door")
    assert (finding.value, finding.limit, finding.days_left) == (2_980_000, 3_000_000, 40)
    assert finding.reason == (
        "Door parts nearly used up: 2,980,000 of 3,000,000 door cycles used since commissioning; at 500 a day the rest "
        "lasts until about 2026-04-07 (2026-04-07 to 2026-04-07 with 90 % certainty; door life test of a door maker, "
        "3,000,000 cycles)"
    )
    assert finding.found_at == START + 6 * DAY, "50 days before the last sample it was 90 days ahead"


def test_a_part_that_is_used_up_says_since_when() -> None:
    finding = found(steady(500, 3_007_000), since=START - 4_000 * DAY)
    assert finding is not None
    assert (finding.kind, finding.days_left, finding.found_at) == (FindingKind.USAGE_OVERDUE, -14, START + 42 * DAY)
    assert "used since the visit of 2015-01-19, at present 500 a day" in finding.reason
    old = found(steady(500, 5_000_000))
    assert old is not None
    assert old.found_at == START, "longer than we have looked"


class Building:
    """A store of lifts that say their counters each noon, and what is found."""

    def __init__(self) -> None:
        self.store = MemoryTelemetryStore()
        self.visits: list[Visit] = []

    def count(self, lift_id: str, days: range, begin: float, per_day: float) -> None:
        for number, day in enumerate(days):
            at_ms = to_ms(START + (day + 0.5) * DAY)
            body = Counters(at=at_ms, door_cycles_total=int(begin + per_day * number))
            self.store.write([Message(lift_id, Kind.COUNTERS, at_ms, at_ms, body)])

    def replace(self, lift_id: str, day: float, cause: str = "door-parts") -> None:
        done_at = START + day * DAY
        self.visits.append(Visit(lift_id=lift_id, kind=VisitKind.REPAIR, done_at=done_at, cause_code=cause))

    def found(self, day: float, *lift_ids: str) -> list[tuple[str, str, float]]:
        as_of = START + day * DAY
        visits = [visit for visit in self.visits if visit.done_at <= as_of]
        findings = UsageReader(self.store).findings(lift_ids or ("L1",), visits, as_of)
        return [(each.lift_id, each.kind.value, each.value) for each in findings]


def test_counters_of_the_store_are_held_against_the_budget() -> None:
    building = Building()
    building.count("L1", range(110), 2_950_000, 500)
    building.count("L2", range(110), 100_000, 500)
    assert building.found(60.3, "L1", "L2", "L3") == [("L1", "usage-due", 2_979_000)]
    assert building.found(60.9, "L1") == building.found(60.3, "L1"), "one day has one answer"
    ((_, kind, _),) = building.found(110.5)
    assert kind == "usage-overdue"
    assert building.found(10) == [], "a lift of a week"
    assert building.found(130) == [], "a lift that is silent tells nothing"


def test_a_history_that_is_imported_while_the_service_runs_counts_from_the_next_day_on() -> None:
    building, visits = Building(), [Visit(lift_id="L2", kind=VisitKind.REPAIR, done_at=START, cause_code="door-parts")]
    for lift_id in ("L1", "L2"):
        building.count(lift_id, range(53, 62), 2_976_500, 500)
    reader = UsageReader(building.store)
    assert reader.findings(["L1", "L2"], visits, START + 60.3 * DAY) == []
    building.count("L1", range(53), 2_950_000, 500)
    building.count("L2", range(-3, 53), 0, 2_976_500 / 56)
    findings = reader.findings(["L1", "L2"], visits, START + 61.3 * DAY)
    assert [finding.lift_id for finding in findings] == ["L1", "L2"]
    assert findings == UsageReader(building.store).findings(["L1", "L2"], visits, START + 61.3 * DAY)


def test_a_visit_that_names_the_part_begins_its_count_anew() -> None:
    building = Building()
    building.count("L1", range(100), 2_950_000, 500)
    building.replace("L1", 40, "door-closing-fault")
    assert len(building.found(60)) == 1, "a repair of the door is no new door"
    building.replace("L1", 50)
    assert building.found(60) == []
    assert len(building.found(49)) == 1, "as of then"


def test_a_new_controller_does_not_forget_what_the_old_one_counted() -> None:
    building = Building()
    building.count("L1", range(40), 2_965_000, 500)
    building.count("L1", range(40, 80), 0, 500)
    ((_, kind, used),) = building.found(70)
    assert kind == "usage-due"
    assert 2_995_000 < used <= 3_000_000


def test_an_owners_budgets_come_beside_the_shipped_one(tmp_path: object) -> None:
    own = """
wear_budgets:
  - {name: ropes, component: ropes, counter: running_h, budget: 20000, source: rope maker}
"""
    (budget,) = parse_wear_budgets("own.yaml", own).values()
    assert (budget.counter, budget.counter.reading, budget.early_days) == (Counter.RUNNING_H, "running_h_total", 90)
    assert budget.counter.words == "running hours"
    assert set(load_wear_budgets()) == {"door-parts"}
    assert tmp_path is not None


def test_budgets_that_cannot_be_used_are_refused_with_every_fault() -> None:
    text = """
wear_budgets:
  - {name: ropes, component: ropes, counter: prayers, budget: 1, source: me}
  - {name: ropes, component: ropes, counter: trips, budget: 0, source: me}
  - {name: belts, component: door, counter: trips, budget: 5, source: me}
  - {name: belts, component: door, counter: trips, budget: 6, source: me}
"""
    with pytest.raises(WearBudgetError) as refused:
        parse_wear_budgets("own.yaml", text)
    told = str(refused.value)
    assert [fault in told for fault in ("wear budget 1", "wear budget 2", "belts: there are two")] == [True] * 3
    with pytest.raises(WearBudgetError, match=r"own\.yaml"):
        parse_wear_budgets("own.yaml", "[")


def test_every_shipped_budget_names_its_source() -> None:
    assert isinstance(DOORS, WearBudget)
    assert all(budget.source and "[U]" not in budget.source for budget in WEAR_BUDGETS.values())
