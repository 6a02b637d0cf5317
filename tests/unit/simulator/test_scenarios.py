from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.clock import from_ms, to_ms
from simulator.faults import ENTRAPMENT, POWER_CUT
from simulator.living import make_life
from simulator.scenarios import Scenario, ScenarioError, lives_of, load_scenario
from simulator.traffic import DAY_MS

HEAD = "name: test\nseed: 7\nlifts: 6\nstart: 2026-03-02\ndays: 90\n"
START_MS = to_ms(datetime(2026, 3, 2, tzinfo=UTC))
ALL = (
    HEAD
    + """
visits: true
scenes:
  - {what: wear, day: 30, lift: L0001, mechanism: door-friction-landing, floor: 2, fails_on_day: 75}
  - {what: wear, day: 10, lift: L0002, mechanism: contactor}
  - {what: failure, day: 12, at: "08:15", lift: L0003, code: controller-fault, lasts_min: 90, freed_min: 15}
  - {what: power-cut, day: 20, at: "18:00", site: S001, lasts_min: 30, traps: L0001}
  - {what: reboots, day: 3, at: "10:00", lift: L0004, count: 5, within_min: 10}
  - {what: out-of-use, day: 40, lift: L0005, days: 7}
"""
)


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return load_scenario(path)


def test_what_is_written_happens_on_its_day(tmp_path: Path) -> None:
    lives = lives_of(load(tmp_path, ALL))
    (failure,) = [each for each in lives["L0001"].breakdowns if each.cause == "door-friction-landing"]
    assert from_ms(failure.failed_ms).date().isoformat() == "2026-05-16"
    (wear,) = lives["L0001"].wears
    assert wear.since_ms == START_MS + 30 * DAY_MS
    assert wear.floor == failure.floor == 2
    assert wear.severity_at(failure.failed_ms) == pytest.approx(1.0, abs=0.01)
    assert wear.until_ms == failure.cleared_ms
    (contactor,) = lives["L0002"].wears
    assert contactor.mechanism == "contactor"
    trapped = [period for period in lives["L0003"].periods if period.code == ENTRAPMENT]
    assert from_ms(trapped[0].cleared_ms) == datetime(2026, 3, 14, 8, 30, tzinfo=UTC)
    assert len([each for each in lives["L0004"].reboots if each < START_MS + 4 * DAY_MS]) == 5
    assert [planned.kind for planned in lives["L0005"].planned] == ["out-of-use"]


def test_a_power_cut_takes_the_building_and_traps_whom_it_says(tmp_path: Path) -> None:
    scenario = load(tmp_path, ALL)
    lives = lives_of(scenario)
    for spec in scenario.fleet():
        codes = [period.code for period in lives[spec.lift_id].periods]
        assert (POWER_CUT in codes) is (spec.site_id == "S001")
    assert [period.code for period in lives["L0001"].periods if period.passengers].count(ENTRAPMENT) == 1


def test_nothing_else_happens_unless_the_lifts_have_their_own_lives(tmp_path: Path) -> None:
    quiet = lives_of(load(tmp_path, HEAD))
    assert all(not life.periods and not life.presences and not life.wears for life in quiet.values())
    visited = lives_of(load(tmp_path, HEAD + "visits: true\n"))
    assert all(4 <= len(life.presences) <= 7 for life in visited.values())
    scenario = load(tmp_path, HEAD + "own_lives: true\n")
    for spec in scenario.fleet():
        assert lives_of(scenario)[spec.lift_id].periods == make_life(spec, scenario.until_ms).periods


def test_the_same_file_is_the_same_play(tmp_path: Path) -> None:
    assert lives_of(load(tmp_path, ALL)) == lives_of(load(tmp_path, ALL))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "while parsing"),
        ("name: test", "start"),
        (HEAD + "colour: red\n", "colour"),
        (HEAD + "scenes: [{what: wear, day: 1, lift: L0009, mechanism: contactor}]\n", "no lift L0009"),
        (HEAD + "scenes: [{what: wear, day: 1, lift: L0001, mechanism: rust}]\n", "no mechanism rust"),
        (HEAD + "scenes: [{what: wear, day: 9, lift: L0001, mechanism: contactor, fails_on_day: 8}]\n", "before"),
        (HEAD + "scenes: [{what: power-cut, day: 1, site: S099}]\n", "no site S099"),
        (HEAD + "scenes: [{what: earthquake, day: 1}]\n", "earthquake"),
        (HEAD + 'scenes: [{what: reboots, day: 1, lift: L0001, at: "25:00"}]\n', "at"),
    ],
)
def test_a_scenario_that_cannot_be_played_is_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml"):
        load_scenario(tmp_path / "none.yaml")
