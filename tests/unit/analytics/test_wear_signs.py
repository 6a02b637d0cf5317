"""How worn parts looked on past days: no day knows of a later one, and what wears shows."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.series import DailySeries, SeriesKey
from analytics.wear_rows import wear_rows
from analytics.wear_signs import COLUMNS, LEVELS, RAMPS, WATCHED, WearSigns, joined, latest_signs, wear_signs

FIRST = date(2025, 1, 1)
FIRST_DAY = 20_089
DAYS = 260


def door(seed: int = 1, wear: float = 0.0, since: int = 180, floor: int | None = None) -> DailySeries:
    """Return a fleet of two lifts whose doors close evenly; that of the second wears by so many ms a day."""
    rng = np.random.default_rng(seed)
    values = 3_400.0 + rng.normal(0.0, 15.0, (4, DAYS))
    values[3] += wear * np.maximum(np.arange(DAYS) - since, 0)
    keys = [SeriesKey(lift, "closing_ms", at) for lift in ("L1", "L2") for at in (None, floor or 3)]
    return DailySeries(keys, FIRST, values, np.full(values.shape, 40, dtype=np.int32))


def column(signs: WearSigns, name: str, day: float, lift: str = "L2") -> float:
    return float(signs.at(day, [lift])[0, COLUMNS.index(name)])


def cut(series: DailySeries, days: int) -> DailySeries:
    return DailySeries(series.keys, series.first_day, series.values[:, :days], series.counts[:, :days])


def test_a_door_that_wears_shows_and_the_one_beside_it_does_not() -> None:
    signs = wear_signs(door(wear=5.0))
    end = FIRST_DAY + DAYS
    assert column(signs, "worn_landing-door", end) > 3.0
    assert column(signs, "ramp_landing-door", end) > 3.0
    assert column(signs, "worn_landing-door", FIRST_DAY + 170.0) == 0.0
    assert column(signs, "worn_landing-door", end, "L1") == 0.0
    (leading,) = signs.leading["L2"]
    assert (leading.part, leading.key.floor) == ("landing-door", 3)
    assert leading.now > leading.before + 200.0
    assert "L1" not in signs.leading


@settings(max_examples=15, deadline=None)
@given(st.integers(90, DAYS - 1), st.integers(0, 5))
def test_the_signs_of_a_day_are_the_same_whatever_comes_later(day: int, seed: int) -> None:
    series = door(seed, wear=4.0)
    other = series.values.copy()
    other[:, day:] = np.random.default_rng(seed).permutation(other[:, day:].ravel()).reshape(4, -1) * 3.0
    asked = FIRST_DAY + day
    changed = wear_signs(DailySeries(series.keys, FIRST, other, series.counts)).at(asked, ["L1", "L2"])
    assert np.array_equal(changed, wear_signs(series).at(asked, ["L1", "L2"]))
    until = wear_signs(cut(series, day - (FIRST_DAY + day) % 3))  # the last day that is on the grid
    assert np.allclose(changed, until.at(asked, ["L1", "L2"]))


def test_a_planted_mark_of_the_future_is_not_seen_before_its_day() -> None:
    """A lift that will break down tomorrow says so tomorrow: the day before it must look like any other."""
    series = door()
    series.values[2:, 240:] += 2_000.0
    signs = wear_signs(series)
    assert column(signs, "worn_landing-door", FIRST_DAY + 240.0) == 0.0
    assert column(signs, "worn_landing-door", FIRST_DAY + 250.0) > 0.0  # the test would notice a leak


def test_what_nobody_watches_has_no_signs() -> None:
    signs = wear_signs(door())
    assert column(signs, WATCHED, FIRST_DAY + 200.0) == 1.0
    assert not signs.at(FIRST_DAY + 20.0, ["L1", "L2"]).any()  # its normal is not known yet
    assert not signs.at(FIRST_DAY - 1.0, ["L1"]).any()
    assert not signs.at(FIRST_DAY + DAYS + 8.0, ["L1"]).any()  # said too long ago
    assert not signs.at(FIRST_DAY + 200.0, ["L9"]).any()
    trips = DailySeries([SeriesKey("L1", "trips")], FIRST, np.full((1, 100), 9.0), np.ones((1, 100), dtype=np.int32))
    assert not wear_signs(trips).is_any_watched


def test_a_mended_part_is_back_within_days() -> None:
    series = door(wear=6.0)
    series.values[3, 230:] = 3_400.0
    signs = wear_signs(series)
    assert column(signs, "worn_landing-door", FIRST_DAY + 229.0) > 3.0
    assert column(signs, "worn_landing-door", FIRST_DAY + 242.0) == 0.0


def test_the_last_day_alone_is_what_all_days_say_of_it() -> None:
    series = door(wear=5.0)
    last = latest_signs(wear_rows(series))
    assert len(last.days) == 1
    assert np.allclose(last.values[-1], wear_signs(series).values[-1], atol=1e-4)


def test_groups_of_lifts_are_joined_and_a_day_that_is_missing_is_that_before() -> None:
    first, second = (latest_signs(wear_rows(each)) for each in (door(), cut(door(wear=5.0), DAYS - 1)))
    second = WearSigns(("L3", "L4"), second.days, second.values, {})
    both = joined([first, second])
    assert both.lift_ids == ("L1", "L2", "L3", "L4")
    assert column(both, "worn_landing-door", FIRST_DAY + DAYS, "L4") == pytest.approx(float(second.values[0, 1, 1]))
    assert not joined([]).is_any_watched
    assert set(LEVELS) | set(RAMPS) | {WATCHED} == set(COLUMNS)
