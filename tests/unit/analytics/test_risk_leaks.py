"""No prediction knows the future. These tests fail the build where one does."""

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from analytics.backtest import BacktestPlan, backtest
from analytics.backtest_report import skill_of
from analytics.outage_history import BREAKDOWN, OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit, origins_before
from analytics.risk_frame import frame_of
from ingest.fleet import OutageKind
from tests.unit.analytics.fleets_of_chance import START, by_chance, history, in_bursts, lifts, outage

FIRST = days_of(START)
TIMES = st.floats(0.0, 200.0, allow_nan=False)


def altered_after(known: OutageHistory, day: float, seed: int) -> OutageHistory:
    """Return the same history until `day`, and another one after it: other lifts, other kinds, other ends."""
    rng = np.random.default_rng(seed)
    later = known.raised > day
    ends_later = known.cleared > day
    return structs.replace(
        known,
        lift=np.where(later, rng.permutation(known.lift), known.lift),
        kind=np.where(later, (known.kind + 1) % 4, known.kind),
        cleared=np.where(ends_later, np.where(known.cleared > day + 1, np.inf, day + 7.0), known.cleared),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(TIMES, st.integers(0, 5), st.sampled_from(OutageKind), st.floats(0.0, 90.0)), max_size=40),
    st.floats(1.0, 199.0),
    st.integers(0, 99),
)
def test_a_frame_is_the_same_whatever_happens_later(
    told: list[tuple[float, int, OutageKind, float]], day: float, seed: int
) -> None:
    found = [outage(at, f"L00{lift}", kind, days) for at, lift, kind, days in told]
    whole = OutageHistory.of(lifts(6), found, START + timedelta(days=300))
    as_of = FIRST + day
    cut = OutageHistory.of(
        lifts(6), [item for item in found if days_of(item.raised_at) <= as_of], START + timedelta(days=300)
    )
    frames = [frame_of(one, as_of) for one in (whole, altered_after(whole, as_of, seed), cut)]
    if cut.raised.size:  # where nothing is known yet, the first record is still to come
        for frame in frames[1:]:
            assert np.array_equal(frame.values, frames[0].values)
            assert np.array_equal(frame.base.count, frames[0].base.count)
            assert frame.days_recorded(30.0) == frames[0].days_recorded(30.0)


def test_a_model_is_the_same_whatever_happens_within_a_horizon_before_it() -> None:
    known, day = history(in_bursts(1)), FIRST + 240.0
    first = fit(FrameBook(known), day, 7.0)
    again = fit(FrameBook(altered_after(known, day - 7.0, 5)), day, 7.0)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.logistic.weights, again.logistic.weights)
    assert np.array_equal(first.boosted.value, again.boosted.value)


def test_the_labels_of_a_model_end_a_horizon_before_its_day() -> None:
    book = FrameBook(history(by_chance(1)))
    for horizon in (7.0, 30.0):
        assert max(origins_before(book, FIRST + 250.0, horizon)) + 2 * horizon <= FIRST + 250.0


def test_shuffling_the_future_takes_the_skill_away() -> None:
    known = history(by_chance(2, shape=0.5))
    plan = BacktestPlan(since=START + timedelta(days=150), until=START + timedelta(days=290), horizons=(7.0,))
    (honest,) = backtest(known, plan)
    rng = np.random.default_rng(3)
    shuffled = honest.count.copy()
    for day in np.unique(honest.day):
        rows = np.flatnonzero(honest.day == day)
        shuffled[rows] = rng.permutation(shuffled[rows])
    assert skill_of(honest) > 0.05
    assert skill_of(structs.replace(honest, count=shuffled)) < 0.01


def test_breakdowns_that_nothing_foretells_are_not_foretold() -> None:
    rng = np.random.default_rng(4)
    found = [outage(float(at), f"L{rng.integers(60):03d}") for at in sorted(rng.uniform(0.0, 300.0, 1_500))]
    plan = BacktestPlan(since=START + timedelta(days=120), until=START + timedelta(days=290), horizons=(7.0,))
    (predicted,) = backtest(history(found), plan)
    assert -0.02 < skill_of(predicted) < 0.02


def test_a_planted_leak_has_no_way_into_a_frame() -> None:
    """A code that only those lifts carry that will break down: written after the day, it must not be seen."""
    known = history(by_chance(5))
    day = FIRST + 200.0
    will = known.breakdowns_in(day, day + 7.0) > 0
    marks = [
        outage(200.0 + 1e-6, f"L{place:03d}", OutageKind.OTHER, None, "will-fail") for place in np.flatnonzero(will)
    ]
    planted = history([*by_chance(5), *marks])
    assert np.array_equal(frame_of(planted, day).values, frame_of(known, day).values)
    # the same mark before the day is seen: the test would notice a leak
    told = [structs.replace(mark, raised_at=mark.raised_at - timedelta(days=1)) for mark in marks]
    assert not np.array_equal(frame_of(history([*by_chance(5), *told]), day).values, frame_of(known, day).values)
    assert int((known.kind == BREAKDOWN).sum()) == known.kind.size
