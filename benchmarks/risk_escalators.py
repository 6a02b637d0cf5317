"""Risk on a real outage log, and on fleets of chance whose rates are known: skill, calibration, expected counts.

    python -m benchmarks.risk_escalators FOLDER [--write docs/quality.md]

FOLDER holds `lifts.csv` and `faults.csv` of a log of outages; the figures in docs/quality.md are those of a year and a
half of the escalators of a city's transport, which is not part of this repository. Weekly origins from 2014-05-03 until
the horizon ends with the log; other logs from 90 days after their first record. Only the log's own past is used.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct

from analytics.backtest import BacktestPlan, Predicted, backtest
from analytics.backtest_report import Score, report_lines, scores_of
from analytics.occurrences import Occurrence
from analytics.outage_history import OutageHistory
from api.backtesting import past_intake, plan_of, read_past
from api.settings import Settings
from ingest.fleet import Lift, OutageKind

BEGIN = datetime(2014, 5, 3, tzinfo=UTC)
HEADING = "## Risk on a real log"
START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Fleet(Struct, frozen=True):
    """A fleet of chance: breakdowns a year, how much lifts differ (gamma shape), chance of one more within days."""

    name: str
    a_year: float
    shape: float
    again: float
    lifts: int = 150
    days: int = 400


FLEETS = (
    Fleet("good care: 3 a year, lifts alike", 3.0, 4.0, 0.0),
    Fleet("usual care: 8 a year, lifts differ", 8.0, 1.0, 0.2),
    Fleet("neglected: 30 a year, repairs do not hold", 30.0, 1.0, 0.5),
    Fleet("small and quiet: 20 lifts, 2 a year", 2.0, 2.0, 0.0, lifts=20),
)


def made(fleet: Fleet, seed: int) -> tuple[list[Lift], list[Occurrence]]:
    """Return the lifts and the breakdowns of a fleet of chance."""
    rng = np.random.default_rng(seed)
    lifts = [Lift(lift_id=f"L{number:03d}", site_id=f"S{number // 4}") for number in range(fleet.lifts)]
    found: list[Occurrence] = []
    for lift in lifts:
        rate = rng.gamma(fleet.shape, fleet.a_year / 365.25 / fleet.shape) * (1.0 - fleet.again)
        for first in rng.uniform(0.0, fleet.days, rng.poisson(rate * fleet.days)):
            times = int(rng.geometric(1.0 - fleet.again)) if fleet.again else 1
            at = float(first)
            for _ in range(times):
                raised = START + at * DAY
                hours = timedelta(hours=float(rng.exponential(4.0)))
                found.append(
                    Occurrence(
                        lift_id=lift.lift_id,
                        code="door-closing-fault",
                        raised_at=raised,
                        cleared_at=raised + hours,
                        source="outage",
                        kind=OutageKind.BREAKDOWN,
                    )
                )
                at += float(rng.exponential(4.0)) + 0.5
    return lifts, [item for item in found if item.raised_at < START + fleet.days * DAY]


def chance_lines() -> Iterator[str]:
    """Yield how fleets of chance are predicted, and their first weeks."""
    yield "| fleet | weeks | horizon | prevalence | Brier skill | ECE | skill of the discounted rates |"
    yield "|---|---|---|---|---|---|---|"
    for fleet in FLEETS:
        lifts, found = made(fleet, 1)
        history = OutageHistory.of(lifts, found, START + fleet.days * DAY)
        for words, since, until, least in (("first 12", 7, 84, 0.0), ("after 26", 182, fleet.days, 30.0)):
            plan = BacktestPlan(since=START + since * DAY, until=START + until * DAY, exposure_days_min=least)
            for predicted in backtest(history, plan):
                ours, base = _ours_and(predicted, "discounted empirical Bayes")
                share = float((predicted.count[predicted.is_scored] > 0).mean())
                yield (
                    f"| {fleet.name} | {words} | {predicted.horizon_days:g} days | {share:.3f} | "
                    f"{ours.skill.value:.3f} ({ours.skill.low:.3f} to {ours.skill.high:.3f}) | {ours.ece:.3f} | "
                    f"{base.skill.value:.3f} |"
                )


def _ours_and(predicted: Predicted, name: str) -> tuple[Score, Score]:
    scores = scores_of(predicted)
    return scores[0], next(score for score in scores if score.name == name)


def real_lines(folder: Path) -> Iterator[str]:
    """Yield the report on a log."""
    past = read_past(folder, past_intake(Settings()), print)
    first = min(item.raised_at for item in past.found)
    plan = plan_of(past, BEGIN if first < BEGIN < past.until else None, None, 7.0, (7.0, 30.0))
    history = OutageHistory.of(past.lifts, past.found, past.until)
    for predicted in backtest(history, plan):
        yield from report_lines(predicted)
        yield ""


def main() -> None:
    """Run the benchmark and print, or write, its section."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--write", type=Path)
    chosen = options.parse_args()
    begun = time.monotonic()
    lines = [*real_lines(chosen.folder), "### Fleets of chance", "", *chance_lines(), ""]
    lines.append(f"The whole run took {time.monotonic() - begun:.0f} s on one shared core.")
    print("\n".join(lines))
    if chosen.write is not None:
        write_section(chosen.write, lines)


def write_section(document: Path, lines: list[str], mark: str = "bench-risk") -> None:
    """Put the figures between the marks of their section."""
    begin, end = f"<!-- {mark}: figures -->", f"<!-- {mark}: end -->"
    text = document.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    document.write_text(head + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
