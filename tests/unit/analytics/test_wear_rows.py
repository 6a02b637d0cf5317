"""What can wear of some lifts: made once, the same for drift and for signs."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from analytics.baseline import baseline
from analytics.daily import Block
from analytics.drift_findings import drift_findings, drift_judge
from analytics.series import DailySeries, SeriesKey
from analytics.wear_rows import WINDOW_DAYS, lately, wear_rows
from analytics.wear_signs import latest_signs, wear_signs

FIRST = date(2026, 1, 1)
DAYS = 160
END = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=DAYS)


def of(values: dict[SeriesKey, np.ndarray], first: date = FIRST) -> DailySeries:
    rows = np.array(list(values.values()))
    return DailySeries(list(values), first, rows, np.full(rows.shape, 40, dtype=np.int32))


def noise(seed: int, level: float, spread: float, days: int = DAYS) -> np.ndarray:
    return level + spread * np.random.default_rng(seed).standard_normal(days)


def fleet() -> DailySeries:
    """Return two lifts that take turns in the list; the door of L2 wears, and the room of all warms up."""
    values = {
        SeriesKey(lift, channel, floor): noise(seed, level, spread)
        for seed, (channel, level, spread) in enumerate((("closing_ms", 3_000.0, 20.0), ("error_by_load_mm", 0.0, 0.6)))
        for floor in (None, 2)
        for lift in ("L2", "L1")
    }
    values |= {SeriesKey(f"L{n}", "machine_room_c"): noise(n, 20.0, 0.4) + np.arange(DAYS) / 8 for n in range(1, 8)}
    values[SeriesKey("L2", "closing_ms")] += 8.0 * np.maximum(np.arange(DAYS) - 110, 0)
    return of(values)


def test_what_is_made_once_for_a_block_tells_what_each_would_find_alone() -> None:
    series = fleet()
    rows = wear_rows(lately(series))
    latest_signs(rows)
    block = Block(lifts=[], series=series, wear=rows, visits=[], as_of=END)
    before = rows.normal.values.copy()
    found = drift_judge(block)
    assert [(finding.lift_id, finding.component) for finding in found] == [("L2", "car-door")]
    assert found == drift_findings(series, [], END)
    assert np.array_equal(rows.normal.values, before)  # who is asked first changes nothing for the next
    assert np.array_equal(latest_signs(rows).values, latest_signs(wear_rows(series)).values)
    assert np.allclose(latest_signs(rows).values[-1], wear_signs(series).values[-1], atol=1e-4)


def test_rows_stand_lift_by_lift_and_what_may_move_both_ways_stands_twice() -> None:
    rows = wear_rows(fleet())
    assert rows.lift_ids == ("L2", "L1", "L3", "L4", "L5", "L6", "L7")
    assert rows.lift.tolist() == sorted(rows.lift.tolist())
    both = [row for row in range(len(rows.at)) if rows.key(row).channel == "error_by_load_mm"]
    assert [(rows.key(row).lift_id, rows.sign[row]) for row in both] == [
        ("L2", 1.0),
        ("L2", -1.0),
        ("L1", 1.0),
        ("L1", -1.0),
    ]  # no landings: what load does is told of the whole lift
    assert np.array_equal(rows.values[both[0]], -rows.values[both[1]])
    turned = baseline(rows.values[both], rows.scale_min[both])  # as if each had been weighed by itself
    assert np.array_equal(rows.normal.values[both], turned.values)
    assert np.array_equal(rows.normal.centre[both], turned.centre)
    assert rows.channel_of(both[0]).two_sided


def test_what_the_season_does_to_all_is_no_wear_and_the_last_days_stay_as_they_are_read() -> None:
    rows = wear_rows(fleet())
    of_room = rows.values[[row for row in range(len(rows.at)) if rows.key(row).channel == "machine_room_c"]]
    assert len(of_room) == 7
    assert abs(np.polyfit(np.arange(DAYS), np.median(of_room, axis=0), 1)[0]) < 0.005
    assert abs(np.median(of_room[:, -10:]) - 20.0 - DAYS / 8) < 1.5


def test_nothing_is_made_of_nothing_and_of_too_few_days() -> None:
    none = wear_rows(DailySeries([], FIRST, np.zeros((0, 5)), np.zeros((0, 5), np.int32)))
    assert (len(none.at), len(none.score), none.lift_ids) == (0, 0, ())
    assert latest_signs(none).values.shape[1] == 0
    short = wear_rows(of({SeriesKey("L1", "closing_ms"): noise(1, 3_000.0, 20.0, 29)}))
    assert (len(short.at), short.lift_ids) == (0, ("L1",))
    few = of({SeriesKey("L1", "closing_ms", 3): noise(1, 3_000.0, 20.0)})
    few.counts[:] = 1  # a door cycle a day says nothing of a landing's door
    assert not wear_rows(few).normal.known.any()
    assert np.isfinite(wear_rows(few).score).all()


def test_the_days_that_are_looked_at_move_on_in_steps() -> None:
    values = {SeriesKey("L1", "closing_ms"): noise(1, 3_000.0, 20.0, 400)}
    firsts = {lately(of(values, FIRST + timedelta(days=later))).first_day for later in range(28)}
    assert len(firsts) == 2
    for later in range(28):
        series = lately(of(values, FIRST + timedelta(days=later)))
        assert WINDOW_DAYS - 28 < series.values.shape[1] <= WINDOW_DAYS
    assert lately(fleet()).first_day == FIRST


def test_a_controller_that_is_switched_off_every_night_is_not_failing() -> None:
    reboots = np.ones(DAYS)
    assert drift_findings(of({SeriesKey("L1", "reboots"): reboots}), [], END) == []
    reboots[:120] = 0.0
    (found,) = drift_findings(of({SeriesKey("L1", "reboots"): reboots}), [], END)
    assert found.component == "controller-supply"
