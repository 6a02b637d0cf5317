import numpy as np

from benchmarks.risk_simulated import HISTORY_ALONE, WITH_WEAR, Said, _came, gain


def said(probability: list[float], count: list[int]) -> Said:
    rows = len(count)
    return Said(
        np.array(probability),
        np.array(probability),
        np.full(rows, 0.1),
        np.array(count),
        np.where(np.array(count) > 0, 2.0, np.inf),
        np.arange(rows) % 50,
        np.full(rows, 100.0),
    )


def test_what_adds_skill_has_an_interval_above_zero_and_what_adds_none_has_not() -> None:
    count = [1 if row % 5 == 0 else 0 for row in range(500)]
    knows = said([0.7 if each else 0.1 for each in count], count)
    guesses = said([0.2] * 500, count)
    low, high = gain({HISTORY_ALONE: guesses, WITH_WEAR: knows})
    assert 0.5 < low <= high < 1.0
    assert gain({HISTORY_ALONE: guesses, WITH_WEAR: guesses}) == (0.0, 0.0)


def test_a_breakdown_of_a_component_counts_within_the_horizon_after_the_day() -> None:
    one = said([0.2] * 3, [1, 1, 1])
    came = _came(one, np.array([0, 1, 2]), np.array([106.9, 107.1, 100.0]), 7.0)
    assert came.tolist() == [1.0, 0.0, 0.0]
