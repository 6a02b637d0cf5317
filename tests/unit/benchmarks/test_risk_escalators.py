from pathlib import Path

import numpy as np

from analytics.backtest import BacktestPlan, backtest
from analytics.outage_history import OutageHistory
from benchmarks.risk_baselines import BOOSTED, LOGISTIC, MEAN, with_models
from benchmarks.risk_escalators import DAY, FLEETS, START, made, simulated, write_section
from simulator.fleet import Care


def test_the_figures_take_the_place_of_those_before_and_of_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "quality.md"
    document.write_text(
        "before\n<!-- bench-risk: figures -->\nold\n<!-- bench-risk: end -->\nafter\n", encoding="utf-8"
    )
    for words in ("first", "second"):
        write_section(document, [words])
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!--")
    assert text.endswith("<!-- bench-risk: end -->\nafter\n")
    assert "second" in text
    assert "first" not in text
    assert "old" not in text


def test_fleets_of_chance_have_the_rates_that_they_are_called_by() -> None:
    for fleet in FLEETS:
        _, found = made(fleet, 1)
        a_year = len(found) / fleet.lifts / fleet.days * 365.25
        seen = 1.0 - 0.375 * fleet.late / fleet.lifts  # those of whom nothing is known before day 150 of 400
        assert 0.6 * fleet.a_year * seen < a_year < 1.5 * fleet.a_year * seen
    assert made(FLEETS[0], 1) == made(FLEETS[0], 1)


def test_plain_models_predict_the_same_rows_and_know_nothing_of_later() -> None:
    lifts, found = made(FLEETS[3], 1)
    plan = BacktestPlan(since=START + 100 * DAY, until=START + 114 * DAY, horizons=(7.0,))
    told = []
    for end in (121, 400):
        known = [item for item in found if item.raised_at < START + end * DAY]
        history = OutageHistory.of(lifts, known, START + end * DAY)
        told.append(with_models(history, backtest(history, plan)[0]))
    for name in (LOGISTIC, BOOSTED, MEAN):
        assert told[0].baselines[name][0].size == told[0].lift.size
        assert np.allclose(told[0].baselines[name][0], told[1].baselines[name][0])


def test_neglected_lifts_of_the_simulator_break_down_more_often_than_others() -> None:
    good, neglected = (simulated(care, 1) for care in (Care.GOOD, Care.NEGLECTED))
    assert neglected.raised.size > 1.5 * good.raised.size
