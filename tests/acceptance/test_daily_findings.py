"""What daily values tell is the same for whoever asks: the command, the API for one lift or all, the live service."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from analytics.feature_format import packed
from analytics.findings import Finding, FindingKind
from api.cli import app
from api.composition import Parts, open_parts
from api.serve import Role, Serving
from api.settings import Settings
from benchmarks.simulated_fleet import lift_values
from ingest.clock import ManualClock, from_ms
from simulator.register import lifts
from simulator.scenarios import lives_of, load_scenario
from simulator.traffic import DAY_MS

SCENARIO = load_scenario(Path(__file__).parent / "scenarios" / "worn_car_door.yaml")
START = from_ms(SCENARIO.start_ms)
BEFORE_IT_WEARS, WORN = START + timedelta(days=60, hours=6), START + timedelta(days=112, hours=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a service that has computed every day of the scenario."""
    data = tmp_path_factory.mktemp("service")
    parts = opened(data, WORN)
    fleet, lives = SCENARIO.fleet(), lives_of(SCENARIO)
    parts.register.register(lifts(fleet, START), START)
    for spec in fleet:
        values = lift_values(spec, lives[spec.lift_id], SCENARIO.start_ms, SCENARIO.start_ms + SCENARIO.days * DAY_MS)
        parts.features.keep({(spec.lift_id, day): row for day, row in packed(values).items()}, [])
    parts.close()
    return data


@pytest.fixture
def parts(folder: Path) -> Iterator[Parts]:
    """The parts of a service that has just started on that data."""
    made = opened(folder, WORN)
    yield made
    made.close()


def opened(folder: Path, now: datetime) -> Parts:
    return open_parts(Settings(data_dir=folder), ManualClock(now))


def drifting(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.kind is FindingKind.DRIFT]


def test_a_door_that_wears_is_found_and_nothing_before_or_beside_it(parts: Parts) -> None:
    assert drifting(parts.assessment.assess(BEFORE_IT_WEARS)) == []
    found = drifting(parts.assessment.assess(WORN))
    assert {(finding.lift_id, finding.component) for finding in found} == {("L0003", "car-door")}


def test_the_live_service_finds_what_the_same_instant_tells_later(parts: Parts, folder: Path) -> None:
    Serving(parts, Role.WEB).assess()
    live = [item.finding for item in parts.findings.findings(limit=1_000)]
    later = opened(folder, WORN + timedelta(days=5))
    assert drifting(live)
    assert later.assessment.assess(WORN) == live
    later.close()


def test_one_lift_alone_is_told_what_the_fleet_is_told(parts: Parts) -> None:
    of_fleet = [finding for finding in parts.assessment.assess(WORN) if finding.lift_id == "L0003"]
    assert parts.assessment.assess(WORN, ["L0003"]) == of_fleet


def test_the_command_finds_the_same(parts: Parts, folder: Path) -> None:
    arguments = ["assess", "--as-of", WORN.isoformat(), "--json"]
    said = CliRunner().invoke(app, arguments, env={"LIFTWATCH_DATA_DIR": str(folder)}, catch_exceptions=False)
    found: list[dict[str, Any]] = msgspec.json.decode(said.stdout)
    assert found == msgspec.json.decode(msgspec.json.encode(parts.assessment.assess(WORN)))


def test_a_day_that_passes_changes_only_what_the_day_tells(parts: Parts) -> None:
    morning = drifting(parts.assessment.assess(WORN))
    evening = drifting(parts.assessment.assess(WORN + timedelta(hours=12)))
    assert [msgspec.structs.replace(finding, as_of=WORN) for finding in evening] == morning
