"""What is found is the same for whoever asks: the command, the API for one lift or all, the live service."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from analytics.feature_format import packed
from analytics.features import DayValues
from analytics.findings import Finding, FindingKind
from api.cli import app
from api.composition import Parts, open_parts
from api.schemas import finding_view
from api.serve import Role, Serving
from api.settings import Settings
from benchmarks.simulated_fleet import lift_values
from ingest.clock import ManualClock, from_ms
from simulator.register import lifts
from simulator.scenarios import lives_of, load_scenario
from simulator.traffic import DAY_MS
from tests.acceptance.every_finding import SHOWN_BY, give_everything
from tests.unit.api.parts import Client

SCENARIO = load_scenario(Path(__file__).parent / "scenarios" / "worn_car_door.yaml")
START = from_ms(SCENARIO.start_ms)
WELL = "L0001"
BEFORE_IT_WEARS, WORN = START + timedelta(days=60, hours=6), START + timedelta(days=112, hours=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a service that has computed every day of the scenario."""
    data = tmp_path_factory.mktemp("service")
    parts = opened(data, WORN)
    well: DayValues | None = None
    fleet, lives = SCENARIO.fleet(), lives_of(SCENARIO)
    parts.register.register(lifts(fleet, START), START)
    for spec in fleet:
        values = lift_values(spec, lives[spec.lift_id], SCENARIO.start_ms, SCENARIO.start_ms + SCENARIO.days * DAY_MS)
        parts.features.keep({(spec.lift_id, day): row for day, row in packed(values).items()}, [])
        well = values if spec.lift_id == WELL else well
    assert well is not None
    give_everything(parts, START, WORN, well)
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


def test_every_kind_is_found_of_the_lift_that_shows_it_and_of_no_quiet_one(parts: Parts) -> None:
    found = parts.assessment.assess(WORN)
    assert {(finding.lift_id, finding.kind) for finding in found} >= {(lift, kind) for kind, lift in SHOWN_BY.items()}
    assert {finding.kind for finding in found} == set(FindingKind)
    assert not [finding for finding in found if finding.lift_id.startswith("Q")]


def test_the_live_service_finds_what_the_same_instant_tells_later(parts: Parts, folder: Path) -> None:
    Serving(parts, Role.WEB).assess()
    live = [item.finding for item in parts.findings.findings(limit=1_000)]
    later = opened(folder, WORN + timedelta(days=5))
    assert {finding.kind for finding in live} == set(FindingKind)
    assert later.assessment.assess(WORN) == live
    later.close()


def test_one_lift_alone_is_told_what_the_fleet_is_told(parts: Parts) -> None:
    of_fleet = parts.assessment.assess(WORN)
    for lift_id in ("L0003", "P-odd", "K-often", "K-unvisited"):
        assert parts.assessment.assess(WORN, [lift_id]) == [one for one in of_fleet if one.lift_id == lift_id]


def test_the_command_and_the_api_find_what_the_live_service_found(parts: Parts, folder: Path) -> None:
    serving = Serving(parts, Role.WEB)
    serving.assess()
    client = Client(serving.app)
    live = client.get("/api/v1/findings", limit=500).json()["items"]
    assert {finding["kind"] for finding in live} == set(FindingKind)
    asked = client.get("/api/v1/findings", limit=500, as_of=WORN.isoformat()).json()
    assert (asked["items"], asked["provisional"]) == (live, False)
    arguments = ["assess", "--as-of", WORN.isoformat(), "--json"]
    said = CliRunner().invoke(app, arguments, env={"LIFTWATCH_DATA_DIR": str(folder)}, catch_exceptions=False)
    assert [
        finding_view(msgspec.convert(one, Finding)).model_dump(mode="json") for one in json.loads(said.stdout)
    ] == live


def test_a_day_that_passes_changes_only_what_the_day_tells(parts: Parts) -> None:
    morning = drifting(parts.assessment.assess(WORN))
    evening = drifting(parts.assessment.assess(WORN + timedelta(hours=12)))
    assert [msgspec.structs.replace(finding, as_of=WORN) for finding in evening] == morning
