import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analytics.baseline import Baseline, baseline


def of(values: list[float], scale_min: float = 0.1) -> Baseline:
    return baseline(np.array([values]), np.array([scale_min]))


def steady(days: int, level: float = 100.0) -> NDArray[np.float64]:
    return level + np.tile([0.0, 1.0, -1.0, 0.5, -0.5], days // 5 + 1)[:days]


def test_normal_is_the_median_of_the_first_sixty_days_and_their_spread() -> None:
    series = of([*steady(60), *steady(60, 500.0)])
    assert series.centre[0] == 100.0
    assert series.scale[0] == 0.5 * 1.4826


def test_one_odd_day_says_nothing_two_on_the_same_side_are_believed() -> None:
    series = of([*steady(60), 160.0, *steady(9), 160.0, 161.0, 162.0])
    assert not series.known[0, 60]
    assert series.known[0, 70:].tolist() == [False, True, True]
    assert series.values[0, 72] > series.values[0, 71] > 2.0


def test_two_odd_days_on_either_side_are_two_odd_days() -> None:
    assert not of([*steady(60), 160.0, 40.0]).known[0, 60:].any()


def test_a_gap_is_filled_and_known_to_be_one() -> None:
    series = of([*steady(60), float("nan"), float("nan"), 100.0])
    assert series.known[0, 58:].tolist() == [True, True, False, False, True]
    assert np.isfinite(series.values).all()


def test_a_series_that_never_changes_has_the_least_spread_that_is_believed() -> None:
    series = of([5.0] * 60 + [6.0], scale_min=0.5)
    assert series.scale[0] == 0.5
    assert series.values[0, 60] == 2.0


def test_a_series_without_a_day_has_no_normal_and_hurts_no_other() -> None:
    series = baseline(np.array([[np.nan] * 40, steady(40)]), np.array([0.1, 0.1]))
    assert np.isnan(series.centre[0])
    assert not series.known[0].any()
    assert series.known[1].all()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=2, max_size=80))
def test_whatever_comes_the_values_stay_bounded_steps_of_normal_spreads(values: list[float]) -> None:
    series = of(values)
    known = series.values[0, series.known[0]]
    assert np.isfinite(known).all()
    assert np.abs(np.diff(series.values[0], prepend=0.0)).max() <= 2 * 3.5 + 1e-9 or not len(known)


@given(st.floats(0.5, 20.0), st.floats(-50.0, 50.0))
def test_the_unit_does_not_matter(factor: float, shift: float) -> None:
    one, other = of(list(steady(70)), 1e-6), of(list(steady(70) * factor + shift), 1e-6)
    assert np.allclose(one.values, other.values, atol=1e-6)


def one_by_one(values: list[float]) -> tuple[list[float], list[bool]]:
    """Follow one scaled series day by day, as the module's text says it."""
    level, side_before, last = 0.0, 0.0, 0.0
    said: list[float] = []
    believed: list[bool] = []
    for value in values:
        off = value - level
        side = float(np.sign(off)) if abs(off) > 3.5 else 0.0
        is_believed = bool(np.isfinite(value)) and side in {0.0, side_before}
        if np.isfinite(value):
            side_before = side
        step = min(max(off, -3.5), 3.5) if is_believed else 0.0
        last = level + step if is_believed else level + 0.5 * (last - level)
        said.append(last)
        believed.append(is_believed)
        level += 0.15 * step
    return said, believed


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.floats(-30.0, 30.0), st.just(np.nan)), min_size=12, max_size=12), min_size=1, max_size=4
    ),
    st.integers(0, 60),
)
def test_many_series_at_once_are_followed_as_each_would_be(rows: list[list[float]], quiet_days: int) -> None:
    values = np.hstack([np.tile(steady(quiet_days), (len(rows), 1)), np.array(rows)])
    together = baseline(values, np.full(len(rows), 0.5))
    for number, row in enumerate(values):
        alone = baseline(row[None], np.array([0.5]))
        assert np.array_equal(alone.values[0], together.values[number], equal_nan=True)
        if np.isfinite(row).any():
            said, believed = one_by_one(((row - alone.centre[0]) / alone.scale[0]).tolist())
            assert together.known[number].tolist() == believed
            assert np.array_equal(together.values[number], said)


def test_what_moved_steadily_from_the_first_day_on_spreads_around_its_line() -> None:
    noise = np.random.default_rng(2).standard_normal((200, 90))
    moving = noise + 0.8 * np.arange(90)
    scale = baseline(moving, np.full(200, 1e-9)).scale
    assert 0.8 < np.median(scale) < 1.2
    assert (baseline(noise, np.full(200, 1e-9)).scale > 0.6).all()
