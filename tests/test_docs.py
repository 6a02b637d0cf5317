"""The documentation is tested: what exists stands in it."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from api.cli import app
from api.settings import SECRETS, Settings
from ingest.faults import CANONICAL
from ingest.messages import Kind, readings_of
from ingest.wire import Reason
from simulator.mechanisms import MECHANISMS

DOCS = Path(__file__).parent.parent / "docs"
MQTT = (DOCS / "mqtt.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "operations" / "settings.md").read_text(encoding="utf-8")
SIMULATOR = (DOCS / "simulator.md").read_text(encoding="utf-8")
README = (DOCS.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_stands_in_the_documentation(name: str) -> None:
    (row,) = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{name}` |")]
    assert ("*secret*" in row) is (name in SECRETS)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_field_of_the_wire_contract_stands_in_the_documentation(kind: Kind) -> None:
    assert f"| `{kind.value}`" in MQTT
    missing = [name for name in readings_of(kind) if name != "controller_code" and name not in MQTT]
    assert missing == []


def test_every_canonical_code_stands_in_the_documentation_as_it_is() -> None:
    for code in CANONICAL.values():
        stops = "yes" if code.stops_lift else "no"
        safety = ", safety" if code.safety else ""
        bacnet = "" if code.bacnet is None else code.bacnet
        row = f"| `{code.code}` | {code.component} | {bacnet} | {code.gbt_24476 or ''} | {stops}{safety} |"
        assert row in MQTT


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_stands_in_the_documentation(reason: Reason) -> None:
    assert f"`{reason.value}`" in MQTT


def test_every_command_stands_in_the_readme() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"`liftwatch {name}" not in README] == []


def test_every_mechanism_of_the_simulator_stands_in_the_documentation_as_it_is() -> None:
    for mechanism in MECHANISMS:
        (row,) = [line for line in SIMULATOR.splitlines() if line.startswith(f"| `{mechanism.name}` |")]
        assert f"| `{mechanism.code}`" in row
        assert f"| {mechanism.days_median:g} |" in row


def test_every_option_of_the_simulator_that_needs_a_word_has_one() -> None:
    for option in (
        "--files",
        "--truth",
        "--scenario",
        "--rough",
        "--report",
        "--traffic",
        "--resume",
        "--history-days",
    ):
        assert option in SIMULATOR


def test_every_file_of_the_alerts_room_stands_in_the_map_once() -> None:
    text = (DOCS / "ARCHITECTURE.md").read_text(encoding="utf-8")
    here = text.split("## The files of `alerts/`")[1].split("\n## ")[0]
    rows = "".join(line for line in here.splitlines() if line.startswith("| ") and "`" in line)
    files = [path.stem for path in (DOCS.parent / "alerts").glob("*.py") if path.stem != "__init__"]
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(files)


def test_every_decision_has_a_number_of_its_own_and_stands_in_the_list() -> None:
    pages = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    text = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((.+?)\)", text) == pages
    assert len({name[:4] for name in pages}) == len(pages)


def test_every_rule_that_is_cited_stands_in_the_list_with_tests_that_exist() -> None:
    text = (DOCS / "maintenance-rules.md").read_text(encoding="utf-8")
    rules = r"\b(?:RS|WO|RP|PT|ST|AS)-\d\d\b"
    rooms = [
        path for room in ("alerts", "analytics") for path in (DOCS.parent / room).glob("*.[py]*") if path.is_file()
    ]
    cited = {rule for path in rooms for rule in re.findall(rules, path.read_text(encoding="utf-8"))}
    assert cited - set(re.findall(rules, text)) == set()
    tests = {path.name for path in (DOCS.parent / "tests").rglob("test_*.py")}
    assert {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", text)} <= tests
