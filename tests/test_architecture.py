"""The walls of the house that import-linter cannot state: one library per door, and what the simulator may know."""

from pathlib import Path

import grimp
import pytest

ROOMS = ("ingest", "analytics", "alerts", "api", "simulator")
ROOT = Path(__file__).parent.parent
SIMULATOR_MAY_IMPORT = {"ingest.messages", "ingest.fleet", "ingest.wire", "ingest.clock"}
DOORS = {
    "paho": (
        "ingest.broker_paho",
        "ingest.broker_publisher_paho",
        "ingest.paho_connection",
        "ingest.paho_client",
        "simulator.publisher",
    ),
    "influxdb_client": ("ingest.telemetry_store_influx",),
    "amqtt": ("ingest.broker_embedded",),
    "fastapi": ("api",),
    "uvicorn": ("api",),
    "jinja2": ("api",),
    "prometheus_client": ("api",),
    "typer": ("api.cli", "simulator.cli"),
    "sklearn": ("analytics.risk_fit",),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, include_external_packages=True)


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_comes_in_through_its_own_door(graph: grimp.ImportGraph, library: str) -> None:
    if library not in graph.modules:
        return
    importers = graph.find_modules_that_directly_import(library)
    strangers = [name for name in importers if not any(_inside(name, door) for door in DOORS[library])]
    assert strangers == []


def test_the_simulator_knows_the_wire_and_nothing_behind_it(graph: grimp.ImportGraph) -> None:
    imported = {
        target
        for module in graph.modules
        if module.startswith("simulator")
        for target in graph.find_modules_directly_imported_by(module)
        if target.split(".")[0] in ROOMS and not target.startswith("simulator")
    }
    assert imported <= SIMULATOR_MAY_IMPORT


def test_only_settings_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    ]
    assert readers == ["api/settings.py"]


def test_there_is_no_sixth_room() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {*ROOMS, "tests", "benchmarks"}


def _inside(module: str, door: str) -> bool:
    return module == door or module.startswith(f"{door}.")
