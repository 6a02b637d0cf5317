"""Risk on a real outage log, and on fleets of chance whose rates are known: skill, calibration, expected counts.

    python -m benchmarks.risk_escalators [FOLDER] [--seeds 10] [--write docs/quality.md]

FOLDER holds `lifts.csv` and `faults.csv` of a log of outages; the figures in docs/quality.md are those of a year and a
half of the escalators of a city's transport, which is not part of this repository. Weekly origins from 2014-05-03 until
the horizon ends with the log; other logs from 90 days after their first record. Only the log's own past is used.
Without a folder only the fleets of chance are drawn; with `--seeds 0` only the log is scored.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct, structs

from analytics.backtest import DISCOUNTED, PREVALENCE, BacktestPlan, Predicted, backtest
from analytics.backtest_report import report_lines, skill_of
from analytics.occurrences import Occurrence
from analytics.outage_history import Floats, OutageHistory
from api.backtesting import past_intake, plan_of, read_past
from api.settings import Settings
from benchmarks.risk_baselines import with_models
from ingest.clock import to_ms
from ingest.fleet import Lift, OutageKind
from simulator.fleet import Care, make_fleet
from simulator.history import HistoryFiles, Span

BEGIN = datetime(2014, 5, 3, tzinfo=UTC)
START = datetime(2025, 1, 1, tzinfo=UTC)
DAY, DAY_MS = timedelta(days=1), 86_400_000


class Fleet(Struct, frozen=True):
    """A fleet of chance: breakdowns a year, how much lifts differ (gamma shape), chance of one more within days.

    Of `late` lifts nothing is known before day 150; of the days in `paused` nothing was recorded.
    """

    name: str
    a_year: float
    shape: float
    again: float
    lifts: int = 60
    days: int = 400
    late: int = 0
    paused: tuple[tuple[float, float], ...] = ()


FLEETS = (
    Fleet("lifts alike, 3 a year", 3.0, 1e6, 0.0),
    Fleet("lifts alike, 30 a year", 30.0, 1e6, 0.0),
    Fleet("usual: 8 a year, lifts differ", 8.0, 1.0, 0.2),
    Fleet("neglected: 30 a year, repairs do not hold", 30.0, 1.0, 0.5),
    Fleet("20 lifts, 2 a year", 2.0, 2.0, 0.0, lifts=20),
    Fleet("growing: half from day 150 on, 8 a year", 8.0, 1.0, 0.2, late=30),
    Fleet("log pauses twice, 30 a year", 30.0, 1.0, 0.2, paused=((40.0, 45.0), (250.0, 264.0))),
)
# Days since the first record, days at risk from which on a lift is scored, days from one origin to the next.
_WEEKS = (("first 12", 7.0, 84.0, 0.0, 7.0), ("after 26", 182.0, 400.0, 30.0, 14.0))
_REFIT_DAYS, _LATE_DAY = 120.0, 150.0
_SIMULATED, _SIMULATED_DAYS = 60, 400


def made(fleet: Fleet, seed: int) -> tuple[list[Lift], list[Occurrence]]:
    """Return the lifts and the breakdowns of a fleet of chance."""
    rng = np.random.default_rng(seed)
    lifts = [_lift(fleet, number) for number in range(fleet.lifts)]
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
    begin = {lift.lift_id: lift.observed_from or START.date() for lift in lifts}
    return lifts, [item for item in found if item.raised_at.date() >= begin[item.lift_id] and _is_told(fleet, item)]


def _lift(fleet: Fleet, number: int) -> Lift:
    since = START + _LATE_DAY * DAY if number < fleet.late else START
    return Lift(lift_id=f"L{number:03d}", site_id=f"S{number // 4}", observed_from=since.date())


def _is_told(fleet: Fleet, item: Occurrence) -> bool:
    day = (item.raised_at - START) / DAY
    return day < fleet.days and not any(begin <= day < end for begin, end in fleet.paused)


def chance_lines(seeds: Sequence[int]) -> Iterator[str]:
    """Yield how fleets of chance are predicted: means of the seeds with their 95 % intervals."""
    yield "| fleet | weeks | horizon | prevalence | skill | lowest | against the share known | rates alone |"
    yield "|---|---|---|---|---|---|---|---|"
    for fleet in FLEETS:
        end = START + fleet.days * DAY
        yield from _fleet_lines(fleet.name, [OutageHistory.of(*made(fleet, seed), end) for seed in seeds])
    for care in (Care.GOOD, Care.NEGLECTED):
        yield from _fleet_lines(f"simulated, care {care.value}", [simulated(care, seed) for seed in seeds])


def simulated(care: Care, seed: int) -> OutageHistory:
    """Return the outages of simulated lifts in the same care, as `liftwatch simulate --files` writes them."""
    since_ms = to_ms(START)
    fleet = [structs.replace(spec, care=care) for spec in make_fleet(seed, _SIMULATED)]
    with tempfile.TemporaryDirectory() as folder:
        HistoryFiles(Path(folder), fleet, Span(since_ms, since_ms + _SIMULATED_DAYS * DAY_MS)).write_tables()
        past = read_past(Path(folder), past_intake(Settings()), datetime.now(UTC), print)
    return OutageHistory.of(past.lifts, past.found, past.until)


def _fleet_lines(name: str, drawn: Sequence[OutageHistory]) -> Iterator[str]:
    for words, since, until, least, every in _WEEKS:
        plan = BacktestPlan(
            since=START + since * DAY,
            until=START + until * DAY,
            exposure_days_min=least,
            every_days=every,
            refit_days=_REFIT_DAYS,
        )
        runs = [backtest(history, plan) for history in drawn]
        for index, horizon in enumerate(plan.horizons):
            yield f"| {name} | {words} | {horizon:g} days | {_chance_words([run[index] for run in runs])} |"


def _chance_words(runs: Sequence[Predicted]) -> str:
    shares = np.array([float((run.count[run.is_scored] > 0).mean()) for run in runs])
    skills = np.array([skill_of(run) for run in runs])
    known = [_against_known(run) for run in runs]
    rates = [skill_of(structs.replace(run, probability=run.baselines[DISCOUNTED][0])) for run in runs]
    return f"{shares.mean():.3f} | {_mean(skills)} | {skills.min():.3f} | {_mean(known)} | {_mean(rates)}"


def _mean(values: Sequence[float] | Floats) -> str:
    error = 1.96 * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return f"{float(np.mean(values)):.3f} +- {error:.3f}"


def _against_known(run: Predicted) -> float:
    """Return the skill against the share of lifts that was known at each origin, instead of that which came out."""
    chosen = run.is_scored
    outcome = run.count[chosen] > 0
    reference = ((run.baselines[PREVALENCE][0][chosen] - outcome) ** 2).sum()
    return 1.0 - float(((run.probability[chosen] - outcome) ** 2).sum() / reference)


def real_lines(folder: Path) -> Iterator[str]:
    """Yield the report on a log."""
    past = read_past(folder, past_intake(Settings()), datetime.now(UTC), print)
    first = min(item.raised_at for item in past.found)
    plan = plan_of(past, BEGIN if first < BEGIN < past.until else None, None, 7.0, (7.0, 30.0))
    history = OutageHistory.of(past.lifts, past.found, past.until)
    for predicted in backtest(history, plan):
        yield from report_lines(with_models(history, predicted))
        yield ""


def main() -> None:
    """Run the benchmark and print, or write, its section."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path, nargs="?")
    options.add_argument("--seeds", type=int, default=10, help="fleets of chance of each sort; 0 or at least 2")
    options.add_argument("--write", type=Path)
    chosen = options.parse_args()
    if chosen.folder is not None:
        _tell("bench-risk", real_lines(chosen.folder), chosen.write)
    if chosen.seeds:
        _tell("bench-risk-fleets", chance_lines(range(1, chosen.seeds + 1)), chosen.write)


def _tell(mark: str, told: Iterator[str], document: Path | None) -> None:
    begun = time.monotonic(), time.process_time()
    lines = list(told)
    cpu_s, clock_s = time.process_time() - begun[1], time.monotonic() - begun[0]
    lines += ["", f"That took {cpu_s:.0f} s of CPU, {clock_s:.0f} s of the clock."]
    print("\n".join(lines))
    if document is not None:
        write_section(document, lines, mark)


def write_section(document: Path, lines: list[str], mark: str = "bench-risk") -> None:
    """Put the figures between the marks of their section."""
    begin, end = f"<!-- {mark}: figures -->", f"<!-- {mark}: end -->"
    text = document.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    document.write_text(head + begin + "\n\n" + "\n".join(lines) + "\n\n" + end + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
