"""The risk of lifts that say how worn they are: who wears breaks down sooner, and the reasons name the part."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from sqlalchemy.engine import Engine

from analytics.failure_reader import FailureReader
from analytics.outage_history import OutageHistory, days_of
from analytics.risk_book import RiskBook
from analytics.risk_findings import breakdowns_likely
from analytics.risk_fit import FrameBook, fit, origins_before
from analytics.risk_frame import frame_of
from analytics.risk_model import fitted, log_odds
from analytics.risk_past import model_day, taught
from analytics.risk_store import RiskStore
from analytics.series import SeriesKey
from analytics.wear_signs import COLUMNS, RAMPS, WATCHED, Sign, WearSigns
from ingest.fleet import Outage, OutageKind
from ingest.fleet_register import FleetRegister
from ingest.telemetry_store import MemoryTelemetryStore
from tests.unit.analytics.fleets_of_chance import START, lifts, outage

COUNT, DAYS = 90, 330
NOW = START + timedelta(days=DAYS, hours=9)
FIRST, END = int(days_of(START)), int(days_of(START)) + DAYS
WORN = COLUMNS.index("worn_landing-door")
# Each lift wears for 40 days now and then, and breaks down soon after.
CYCLES = {f"L{place:03d}": 60 + 7 * (place % 19) for place in range(COUNT)}


def age(lift: int, day: float) -> float:
    """Return for how long the door of a lift has been wearing; below 0 it has not."""
    return (day - FIRST + 11 * lift) % CYCLES[f"L{lift:03d}"] - (CYCLES[f"L{lift:03d}"] - 40)


class Signs:
    """Signs of wear that a test sets."""

    def __init__(self) -> None:
        days = np.arange(FIRST, END + 1, 3)
        values = np.zeros((len(days), COUNT, len(COLUMNS)), dtype=np.float32)
        values[..., len(RAMPS) : -1] = -3.0
        values[..., COLUMNS.index(WATCHED)] = 1.0
        for at, day in enumerate(days):
            values[at, :, WORN] = [max(age(lift, float(day)), 0.0) / 5.0 for lift in range(COUNT)]
        self.made = WearSigns(tuple(CYCLES), days, values, {lift: (self.sign(lift),) for lift in CYCLES})
        self.asked = 0

    def sign(self, lift_id: str) -> Sign:
        return Sign("landing-door", SeriesKey(lift_id, "closing_ms", 3), 3_000.0, 3_360.0)

    def latest(self, _as_of: datetime) -> WearSigns | None:
        return self.made

    def state(self, _lift_ids: Sequence[str], day: float) -> str:
        return f"as of {day}"

    def past(self, _lift_ids: Sequence[str], day: float) -> WearSigns | None:
        self.asked += 1
        return self.made.as_of(day)


@pytest.fixture(name="parts")
def parts_of_a_fleet(sqlite_engine: Engine) -> tuple[FleetRegister, FailureReader]:
    register = FleetRegister(sqlite_engine)
    register.register(lifts(COUNT), START)
    found = [
        outage(float(day) + 0.3, f"L{lift:03d}")
        for lift in range(COUNT)
        for day in range(1, DAYS)
        if age(lift, FIRST + day) == 39.0
    ]
    rng = np.random.default_rng(1)
    found += [outage(float(rng.uniform(1, DAYS)), f"L{rng.integers(COUNT):03d}") for _ in range(60)]
    register.add_outages(
        [
            Outage(
                lift_id=it.lift_id,
                kind=OutageKind.BREAKDOWN,
                code=it.code,
                raised_at=it.raised_at,
                cleared_at=it.cleared_at,
            )
            for it in found
        ]
    )
    return register, FailureReader(register, MemoryTelemetryStore())


def outages_of(parts: tuple[FleetRegister, FailureReader]) -> OutageHistory:
    return OutageHistory.of(lifts(COUNT), parts[1].history(NOW).occurrences, START + timedelta(days=DAYS))


def a_late_old_breakdown() -> Outage:
    at = NOW - timedelta(days=60)
    return Outage(lift_id="L001", kind=OutageKind.BREAKDOWN, code="door-closing-fault", raised_at=at, cleared_at=at)


def worst(signs: WearSigns) -> int:
    return int(np.argmax(signs.values[-1, :, WORN]))


def test_who_wears_is_likelier_to_break_down_and_the_first_reason_names_the_part(
    parts: tuple[FleetRegister, FailureReader],
) -> None:
    signs = Signs()
    book = RiskBook(*parts, signs=signs)
    book.catch_up(NOW)
    risk = book.risk(NOW)
    place = worst(signs.made)
    model = risk.models[7.0]
    assert model is not None
    assert model.held_out.skill > 0.2
    assert risk.predictions[7.0].probability[place] > 2.0 * risk.predictions[7.0].rates_probability[place]
    reasons = risk.reasons(place, 7.0)
    assert reasons[0].text == (
        "the landing door at floor 3 closes slower: 3,360 ms, in the months before it was 3,000 ms, 12% more"
    )
    assert reasons[0].odds_ratio is not None
    assert reasons[0].odds_ratio > 2.0
    odds = [reason.odds_ratio or 0.0 for reason in reasons]
    assert odds == sorted(odds, reverse=True)


def test_whoever_asks_gets_the_same_once_models_are_fitted_and_nobody_waits_for_them(
    parts: tuple[FleetRegister, FailureReader], tmp_path: Path
) -> None:
    prepared, signs = RiskBook(*parts, signs=Signs()), Signs()
    prepared.prepare(NOW - timedelta(days=7))
    asked = RiskBook(*parts, RiskStore(tmp_path), signs)
    assert asked.risk(NOW).is_provisional
    asked.prepare(NOW)
    first, second = prepared.risk(NOW), asked.risk(NOW)
    for horizon in (7.0, 30.0):
        assert np.array_equal(first.predictions[horizon].probability, second.predictions[horizon].probability)
    assert breakdowns_likely(first, NOW) == breakdowns_likely(second, NOW)
    assert not second.is_provisional
    assert signs.asked == 2  # of this week and the next
    asked.prepare(NOW)
    assert signs.asked == 2  # what is there is not fitted again
    parts[0].add_outages([a_late_old_breakdown()])
    for book in (asked, RiskBook(*parts, RiskStore(tmp_path), signs)):  # the second has just started
        meanwhile = book.risk(NOW)
        assert (meanwhile.is_provisional, book.is_wanted) == (True, True)
        model = meanwhile.models[7.0]
        assert model is not None
        assert model.trained_until <= END
    assert asked.risk(NOW - timedelta(days=40)).models[7.0] is None  # none that knows of later
    assert signs.asked == 2


def test_a_fleet_that_says_nothing_is_predicted_as_before(parts: tuple[FleetRegister, FailureReader]) -> None:
    class Silent(Signs):
        def latest(self, _as_of: datetime) -> WearSigns | None:
            return None

        def state(self, _lift_ids: Sequence[str], _day: float) -> str:
            return ""

    book = RiskBook(*parts, signs=Silent())
    book.catch_up(NOW)
    said = book.risk(NOW)
    assert said.frame.columns == frame_of(said.history, float(END)).columns
    assert all(WATCHED not in model.columns for model in said.models.values() if model is not None)


def test_no_model_learns_from_signs_of_after_its_labels_or_of_a_later_day(
    parts: tuple[FleetRegister, FailureReader],
) -> None:
    signs, day = Signs().made, model_day(float(END))
    past = taught(outages_of(parts), day)
    later = signs.days > max(origins_before(FrameBook(past), day, 7.0))
    shuffled = WearSigns(signs.lift_ids, signs.days, signs.values.copy(), {})
    shuffled.values[later] = (
        np.random.default_rng(2).permutation(shuffled.values[later].ravel()).reshape(shuffled.values[later].shape)
    )
    first, second = (fit(FrameBook(past, one), day, 7.0) for one in (signs, shuffled))
    assert first is not None
    assert second is not None
    assert np.array_equal(first.boosted.value, second.boosted.value)
    asked = float(FIRST + 200)
    cut = frame_of(past, asked, signs.as_of(asked))
    assert np.array_equal(frame_of(past, asked, signs).values, cut.values)


def test_trees_have_more_to_say_where_that_did_better_on_held_out_days(
    parts: tuple[FleetRegister, FailureReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    signs, day = Signs().made, model_day(float(END))
    past = taught(outages_of(parts), day)
    chosen = fit(FrameBook(past, signs), day, 7.0)
    monkeypatch.setattr("analytics.risk_fit._LINEAR_SAYS_OF_SIGNS", (0.5,))
    half = fit(FrameBook(past, signs), day, 7.0)
    assert chosen is not None
    assert half is not None
    assert chosen.linear_say < half.linear_say
    assert chosen.held_out.skill > half.held_out.skill
    frame = frame_of(past, day, signs)
    said = [fitted(frame, structs.replace(chosen, linear_say=say))[0] for say in (0.0, chosen.linear_say, 1.0)]
    between = (1.0 - chosen.linear_say) * log_odds(said[0]) + chosen.linear_say * log_odds(said[2])
    assert np.allclose(log_odds(said[1]), between)


def test_wear_without_meaning_makes_no_skill(parts: tuple[FleetRegister, FailureReader]) -> None:
    """The same signs given to other lifts: what is left is what the history tells."""
    signs, day = Signs().made, model_day(float(END))
    past = taught(outages_of(parts), day)
    mixed = WearSigns(signs.lift_ids, signs.days, signs.values[:, np.random.default_rng(3).permutation(COUNT)], {})
    wrong = fit(FrameBook(past, mixed), day, 7.0)
    assert wrong is None or wrong.held_out.skill < 0.1  # honest signs have more than 0.2
