import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.mean_cumulative import mean_cumulative
from analytics.trend import closer_together, laplace, power_law

# "Power Law Model Parameter Estimation Example", ReliaWiki (Crow's three systems, each observed for 2,000 h).
CROW = [
    [1.2, 55.6, 72.7, 111.9, 121.9, 303.6, 326.9, 1568.4, 1913.5],
    [1.4, 35.0, 46.8, 65.9, 181.1, 712.6, 1005.7, 1029.9, 1675.7, 1787.5, 1867.0],
    [0.3, 32.6, 33.4, 241.7, 396.2, 444.4, 480.8, 588.9, 1043.9, 1136.1, 1288.1, 1408.1, 1439.4, 1604.8],
]
# "Non-Parametric RDA MCF Example", ReliaWiki: five machines, months of failures and of the end of observation.
MACHINES = [([5, 10, 15], 17), ([6, 13, 17], 19), ([12, 20, 25], 26), ([13, 15], 24), ([16, 22, 25], 28)]


def one(times: list[float], end: float) -> float:
    return float(laplace(np.zeros(len(times), dtype=np.int64), np.array(times), np.array([end]))[0])


def test_the_power_law_of_crows_example() -> None:
    fit = power_law(np.concatenate([np.array(times) for times in CROW]), 2_000.0, systems=3)
    assert fit is not None
    scale = fit.expected / fit.end**fit.shape
    assert [fit.shape, scale] == pytest.approx([0.45300, 0.36224], abs=1e-5)
    assert fit.low < fit.shape < fit.high < 1


def test_a_lift_without_breakdowns_has_no_trend() -> None:
    assert power_law(np.zeros(0), 365.0) is None
    assert laplace(np.zeros(0, dtype=np.int64), np.zeros(0), np.array([365.0])).tolist() == [0.0]


def test_laplace_by_hand() -> None:
    # Three at 6, 8 and 10 of 10 days: mean 8, three days late; a mean of three scatters by 10 / sqrt(36).
    assert one([6, 8, 10], 10) == pytest.approx(3 / (10 / 6))


@given(st.lists(st.floats(0.1, 99.9), min_size=1, max_size=20))
def test_a_year_that_is_read_backwards_has_the_opposite_trend(times: list[float]) -> None:
    assert one(times, 100) == pytest.approx(-one([100 - each for each in times], 100), abs=1e-6)


@given(st.lists(st.floats(0.1, 99.9), min_size=1, max_size=20), st.floats(0.01, 100))
def test_the_unit_of_time_is_no_matter(times: list[float], factor: float) -> None:
    scaled = [each * factor for each in times]
    assert one(scaled, 100 * factor) == pytest.approx(one(times, 100), abs=1e-6)
    fit, again = power_law(np.array(times), 100.0), power_law(np.array(scaled), 100 * factor)
    assert fit is not None
    assert again is not None
    assert again.shape == pytest.approx(fit.shape, rel=1e-6)


def test_without_a_trend_one_p_value_in_twenty_is_below_a_twentieth() -> None:
    rng = np.random.default_rng(1)
    owner = np.repeat(np.arange(4_000), 8)
    p = closer_together(laplace(owner, rng.uniform(0, 365, owner.size), np.full(4_000, 365.0)))
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.01)


def test_nine_intervals_in_ten_hold_the_shape() -> None:
    rng = np.random.default_rng(2)
    fits = [power_law(365 * rng.uniform(0, 1, 10) ** (1 / 2.0), 365.0) for _ in range(1_000)]
    holds = [fit.low <= 2.0 <= fit.high for fit in fits if fit is not None]
    assert np.mean(holds) == pytest.approx(0.9, abs=0.03)


def test_the_rate_of_the_power_law_is_its_slope() -> None:
    fit = power_law(np.array([50.0, 80.0, 95.0]), 100.0)
    assert fit is not None
    assert (fit.expected, fit.end) == (3, 100)
    assert fit.rate(100.0) == pytest.approx(fit.shape * 3 / 100)
    step = 1e-4
    until = [3 * (day / 100) ** fit.shape for day in (60.0, 60.0 + step)]
    assert fit.rate(60.0) == pytest.approx((until[1] - until[0]) / step, rel=1e-3)


def test_the_mean_cumulative_function_of_the_five_machines() -> None:
    owner = np.repeat(np.arange(5), [len(times) for times, _ in MACHINES])
    times = np.array([float(each) for times, _ in MACHINES for each in times])
    ends = np.array([float(end) for _, end in MACHINES])
    known = mean_cumulative(owner, times, ends, np.unique(times))
    expected = [0.2, 0.4, 0.6, 0.8, 1.2, 1.6, 1.8, 2.0, 2 + 1 / 3, 2 + 2 / 3, 2 + 2 / 3 + 1]
    assert known.mean.tolist() == pytest.approx(expected)
    assert known.lifts.tolist() == [5, 5, 5, 5, 5, 5, 5, 5, 3, 3, 2]
    # By hand: one of five, (0.8 / 5)^2 + 4 (0.2 / 5)^2; then two of five with one each, 2 0.12^2 + 3 0.08^2.
    assert known.variance[:2].tolist() == pytest.approx([0.032, 0.048])
    low, high = known.interval()
    assert (low <= known.mean).all()
    assert (known.mean <= high).all()


@given(st.integers(1, 6), st.integers(0, 5))
def test_lifts_that_behave_alike_leave_no_doubt_about_their_mean(lifts: int, each: int) -> None:
    owner = np.repeat(np.arange(lifts), each)
    times = np.tile(np.arange(1.0, each + 1), lifts)
    known = mean_cumulative(owner, times, np.full(lifts, 10.0), np.array([0.5, 10.0]))
    assert known.mean.tolist() == pytest.approx([0, each])
    assert known.variance.tolist() == pytest.approx([0, 0], abs=1e-12)


def test_the_variance_is_that_of_the_mean_where_all_are_observed_to_the_end() -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(4.0, 200)
    owner = np.repeat(np.arange(200), counts)
    known = mean_cumulative(owner, rng.uniform(0, 365, owner.size), np.full(200, 365.0), np.array([365.0]))
    assert known.mean[0] == pytest.approx(counts.mean())
    assert known.variance[0] == pytest.approx(counts.var() / 200)
