"""The commands, on a data folder of their own."""

import json
import sqlite3
from contextlib import closing
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
    rules.write_text("rules: [{kind: no-contact}]")
    refused = liftwatch("serve", LIFTWATCH_RULES_FILE=str(rules))
    assert refused.exit_code == 2
    assert "settings:" in refused.stderr


def test_good_settings_are_shown_without_secrets_and_misspelt_ones_warned_of(liftwatch: Command) -> None:
    shown = liftwatch("check-settings", LIFTWATCH_API_TOKEN="s3cret", LIFTWATCH_API_TOKN="x")
    assert shown.exit_code == 0
    assert "s3cret" not in shown.output
    assert "LIFTWATCH_API_TOKN" in shown.stderr


def test_each_file_that_the_settings_name_and_that_cannot_be_used_is_told(liftwatch: Command, tmp_path: Path) -> None:
    rules, regimes = tmp_path / "rules.yaml", tmp_path / "regimes.yaml"
    rules.write_text("rules: [{kind: no-contact}]")
    regimes.write_text("regimes: [{name: HOUSE, title: Ours, duties: []}]")
    files = {"LIFTWATCH_RULES_FILE": str(rules), "LIFTWATCH_REGIMES_FILE": str(regimes)}
    refused = liftwatch("check-settings", **files)
    assert refused.exit_code == 2
    assert "rules.yaml: Object missing required field" in refused.stderr
    assert "regimes.yaml" in refused.stderr


def test_checking_the_settings_warns_of_regimes_that_lifts_follow_and_nobody_knows(
    liftwatch: Command, history: Path
) -> None:
    assert "regime" not in liftwatch("check-settings").stderr, "there is no register yet, and none is made"
    liftwatch("import", str(history))
    checked = liftwatch("check-settings")
    assert checked.exit_code == 0
    assert "warning: regime MARS-2040 is not known, its lifts have no duties" in checked.stderr


def test_the_ledger_of_an_imported_lift_is_told_in_words_and_as_json(liftwatch: Command, history: Path) -> None:
    lines = [
        {"topic": "lifts/v1/E1/counters", "payload": {"at": "2014-06-24T08:00:00Z", "seq": seq, "boot": "b"}}
        for seq in (1, 2, 5)
    ]
    (history / "messages.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    liftwatch("import", str(history))
    assert "boot b: stored 3 of 5, gaps: 3-4" in liftwatch("ledger", "E1").stdout
    told = json.loads(liftwatch("ledger", "E1", "--json").stdout)
    assert (told["lift_id"], told["boots"][0]["stored"], told["boots"][0]["gaps"]) == ("E1", 3, [[3, 4]])
    assert json.loads(liftwatch("assess", "--as-of", "2099-01-01T00:00:00Z", "--lift", "E1", "--json").stdout) == []


def test_a_lift_that_nobody_registered_has_no_ledger(liftwatch: Command) -> None:
    refused = liftwatch("ledger", "E9")
    assert refused.exit_code == 1
    assert "E9" in refused.stderr


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


@pytest.fixture
def refusals(tmp_path: Path) -> Path:
    """A history in which a controller's own codes have no profile yet."""
    folder = tmp_path / "refusals"
    folder.mkdir()
    (folder / "lifts.csv").write_text("lift_id\nE1\n")
    topic = "lifts/v1/E1/fault"
    lines = [
        {"topic": topic, "payload": {"at": f"2026-03-0{day}T08:00:00Z", "code": code, "phase": "raised"}}
        for day, code in enumerate(("OWN-1", "OWN-2", "OWN-1"), 1)
    ]
    (folder / "messages.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


def test_a_quarantine_is_listed_and_replayed_after_a_profile_was_put_right(
    liftwatch: Command, refusals: Path, tmp_path: Path
) -> None:
    liftwatch("import", str(refusals))
    waiting = liftwatch("quarantine", "list", "--waiting", "--since", "2020-01-01T00:00:00Z").stdout.splitlines()
    assert len(waiting) == 3
    assert liftwatch("quarantine", "list", "--until", "2020-01-01T00:00:00Z").stdout == ""
    assert len(liftwatch("quarantine", "list", "--limit", "2").stdout.splitlines()) == 2

    (tmp_path / "own.yaml").write_text("name: own\nmaker: us\nfaults: {OWN-1: start-failure}\n")
    own = {"LIFTWATCH_PROFILES_DIR": str(tmp_path), "LIFTWATCH_AGE_DAYS_MAX": "36500"}
    set_profile(tmp_path / "data" / "liftwatch.sqlite", "own")
    told = liftwatch("quarantine", "replay", "--lift", "E1", "--dry-run", **own)
    assert told.stdout == "2 would be replayed (2 messages), 1 would be refused again\n"
    done = liftwatch("quarantine", "replay", "--reason", "unknown-fault-code", **own)
    assert done.stdout == "2 replayed (2 messages), 1 refused again\n"
    assert len(liftwatch("quarantine", "list", "--waiting").stdout.splitlines()) == 1
    assert "  replayed 20" in liftwatch("quarantine", "list", "--replayed").stdout
    again = liftwatch("quarantine", "replay", "--limit", "1", **own)
    assert again.stdout == "0 replayed (0 messages), 1 refused again\n"


def set_profile(database: Path, profile: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE lift SET profile = ?", (profile,))


def test_a_window_without_offset_is_refused_by_its_name(liftwatch: Command) -> None:
    refused = liftwatch("quarantine", "replay", "--since", "2014-06-30")
    assert refused.exit_code == 2
    assert "--since 2014-06-30" in refused.stderr


def test_an_imported_history_has_its_daily_values_once_it_is_assessed(liftwatch: Command, tmp_path: Path) -> None:
    liftwatch("import", str(Path("tests/data/history/small")))
    database = tmp_path / "data" / "liftwatch.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        marked = connection.execute("SELECT lift_id, day FROM stale_day").fetchall()
    assert marked
    liftwatch("assess")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM stale_day").fetchone() == (0,)
        assert connection.execute("SELECT lift_id, day FROM lift_day").fetchall() == marked
