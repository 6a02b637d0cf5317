"""The benchmark of the assessment, small: its lifts have the values that it says they have, and are assessed."""

from pathlib import Path

from analytics.daily_series import day_of, series_of
from benchmarks.assessment import measured, opened
from benchmarks.parts.synthetic_days import LANDINGS, UNTIL, fill


def test_a_fleet_is_filled_and_assessed(tmp_path: Path) -> None:
    parts = opened(tmp_path)
    fill(parts, 3, 5, UNTIL)
    values = parts.features.values(["L00000", "L00001", "L00002"], 0, 10**6)
    # The first lift has but the newest day: that one was kept as the service keeps it.
    assert {lift_id: len(values.of(lift_id).lift) for lift_id in values.lift_ids} == {
        "L00000": 1,
        "L00001": 5,
        "L00002": 5,
    }
    series = series_of(values, day_of(int(values.lift["day"].min())), 5)
    landings = {key.floor for key in series.keys if key.channel == "closing_ms" and key.lift_id == "L00001"}
    assert landings == {None, *range(1, LANDINGS + 1)}
    seen = measured(parts)
    assert seen.findings.get("usage-due", 0) >= 0
    assert seen.peak_mb > 0
