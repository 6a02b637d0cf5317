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
