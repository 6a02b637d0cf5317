from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import MISUSE, app
from simulator.resume import Progress, save


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stderr


def test_the_register_files_are_written_without_a_broker(tmp_path: Path) -> None:
    code, _ = run("--register-files", str(tmp_path), "--lifts", "3", "--start", "2026-03-02T08:00:00Z")
    assert code == 0
    assert len((tmp_path / "lifts.csv").read_text().splitlines()) == 4
    assert "2026-02-" in (tmp_path / "visits.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--broker", "http://broker"), "--broker: expected mqtt://"),
        (("--lifts", "100000"), "--lifts: between 1 and 99999"),
        (("--start", "yesterday"), "--start:"),
        (("--start", "2026-03-02T08:00:00"), "without offset"),
        (("--lifts", "0"), "--lifts"),
        (("--speed", "0"), "--speed"),
        (("--files", "out"), "how many days"),
        (("--files", "/nowhere/out", "--history-days", "1", "--truth", "/nowhere/out/t"), "apart"),
        (("--scenario", "none.yaml"), "--scenario: none.yaml"),
        (("--rough", "--resume", "resume.json"), "--rough"),
    ],
)
def test_a_wrong_option_is_named_and_ends_the_program(arguments: tuple[str, ...], words: str) -> None:
    code, said = run(*arguments)
    assert code == MISUSE
    assert words in said


def test_the_resume_file_of_another_fleet_ends_the_program(tmp_path: Path) -> None:
    path = tmp_path / "resume.json"
    save(path, Progress(seed=1, lifts=2, until_ms={"L0001": 1, "L0002": 1}))
    code, said = run("--resume", str(path), "--seed", "2", "--lifts", "2")
    assert code == MISUSE
    assert "of seed 1 with 2 lifts" in said


def test_the_help_warns_of_messages_from_the_future() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert "quarantine" in result.stdout


def test_a_scenario_is_written_as_files_with_its_truth(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        "name: short\nlifts: 2\ntraffic: 0.05\nstart: 2026-03-02\ndays: 3\n"
        'scenes: [{what: failure, day: 1, at: "09:00", lift: L0001, freed_min: 10}]\n'
    )
    history, truth = tmp_path / "history", tmp_path / "truth"
    code, said = run("--scenario", str(scenario), "--files", str(history), "--truth", str(truth), "--zipped")
    assert code == 0, said
    assert (history / "messages.ndjson.gz").stat().st_size > 1_000
    assert "L0001,breakdown,2026-03-03T09:00:00+00:00" in (history / "faults.csv").read_text()
    failures = (truth / "failures.csv").read_text().splitlines()
    assert len(failures) == 2
    assert "2026-03-03T09:10:00+00:00" in failures[1]


def test_the_report_says_whether_the_fleet_is_like_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.cli.REPORT_LIFTS_MIN", 20)
    result = CliRunner().invoke(app, ["--report", "--lifts", "20"])
    assert "figures inside the sourced ranges" in result.stdout
    assert result.exit_code == (1 if "OUTSIDE" in result.stdout else 0)
