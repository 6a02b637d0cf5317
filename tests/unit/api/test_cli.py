"""The commands, on a data folder of their own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app

HISTORY = """lift_id,kind,code,raised_at,cleared_at
E1,breakdown,belt,2014-06-24T08:00:00Z,2014-06-24T09:00:00Z
E1,breakdown,belt,2014-06-26T08:00:00Z,
E1,breakdown,belt,2014-06-29T08:00:00Z,2014-06-29T09:00:00Z
E1,planned,belt,2014-06-29T10:00:00Z,
E2,breakdown,belt,2014-06-29T08:00:00Z,
E9,breakdown,belt,2014-06-29T08:00:00Z,
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    folder = tmp_path / "history"
    folder.mkdir()
    (folder / "lifts.csv").write_text("lift_id,regime\nE1,\nE2,MARS-2040\n")
    (folder / "faults.csv").write_text(HISTORY)
    return folder


class Command:
    def __init__(self, folder: Path) -> None:
        self.environment = {"LIFTWATCH_DATA_DIR": str(folder / "data")}

    def __call__(self, *arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={**self.environment, **variables}, catch_exceptions=False)


@pytest.fixture
def liftwatch(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_a_history_is_imported_and_assessed_as_of_any_instant(liftwatch: Command, history: Path) -> None:
    imported = liftwatch("import", str(history))
    assert imported.exit_code == 0
    assert "faults.csv:7" in imported.stderr, "a lift that nobody registered is named with file and line"
    assert "MARS-2040" in imported.stderr

    assessed = liftwatch("assess", "--as-of", "2014-06-30T00:00:00Z", "--json")
    (finding,) = json.loads(assessed.stdout)
    assert (finding["lift_id"], finding["kind"], finding["code"]) == ("E1", "repeated-fault", "belt")
    assert (finding["value"], finding["limit"], len(finding["evidence"])) == (3, 3, 3)
    assert json.loads(liftwatch("assess", "--as-of", "2014-06-28T00:00:00Z", "--json").stdout) == []


def test_findings_read_as_sentences_without_json(liftwatch: Command, history: Path) -> None:
    liftwatch("import", str(history))
    assessed = liftwatch("assess", "--as-of", "2014-06-30T02:00:00+02:00")
    assert "E1  repeated-fault  belt 3 times in 7 days" in assessed.stdout
    assert "1 findings" in assessed.stderr


def test_importing_twice_changes_nothing(liftwatch: Command, history: Path) -> None:
    liftwatch("import", str(history))
    assert "(0 new)" in liftwatch("import", str(history)).stdout
    findings = json.loads(liftwatch("assess", "--as-of", "2014-06-30T00:00:00Z", "--json").stdout)
    assert [finding["value"] for finding in findings] == [3]


@pytest.mark.parametrize("instant", ["yesterday", "2014-06-30", "2014-06-30T00:00:00"])
def test_an_instant_without_offset_is_refused(liftwatch: Command, instant: str) -> None:
    refused = liftwatch("assess", "--as-of", instant)
    assert refused.exit_code == 2
    assert instant in refused.stderr


def test_a_lift_that_nobody_registered_cannot_be_assessed(liftwatch: Command) -> None:
    refused = liftwatch("assess", "--lift", "E9")
    assert refused.exit_code == 1
    assert "E9" in refused.stderr


def test_a_folder_without_lifts_is_no_history(liftwatch: Command, tmp_path: Path) -> None:
    refused = liftwatch("import", str(tmp_path))
    assert refused.exit_code == 1
    assert "lifts.csv" in refused.stderr


def test_every_fault_in_the_settings_is_told_with_exit_code_2(liftwatch: Command) -> None:
    refused = liftwatch("check-settings", LIFTWATCH_MQTT_URL="x", LIFTWATCH_API_BIND="y", LIFTWATCH_STORE_URL="z")
    assert refused.exit_code == 2
    for name in ("LIFTWATCH_MQTT_URL", "LIFTWATCH_API_BIND", "LIFTWATCH_STORE_URL"):
        assert name in refused.stderr


def test_a_rules_file_that_cannot_be_used_is_a_fault_in_the_settings(liftwatch: Command, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: []")
    refused = liftwatch("serve", LIFTWATCH_RULES_FILE=str(rules))
    assert refused.exit_code == 2
    assert "settings:" in refused.stderr


def test_good_settings_are_shown_without_secrets_and_misspelt_ones_warned_of(liftwatch: Command) -> None:
    shown = liftwatch("check-settings", LIFTWATCH_API_TOKEN="s3cret", LIFTWATCH_API_TOKN="x")
    assert shown.exit_code == 0
    assert "s3cret" not in shown.output
    assert "LIFTWATCH_API_TOKN" in shown.stderr


def test_an_empty_quarantine_lists_nothing_and_migrating_twice_is_harmless(liftwatch: Command) -> None:
    assert liftwatch("migrate").exit_code == 0
    assert liftwatch("migrate").exit_code == 0
    listed = liftwatch("quarantine", "list", "--reason", "not-json")
    assert (listed.exit_code, listed.stdout) == (0, "")


def test_a_store_that_does_not_answer_is_told_in_one_line(liftwatch: Command) -> None:
    database = "postgresql+psycopg://centre:s3cret@127.0.0.1:1/liftwatch"
    for refused in (
        liftwatch("serve", LIFTWATCH_DATABASE_URL=database),
        liftwatch("migrate", LIFTWATCH_DATABASE_URL=database),
        liftwatch("serve", LIFTWATCH_DATA_DIR="/proc/nowhere"),
    ):
        assert refused.exit_code == 1
        assert refused.stderr.startswith("cannot start: ")
        assert refused.stderr.count("\n") == 1
        assert "s3cret" not in refused.stderr
