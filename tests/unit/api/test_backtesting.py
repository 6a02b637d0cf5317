from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.backtesting import days_in, known_rule, past_intake, read_past
from api.cli import app
from api.settings import Settings

START = datetime(2025, 1, 1, tzinfo=UTC)
RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history of ten lifts over 160 days, one of which breaks down every other day."""
    lifts = "\n".join(f"L{number},S1" for number in range(10))
    (tmp_path / "lifts.csv").write_text(f"lift_id,site_id\n{lifts}\n", encoding="utf-8")
    rows = ["lift_id,kind,code,raised_at,cleared_at"]
    for day in range(160):
        lift = 0 if day % 2 else day % 10
        at = START + timedelta(days=day, hours=day % 24)
        rows.append(f"L{lift},breakdown,door-closing-fault,{at.isoformat()},{(at + timedelta(hours=2)).isoformat()}")
    (tmp_path / "faults.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_backtest_writes_predictions_and_says_how_good_they_were(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    ran = RUN.invoke(
        app, ["backtest", str(folder), "--horizon", "7", "--from", "2025-04-01", "--every", "7d", "--out", str(out)]
    )
    assert ran.exit_code == 0, ran.output
    header, first, *_ = out.read_text(encoding="utf-8").splitlines()
    assert header == "lift_id,as_of,horizon_days,probability,expected_count"
    assert first.startswith("L0,2025-04-01T00:00:00Z,7,0.9")
    assert "| liftwatch |" in ran.stdout
    assert "| discounted empirical Bayes |" in ran.stdout


def test_a_report_says_where_no_model_could_be_fitted(folder: Path) -> None:
    ran = RUN.invoke(app, ["backtest", str(folder), "--horizon", "7"])
    assert "At 9 of the origins there was too little history for a model" in ran.stdout


@pytest.mark.parametrize("rule", ["repeated-fault", "repeat-repair", "repeat-breakdowns"])
def test_a_rule_is_tried_on_the_past_before_it_is_switched_on(folder: Path, rule: str) -> None:
    ran = RUN.invoke(app, ["backtest", str(folder), "--rule", rule, "--every", "1d"])
    assert ran.exit_code == 0, ran.output
    assert "this rule would have raised" in ran.stdout
    assert "per operator-hour" in ran.stdout


def test_what_cannot_be_backtested_is_said(folder: Path, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["backtest", str(folder), "--every", "soon"]).exit_code == 2
    assert RUN.invoke(app, ["backtest", str(folder), "--rule", "weather"]).exit_code == 2
    assert RUN.invoke(app, ["backtest", str(folder), "--from", "2026-01-01", "--to", "2025-01-01"]).exit_code == 2
    assert RUN.invoke(app, ["backtest", str(tmp_path / "nowhere")]).exit_code == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--from", "2025-05-01", "--to", "2025-04-01"],
            "--to 2025-04-01T00:00:00Z is before the first origin: --from",
        ),
        (["--from", "2030-01-01"], "the history ends at 2025-06-09T"),
        (["--from", "2030-01-01", "--rule", "repeated-fault"], "the history ends at 2025-06-09T"),
        (["--from", "2025-06-08", "--rule", "repeated-fault", "--every", "7d"], "1 of the origins lie in the history"),
        (["--from", "01.05.2025"], "--from 01.05.2025: expected"),
        (["--from", "2025-04-01", "--every", "0.01"], "more than 2000 origins every 0.01 days"),
    ],
)
def test_a_time_without_origins_is_refused_in_words(folder: Path, options: list[str], words: str) -> None:
    ran = RUN.invoke(app, ["backtest", str(folder), *options])
    assert ran.exit_code == 2, ran.output
    assert words in ran.output


def test_a_history_that_is_too_young_says_so_and_what_can_be_done(folder: Path) -> None:
    rows = (folder / "faults.csv").read_text(encoding="utf-8").splitlines()
    (folder / "faults.csv").write_text("\n".join(rows[:50]) + "\n", encoding="utf-8")
    ran = RUN.invoke(app, ["backtest", str(folder)])
    assert ran.exit_code == 2
    assert "90 days after the first record, 2025-04-01T00:00:00Z, is after that; say an earlier one" in ran.output


def test_predictions_that_cannot_be_written_are_refused_at_once(folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "nowhere" / "predictions.csv", tmp_path):
        ran = RUN.invoke(app, ["backtest", str(folder), "--horizon", "7", "--out", str(out)])
        assert ran.exit_code == 1
        assert f"--out {out}: " in ran.output


def test_a_rule_is_tried_every_day_and_as_the_settings_say(folder: Path, tmp_path: Path) -> None:
    assert "70 assessments" in RUN.invoke(app, ["backtest", str(folder), "--rule", "repeated-fault"]).output
    config = tmp_path / "settings.toml"
    config.write_text("repeated_fault_count_min = 200\n", encoding="utf-8")
    out = tmp_path / "predictions.csv"
    told = ["--config", str(config), "--from", "2025-01-01", "--out", str(out)]
    ran = RUN.invoke(app, ["backtest", str(folder), "--rule", "repeated-fault", *told])
    assert "would have raised 0 alerts" in ran.output
    assert "a rule makes no predictions" in ran.output


def test_a_history_goes_on_to_the_end_of_the_last_day_on_which_its_lifts_are_observed(folder: Path) -> None:
    (folder / "lifts.csv").write_text("lift_id,observed_to\nL0,2025-06-30\nL1,2025-06-12\n", encoding="utf-8")
    past = read_past(folder, past_intake(Settings()), START + timedelta(days=300), lambda _: None)
    assert past.until == datetime(2025, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2025-12-31", "9999-12-31"])
def test_a_day_to_come_is_no_history_without_breakdowns(folder: Path, day: str) -> None:
    (folder / "lifts.csv").write_text(f"lift_id,observed_to\nL0,{day}\n", encoding="utf-8")
    with (folder / "faults.csv").open("a", encoding="utf-8") as faults:
        faults.write(f"L0,planned,,2025-06-01T00:00:00Z,{day}T00:00:00Z\n")
    now = START + timedelta(days=300)
    assert read_past(folder, past_intake(Settings()), now, lambda _: None).until == now


def test_a_step_is_days() -> None:
    assert (days_in("7d"), days_in("3")) == (7.0, 3.0)
    with pytest.raises(ValueError, match="expected days"):
        days_in("-1d")
    assert known_rule("repeat-repair").value == "repeat-repair"
