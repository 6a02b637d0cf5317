import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.baseline import Baseline, baseline
from analytics.ramps import LAGS, Evidence, evidence, latest, sums
from benchmarks.drift_ramps import alarms, first_over, scores
from benchmarks.parts.informed import informed_scores
from benchmarks.parts.noise import Noise, noisy, ramp

Floats = NDArray[np.float64]


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def said(values: Floats, ends: list[int], allowed: float = 0.0) -> Evidence:
    series = baseline(values, np.full(len(values), 1e-6))
    return evidence(sums(series), ends, np.full(len(values), allowed))


def test_lifts_that_are_well_ring_once_in_twenty_years() -> None:
    """Of 616 lift-years 31 false findings are expected; twice the scatter of such a count is left."""
    score = scores(noisy(rng(), Noise(), 400, 60 + 560), 61)
    count, years = alarms(first_over(score), score.shape[1])
    assert years > 500
    assert count <= years / 20 + 2 * np.sqrt(years / 20)


@pytest.mark.parametrize(("slope", "days_max"), [(0.01, 125), (0.03, 60), (0.1, 28)])
def test_a_ramp_is_found_in_time_whatever_its_slope(slope: float, days_max: int) -> None:
    values = noisy(rng(), Noise(), 300, 60 + 180) + ramp(60 + 180, 60, slope)
    assert np.median(first_over(scores(values, 61))) <= days_max


def test_the_informed_detector_is_faster_than_one_that_has_to_learn() -> None:
    values = noisy(rng(), Noise(), 200, 60 + 120) + ramp(60 + 120, 60, 0.03)
    informed = np.median(first_over(informed_scores(values, 0.03, Noise(), 60), 5.0))
    assert informed < np.median(first_over(scores(values, 61)))


def test_a_falling_series_says_nothing() -> None:
    assert (said(noisy(rng(), Noise(), 20, 200) - ramp(200, 60, 0.05), [200]).score < 0).all()


def test_the_last_day_alone_is_judged_as_it_is_among_all() -> None:
    values = noisy(rng(), Noise(missing_share=0.2), 30, 320) + ramp(320, 250, 0.03)
    series, allowed = baseline(values, np.full(30, 1e-6)), np.full(30, 0.01)
    one, all_of_them = latest(series, allowed), evidence(sums(series), [319, 320], allowed)
    assert np.allclose(one.score[:, 0], all_of_them.score[:, 1])
    assert (one.lag[:, 0] == all_of_them.lag[:, 1]).all()
    assert np.allclose(one.z[:, 0], all_of_them.z[:, 1])


def test_a_spread_that_the_baseline_took_for_too_small_makes_no_evidence() -> None:
    series = baseline(noisy(rng(), Noise(), 20, 200) + ramp(200, 100, 0.02), np.full(20, 1e-6))
    narrow = Baseline(2 * series.values, series.known, series.centre, series.scale / 2)
    one, other = (evidence(sums(each), [200], np.zeros(20)) for each in (series, narrow))
    assert np.allclose(one.score, other.score)


def test_what_comes_later_does_not_change_what_was_known() -> None:
    values = noisy(rng(), Noise(), 20, 200)
    later = values.copy()
    later[:, 150:] += 50.0
    assert np.allclose(said(values, [150]).score, said(later, [150]).score)


def test_the_age_of_the_ramp_is_told() -> None:
    values = 0.1 * noisy(rng(), Noise(odd_share=0.0), 20, 200) + ramp(200, 152, 0.1)
    assert set(said(values, [200]).lag[:, 0]) <= {36, 48, 64}


def test_a_slope_that_is_allowed_is_no_drift_a_steeper_one_is() -> None:
    values = noisy(rng(), Noise(), 30, 160) + ramp(160, 60, 0.05)
    assert (said(values, [160]).score > 0).all()
    assert np.mean(said(values, [160], allowed=0.1).score > 0) < 0.1
    assert np.mean(said(values, [160], allowed=0.005).score > 0) > 0.9


def test_too_few_days_say_nothing() -> None:
    values = np.cumsum(np.ones((1, 40)), axis=1)
    values[:, :25] = np.nan
    assert said(values, [20, 40]).score.max() < -100
    assert min(LAGS) > 5
