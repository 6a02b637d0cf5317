import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.trends import days_until, theil_sen


def test_a_straight_line_has_its_slope() -> None:
    trend = theil_sen(3.0 + 0.5 * np.arange(20.0))
    assert trend is not None
    assert (trend.low, trend.slope, trend.high) == (0.5, 0.5, 0.5)


def test_odd_days_and_gaps_do_not_move_it() -> None:
    values = 0.5 * np.arange(30.0)
    values[[4, 17]] = 1_000.0
    values[10:14] = np.nan
    trend = theil_sen(values)
    assert trend is not None
    assert trend.slope == pytest.approx(0.5)


def test_few_days_have_no_slope() -> None:
    assert theil_sen(np.array([1.0, 2.0, np.nan, 3.0, 4.0])) is None


def test_the_interval_holds_the_true_slope_nine_times_of_ten() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(100):
        trend = theil_sen(0.1 * np.arange(40.0) + rng.standard_normal(40))
        held += trend is not None and trend.low <= 0.1 <= trend.high
    assert held >= 90


@given(st.floats(-5, 5), st.integers(5, 40))
def test_the_slope_lies_in_its_interval(slope: float, days: int) -> None:
    trend = theil_sen(np.asarray(slope * np.arange(days) + np.sin(np.arange(days)), dtype=np.float64))
    assert trend is not None
    assert trend.low <= trend.slope <= trend.high


def test_days_until_a_limit() -> None:
    assert days_until(5.0, 10.0, 0.5) == 10.0
    assert days_until(-5.0, -10.0, -0.5) == 10.0
    assert days_until(12.0, 10.0, 0.5) == -4.0
