"""Signs of wear as the service reads them: the same whoever asks, and of no day that is not over."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from analytics.outage_history import days_of
from analytics.sign_reader import LIFTS_MAX, SignReader, _some
from analytics.wear_signs import COLUMNS, WATCHED
from api.composition import Parts, open_parts
from api.settings import Settings
from benchmarks.parts.synthetic_days import UNTIL, fill
from ingest.clock import ManualClock

LIFT_IDS = tuple(f"L{number:05d}" for number in range(3))
WATCHED_AT = COLUMNS.index(WATCHED)


@pytest.fixture(name="parts")
def parts_with_daily_values(tmp_path: Path) -> Iterator[Parts]:
    parts = open_parts(Settings(data_dir=tmp_path), ManualClock(UNTIL))
    fill(parts, 3, 90, UNTIL)
    yield parts
    parts.close()


def reader(parts: Parts) -> SignReader:
    return SignReader(parts.daily, parts.features, parts.register)


def test_signs_are_of_the_last_day_that_is_over_and_the_same_until_something_changes(parts: Parts) -> None:
    signs = reader(parts).latest(UNTIL)
    assert signs is not None
    assert sorted(signs.lift_ids) == list(LIFT_IDS)
    assert signs.days.tolist() == [int(days_of(UNTIL))]
    assert signs.values[0, :, WATCHED_AT].any()
    assert reader(parts).latest(UNTIL + timedelta(minutes=1)) is signs
    parts.assessment.assess(UNTIL)  # judges the same blocks, which makes no other signs
    assert reader(parts).latest(UNTIL) is signs


def test_the_past_ends_with_today_and_knows_what_today_says(parts: Parts) -> None:
    day = float(int(days_of(UNTIL)))
    past, latest = reader(parts).past(LIFT_IDS, day), reader(parts).latest(UNTIL)
    assert past is not None
    assert latest is not None
    assert np.allclose(past.at(day, LIFT_IDS), latest.at(day, LIFT_IDS))
    assert past.days[-1] == int(day)
    assert len(past.days) > 25
    earlier = reader(parts).past(LIFT_IDS, day - 9.0)
    assert earlier is not None
    assert earlier.days[-1] == int(day) - 9


def test_the_past_teaches_nothing_while_days_of_it_are_to_be_computed(parts: Parts) -> None:
    day = float(int(days_of(UNTIL)))
    state = reader(parts).state(LIFT_IDS, day)
    assert state
    parts.features.mark([(LIFT_IDS[0], int(day) + 1)])
    assert reader(parts).state(LIFT_IDS, day) == state  # a later day is not its past
    parts.features.mark([(LIFT_IDS[0], int(day) - 5)])
    assert reader(parts).state(LIFT_IDS, day) == ""
    assert reader(parts).state(("L9",), day - 400.0) == ""


def test_a_large_fleet_teaches_by_a_part_of_it() -> None:
    many = [f"L{number:05d}" for number in range(10_000)]
    assert 500 < len(_some(many)) <= LIFTS_MAX
    assert _some(many[:LIFTS_MAX]) == many[:LIFTS_MAX]
    assert _some([]) == []


def test_assessment_and_api_speak_of_the_same_risk(parts: Parts) -> None:
    parts.risks.prepare(UNTIL)
    found = parts.assessment.assess(UNTIL)
    risk = parts.risks.risk(UNTIL)
    assert parts.risks.risk(UNTIL) is risk
    assert parts.assessment.assess(UNTIL) == found
    assert risk.signs is parts.daily.signs(UNTIL)
