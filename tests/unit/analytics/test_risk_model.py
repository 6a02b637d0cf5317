from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from sklearn.ensemble import HistGradientBoostingRegressor

from analytics.backtest import BacktestPlan, backtest
from analytics.backtest_report import csv_rows, report_lines, skill_of
from analytics.outage_history import OutageHistory, days_of
from analytics.risk_fit import FrameBook, _Rows, _trees_of, fit
from analytics.risk_frame import RiskFrame, frame_of
from analytics.risk_model import predict
from analytics.risk_rates import Clock, prior_of, rates
from ingest.fleet import OutageKind
from tests.unit.analytics.fleets_of_chance import (
    DAY,
    START,
    by_chance,
    history,
    in_bursts,
    lifts,
    model_of_bursts,
    outage,
)

FIRST = days_of(START)


def test_trees_as_arrays_say_what_the_library_says() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(500, 4))
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=20, max_leaf_nodes=6).fit(
        columns, rng.poisson(np.exp(columns[:, 0]))
    )
    assert np.allclose(np.exp(_trees_of(model).predict(columns)), model.predict(columns))


def test_without_any_history_a_stated_prior_is_predicted() -> None:
    frame = frame_of(OutageHistory.of(lifts(3), [], START), FIRST)
    said = predict(frame, 30.0)
    assert said.expected == pytest.approx(30.0 * 4.0 / 365.0, rel=0.01)
    assert (said.probability > 0.0).all()
    assert (said.probability < said.expected).all()


def test_a_fleet_that_tells_much_makes_its_own_prior() -> None:
    told = rates(Clock.of(history(by_chance(1, count=60, a_year=50.0))), float("inf"))
    assert told.prior.rate == pytest.approx(50.0 / 365.25, rel=0.35)
    assert prior_of(np.empty(0), np.empty(0)).rate == pytest.approx(4.0 / 365.0)


def test_a_lift_that_breaks_down_more_often_is_more_likely_to() -> None:
    found = [outage(float(day), "L001") for day in range(5, 100, 5)]
    said = predict(frame_of(history(found, count=4, days=100), FIRST + 100.0), 30.0)
    assert said.probability[1] > 2.0 * said.probability[0]
    assert said.expected[1] > 2.0 * said.expected[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 99.0), st.integers(0, 3)), max_size=30), st.sampled_from([1.0, 7.0, 30.0]))
def test_probabilities_are_probabilities_and_longer_horizons_are_likelier(
    told: list[tuple[float, int]], horizon: float
) -> None:
    found = [outage(at, f"L00{lift}") for at, lift in told]
    frame = frame_of(history(found, count=4, days=100), FIRST + 100.0)
    near, far = predict(frame, horizon), predict(frame, 2.0 * horizon)
    assert ((near.probability > 0.0) & (near.probability < 1.0)).all()
    assert (far.probability > near.probability).all()
    assert np.isfinite(frame.values).all()


def test_days_without_a_log_are_not_days_without_breakdowns() -> None:
    steady = [outage(day / 2.0, f"L{int(day) % 60:03d}") for day in range(600)]
    holed = [item for item in steady if not 100 * DAY < item.raised_at - START < 110 * DAY]
    pauses = history(holed).pauses()
    assert (pauses.end - pauses.begin).tolist() == pytest.approx([10.0], abs=1.0) or pauses.end.size == 0
    many = [structs.replace(item, raised_at=item.raised_at + step * DAY / 40) for item in holed for step in range(20)]
    (length,) = history(many).pauses().end - history(many).pauses().begin
    assert length == pytest.approx(10.0, abs=1.0)
    rate = rates(Clock.of(history(many)), float("inf"))
    assert rate.exposure[0] == pytest.approx(300.0 - length, abs=2.0)


def test_while_the_log_is_silent_less_is_expected_of_it() -> None:
    found = [outage(at / 20.0, f"L{at % 60:03d}") for at in range(4_000)]
    silent = frame_of(history(found, days=205), FIRST + 205.0)
    assert silent.is_paused
    assert silent.days_recorded(7.0) < 6.0
    assert frame_of(history(found, days=205), FIRST + 199.0).days_recorded(7.0) == pytest.approx(7.0)


def test_a_lift_is_not_at_risk_from_the_15th_day_of_an_outage_to_its_end() -> None:
    found = [outage(0.0), outage(50.0, days=30.0)]
    known = history(found, count=2, days=120)
    standing = [frame_of(known, FIRST + day).standing[0] for day in (49.0, 63.0, 65.0, 79.0, 81.0)]
    assert standing == [False, False, True, True, False]
    assert frame_of(known, FIRST + 100.0).exposure.tolist() == pytest.approx([84.0, 100.0])


def test_a_model_that_learns_is_better_than_the_rates_and_says_by_how_much() -> None:
    model = model_of_bursts()
    assert model.held_out.skill >= model.held_out.skill_rates
    assert model.trained_until <= FIRST + 273.0
    assert model.linear_say == 0.5  # of history alone there is nothing to choose


def column(frame: RiskFrame, name: str) -> list[float]:
    return [float(value) for value in frame.values[:, frame.columns.index(name)]]


def test_breakdowns_that_come_on_one_day_are_told_from_as_many_apart() -> None:
    burst = [outage(50.0 + hours / 24.0, "L000", days=0.01) for hours in (6, 9, 12, 15, 18, 21)]
    apart = [outage(day, "L001") for day in (20.5, 30.5, 40.5, 50.5, 60.5, 70.5)]
    told = column(frame_of(history([*burst, *apart], count=3, days=100), FIRST + 100.0), "breakdowns_a_day")
    assert told == pytest.approx([np.log(8.0 / 3.0), 0.0, 0.0])


def test_breakdowns_of_each_of_the_last_weeks_are_in_times_of_the_fleet() -> None:
    found = [outage(97.0, "L000"), outage(98.0, "L000"), outage(88.0, "L001")]
    frame = frame_of(history(found, count=2, days=100), FIRST + 100.0)
    # two of two lifts' breakdowns are of the first: half a breakdown is added to what came, and to the one expected
    assert column(frame, "breakdowns_0_to_7_days") == pytest.approx([np.log(2.5 / 1.5), np.log(0.5 / 1.5)])
    assert column(frame, "breakdowns_7_to_14_days") == pytest.approx([np.log(0.5 / 1.0), np.log(1.5 / 1.0)])
    assert column(frame, "breakdowns_14_to_28_days") == pytest.approx([0.0, 0.0], abs=1e-4)


def test_a_lift_that_came_back_lately_is_told_from_one_that_is_still_out() -> None:
    found = [outage(90.0, "L000", days=9.0), outage(90.0, "L001", days=None), outage(90.0, "L002", days=5.0)]
    told = column(frame_of(history(found, count=3, days=100), FIRST + 100.0), "returns_1_days")
    assert told == pytest.approx([0.5, 0.0, 2.0**-5])


def test_what_was_half_a_year_ago_teaches_half_as_much() -> None:
    some = np.zeros(2)
    say = _Rows(np.zeros((2, 1)), some, some, np.zeros(2, dtype=np.int64), np.arange(2), np.array([20.0, 200.0])).say
    assert say[1] == pytest.approx(2.0 * say[0])
    assert say.mean() == pytest.approx(1.0)


def test_too_little_history_gives_no_model() -> None:
    assert fit(FrameBook(history(by_chance(2, count=5), count=5)), FIRST + 280.0, 7.0) is None
    assert fit(FrameBook(history(by_chance(2))), FIRST + 80.0, 7.0) is None


def test_a_model_for_another_horizon_is_refused() -> None:
    known = history(in_bursts(2))
    with pytest.raises(ValueError, match="does not fit"):
        predict(frame_of(known, FIRST + 280.0), 30.0, model_of_bursts())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_weeks_of_a_fleet_are_not_below_zero(seed: int) -> None:
    plan = BacktestPlan(since=START + 14 * DAY, until=START + 75 * DAY, horizons=(7.0,), exposure_days_min=0.0)
    (predicted,) = backtest(history(by_chance(seed), days=90), plan)
    assert skill_of(predicted) > 0.0


def test_a_fleet_that_breaks_down_often_is_known_for_it_after_a_week() -> None:
    known = history(by_chance(1, days=7, a_year=50.0, shape=100.0), days=7)
    said = predict(frame_of(known, FIRST + 7.0), 7.0)
    assert said.expected.mean() == pytest.approx(7.0 * 50.0 / 365.25, rel=0.25)


def test_predictions_are_written_for_lifts_that_do_not_count_as_well() -> None:
    plan = BacktestPlan(since=START + 20 * DAY, until=START + 80 * DAY, horizons=(7.0,))
    (predicted,) = backtest(history(by_chance(1, days=90), days=90), plan)
    rows = list(csv_rows(predicted))
    assert len(rows) == predicted.lift.size > predicted.is_scored.sum() > 0
    assert rows[0][:3] == ("L000", "2025-01-21T00:00:00Z", "7")
    report = "\n".join(report_lines(predicted))
    assert "discounted empirical Bayes" in report
    assert "raw 90-day rate" in report


def test_of_codes_leaves_only_breakdowns_of_a_component() -> None:
    known = history([outage(1.0), outage(2.0, code="brake-fault"), outage(3.0, kind=OutageKind.PLANNED)], count=1)
    brake = known.of_codes(frozenset({"brake-fault"}))
    assert brake.breakdowns_in(FIRST, FIRST + 10.0).tolist() == [1]
    assert known.breakdowns_in(FIRST, FIRST + 10.0).tolist() == [2]


def test_a_plan_without_an_origin_is_refused() -> None:
    with pytest.raises(ValueError, match="0 origins"):
        BacktestPlan(since=START, until=START - timedelta(days=1))
    with pytest.raises(ValueError, match="above 0"):
        BacktestPlan(since=START, until=START, every_days=0.0)
