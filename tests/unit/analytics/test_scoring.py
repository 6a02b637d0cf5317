import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, mean_poisson_deviance, roc_auc_score

from analytics.scoring import (
    brier_skill,
    calibration_error,
    poisson_deviance,
    pr_auc,
    recall_at,
    roc_auc,
    skill_interval,
    threshold_for,
)

PAIRS = st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=4, max_size=60)


def test_the_prevalence_has_no_skill_and_the_truth_has_all() -> None:
    outcome = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    assert brier_skill(np.full(5, 0.6), outcome) == pytest.approx(0.0)
    assert brier_skill(outcome, outcome) == 1.0
    assert brier_skill(1.0 - outcome, outcome) < -1.0
    assert brier_skill(np.full(3, 0.5), np.ones(3)) == 0.0


@given(PAIRS)
def test_ranking_scores_are_those_of_others(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([pair[0] / 10.0 for pair in pairs])
    outcome = np.array([float(pair[1]) for pair in pairs])
    if 0.0 < outcome.mean() < 1.0:
        assert roc_auc(score, outcome) == pytest.approx(roc_auc_score(outcome, score))
        assert pr_auc(score, outcome) == pytest.approx(average_precision_score(outcome, score))
    else:
        assert np.isnan(roc_auc(score, outcome))


def test_deviance_is_that_of_others() -> None:
    expected, count = np.array([0.5, 1.0, 3.0]), np.array([0, 2, 3])
    assert poisson_deviance(expected, count) == pytest.approx(mean_poisson_deviance(count, expected))


def test_calibration_error_is_the_gap_weighted_by_bins() -> None:
    said = np.array([0.05, 0.05, 0.95, 0.95])
    assert calibration_error(said, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.05)
    assert calibration_error(said, np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(0.95)


def test_recall_at_an_alarm_load_takes_the_highest() -> None:
    said = np.array([0.9, 0.8, 0.2, 0.1])
    outcome = np.array([1.0, 0.0, 1.0, 0.0])
    first = np.array([2.0, np.inf, 5.0, np.inf])
    found = recall_at(said, outcome, first, every_days=30.4375, alarms_per_lift_month=0.25)
    assert (found.threshold, found.recall, found.precision) == (0.9, 0.5, 1.0)
    assert found.lead_days == (2.0, 2.0, 2.0)


def test_an_interval_by_lift_is_wider_than_its_score_alone() -> None:
    rng = np.random.default_rng(1)
    lift = np.repeat(np.arange(40), 20)
    truth = rng.uniform(0.1, 0.9, 40)[lift]
    outcome = (rng.uniform(size=lift.size) < truth).astype(float)
    interval = skill_interval(truth, outcome, lift)
    assert interval.low < interval.value < interval.high
    assert interval.low > 0.0


def test_a_threshold_needs_its_precision_and_enough_alarms() -> None:
    said, outcome = np.linspace(1.0, 0.0, 100), np.repeat([1.0, 0.0], 50)
    found = threshold_for(said, outcome, 0.85, 30)
    assert found is not None
    assert outcome[said >= found].mean() == pytest.approx(0.85, abs=0.02)
    assert threshold_for(said, outcome, 0.85, 80) is None
