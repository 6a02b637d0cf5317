import sys

import pytest

from benchmarks import frequent_days


def test_the_table_of_false_findings_has_a_row_for_each_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["frequent_days", "--lifts", "10", "--days", "200"])
    frequent_days.main()
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + len(frequent_days.RATES_A_YEAR)
    assert rows[2].startswith("| 0.5 | 5 | 0 |")
