"""The benchmarks of analytics run, and write their tables: on a few lifts, for as short as can be."""

import sys
from pathlib import Path

import pytest

from benchmarks import anomaly_limit, failure_rates, frequent_days, simulated_month, wear_found
from benchmarks.simulated_fleet import write_cache
from simulator.fleet import make_fleet

Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "fleet.npz"
    write_cache(path, make_fleet(2, 2, 0.1), 120, 0.1)
    return path


def told(monkeypatch: pytest.MonkeyPatch, out: Out, main: object, *arguments: str) -> list[str]:
    assert callable(main)
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    main()
    return out.readouterr().out.splitlines()


def test_wear_that_is_found_has_a_row_for_each_mechanism_and_one_for_all(
    monkeypatch: pytest.MonkeyPatch, capsys: Out, cache: Path
) -> None:
    lines = told(monkeypatch, capsys, wear_found.main, "--cache", str(cache), "--tuning", "--false")
    assert lines[0].startswith("| mechanism | failures |")
    assert any(line.startswith("| **all** |") for line in lines)
    assert lines[-1].startswith("2 lifts (tuning), traffic 0.1")


def test_anomalies_have_a_row_for_each_distance(monkeypatch: pytest.MonkeyPatch, capsys: Out, cache: Path) -> None:
    lines = told(monkeypatch, capsys, anomaly_limit.main, "--cache", str(cache), "--blocks", "1")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["4", "5", "6", "8"]


def test_failure_rates_have_a_row_for_each_fleet(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    lines = told(monkeypatch, capsys, failure_rates.main, "--fleets", "2")
    assert len(lines) == 2 + 7
    assert lines[2].startswith("| often failing: all lifts alike | 0.00 | 0.000 | 0.0% |")


def test_false_findings_of_frequent_days_have_a_row_for_each_rate(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    lines = told(monkeypatch, capsys, frequent_days.main, "--lifts", "10", "--days", "200")
    assert len(lines) == 2 + len(frequent_days.RATES_A_YEAR)
    assert lines[2].startswith("| 0.5 | 5 | 0 |")


def test_a_month_tells_its_load_and_whether_it_was_right(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    lines = told(monkeypatch, capsys, simulated_month.main, "--lifts", "2", "--days", "1", "--alarms-only")
    assert any("AlarmCount" in line for line in lines)
    assert any("priority 1 against the truth" in line for line in lines)
