"""Risk on the simulated fleet: the history of breakdowns alone, against history and how worn the parts look.

`python -m benchmarks.risk_simulated --cache fleet1000.npz` (made by `benchmarks.simulated_fleet`). Models learn from
the lifts of even blocks and the days before the split, and are scored on the lifts of odd blocks and weekly origins
after it: neither a lift nor a day is in both. Both models are fitted and scored in the same run.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct

from analytics.occurrences import Occurrence
from analytics.outage_history import BREAKDOWN, Floats, Ints, OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit
from analytics.risk_model import HorizonModel, predict
from analytics.scoring import (
    Interval,
    brier_skill,
    calibration_error,
    poisson_deviance,
    pr_auc,
    recall_at,
    roc_auc,
    skill_interval,
)
from analytics.wear_signs import WearSigns, joined, wear_signs
from benchmarks.risk_escalators import write_section
from benchmarks.simulated_fleet import Failure, SimulatedFleet, load_cache
from ingest.fleet import Lift, OutageKind

HORIZONS = (7.0, 30.0)
ALARMS = (0.1, 0.5)
SPLIT_DAYS, EVERY_DAYS = 500, 7
MARK = "bench-risk-simulated"
HISTORY_ALONE, WITH_WEAR = "history alone", "history and wear"


class Half(Struct, frozen=True):
    """Some lifts of the fleet: what happened, how worn they looked, and the failures that came, by lift."""

    history: OutageHistory
    signs: WearSigns
    failures: list[Failure]


class Said(Struct, frozen=True):
    """What was said of each lift and origin, and what came: number of breakdowns and days to the first."""

    probability: Floats
    expected: Floats
    rates: Floats
    count: Ints
    first_days: Floats
    lift: Ints
    day: Floats

    @property
    def outcome(self) -> Floats:
        """1 where a breakdown came."""
        return (self.count > 0).astype(np.float64)


def half_of(fleet: SimulatedFleet, numbers: Sequence[int]) -> Half:
    """Return the lifts of some blocks."""
    signs = joined([wear_signs(fleet.block(number)) for number in numbers])
    chosen = set(signs.lift_ids)
    lifts = [
        Lift(lift_id=lift.lift_id, site_id=lift.site_id, observed_from=fleet.first_day)
        for lift in fleet.truth.lifts
        if lift.lift_id in chosen
    ]
    failures = [failure for failure in fleet.truth.failures if failure.lift_id in chosen]
    until = datetime.combine(fleet.first_day, datetime.min.time(), UTC) + timedelta(days=fleet.days)
    return Half(OutageHistory.of(lifts, map(_occurrence, failures), until), signs, failures)


def _occurrence(failure: Failure) -> Occurrence:
    return Occurrence(
        lift_id=failure.lift_id,
        code=failure.code,
        raised_at=failure.failed_at,
        cleared_at=failure.cleared_at,
        source="message",
        kind=OutageKind.EXTERNAL if failure.kind == "external" else OutageKind.BREAKDOWN,
    )


def said_of(half: Half, model: HorizonModel | None, horizon: float, origins: Sequence[float], *, wear: bool) -> Said:
    """Return what a model says of lifts that it has never seen."""
    book, parts = FrameBook(half.history, half.signs if wear else None), []
    for origin in origins:
        frame = book.at(origin)
        said, kept = predict(frame, horizon, model), frame.counting()
        chosen = (half.history.kind == BREAKDOWN) & (half.history.raised > origin)
        chosen &= half.history.raised <= origin + horizon
        first = np.full(len(frame.lift_ids), np.inf)
        np.minimum.at(first, half.history.lift[chosen], half.history.raised[chosen] - origin)
        count = half.history.breakdowns_in(origin, origin + horizon)
        columns = (said.probability, said.expected, said.rates_probability, count, first)
        days = np.full(int(kept.sum()), origin)
        parts.append([*(column[kept] for column in columns), np.flatnonzero(kept), days])
    return Said(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def lines(fleet: SimulatedFleet, blocks: int) -> Iterator[str]:
    """Yield the report."""
    learnt, scored = (half_of(fleet, range(at, min(blocks, fleet.block_count), 2)) for at in (0, 1))
    split = days_of(datetime.combine(fleet.first_day, datetime.min.time(), UTC)) + SPLIT_DAYS
    for horizon in HORIZONS:
        models = {
            HISTORY_ALONE: fit(FrameBook(learnt.history), split, horizon),
            WITH_WEAR: fit(FrameBook(learnt.history, learnt.signs), split, horizon),
        }
        last = scored.history.until - horizon
        origins = [float(day) for day in np.arange(split, last + 1e-9, EVERY_DAYS)]
        said = {
            name: said_of(scored, model, horizon, origins, wear=name == WITH_WEAR) for name, model in models.items()
        }
        yield from _scores(said, horizon, len(origins))
        yield from _alarms(said)
        yield from _components(said, scored, horizon)


def _scores(said: dict[str, Said], horizon: float, origins: int) -> Iterator[str]:
    any_of = said[WITH_WEAR]
    yield (
        f"### {horizon:g} days: {any_of.count.size:,} rows of {np.unique(any_of.lift).size} lifts, {origins} weekly "
        f"origins, prevalence {any_of.outcome.mean():.3f}, mean count {any_of.count.mean():.3f}"
    )
    yield ""
    yield "| method | Brier skill (95 % by lift) | ECE | AUC | PR-AUC | Poisson deviance |"
    yield "|---|---|---|---|---|---|"
    yield _score("discounted rates", any_of.rates, any_of, None)
    for name, one in said.items():
        yield _score(name, one.probability, one, one.expected)
    yield ""
    low, high = gain(said)
    yield (
        f"Brier skill gained by wear: "
        f"{brier_skill(any_of.probability, any_of.outcome) - _skill(said[HISTORY_ALONE]):.4f} "
        f"({low:.4f} to {high:.4f}, 95 % by lift)."
    )
    yield ""


def _skill(said: Said) -> float:
    return brier_skill(said.probability, said.outcome)


def gain(said: dict[str, Said], draws: int = 400) -> tuple[float, float]:
    """Return where 95 % of resampled fleets put the skill that wear adds."""
    one, other = said[WITH_WEAR], said[HISTORY_ALONE]
    lifts = int(one.lift.max()) + 1
    sums = [
        np.bincount(one.lift, values, lifts)
        for values in (
            np.ones_like(one.outcome),
            one.outcome,
            (other.probability - one.outcome) ** 2 - (one.probability - one.outcome) ** 2,
        )
    ]
    drawn = np.random.default_rng(1).multinomial(lifts, np.full(lifts, 1.0 / lifts), draws)
    rows, hits, better = (drawn @ each for each in sums)
    low, high = np.quantile(better / rows / (hits / rows * (1.0 - hits / rows)), [0.025, 0.975])
    return float(low), float(high)


def _score(name: str, probability: Floats, said: Said, expected: Floats | None) -> str:
    skill: Interval = skill_interval(probability, said.outcome, said.lift)
    deviance = "" if expected is None else f"{poisson_deviance(expected, said.count):.4f}"
    return (
        f"| {name} | {skill.value:.4f} ({skill.low:.3f} to {skill.high:.3f}) | "
        f"{calibration_error(probability, said.outcome):.4f} | {roc_auc(probability, said.outcome):.3f} | "
        f"{pr_auc(probability, said.outcome):.3f} | {deviance} |"
    )


def _alarms(said: dict[str, Said]) -> Iterator[str]:
    yield "| alarms per lift-month | method | recall | precision | lead time, days (10 %, 50 %, 90 %) |"
    yield "|---|---|---|---|---|"
    for alarms in ALARMS:
        for name, one in said.items():
            found = recall_at(one.probability, one.outcome, one.first_days, EVERY_DAYS, alarms)
            lead = ", ".join(f"{days:.1f}" for days in found.lead_days)
            yield f"| {alarms:g} | {name} | {found.recall:.3f} | {found.precision:.3f} | {lead} |"
    yield ""


def _components(said: dict[str, Said], half: Half, horizon: float) -> Iterator[str]:
    """Yield how much of the breakdowns of each cause is foretold, by the alarms of the larger load."""
    yield (
        f"| component | announced by wear | rows that came true | AUC, {HISTORY_ALONE} | AUC, {WITH_WEAR} | "
        f"recall at {ALARMS[-1]:g} alarms, {HISTORY_ALONE} | recall, {WITH_WEAR} |"
    )
    yield "|---|---|---|---|---|---|---|"
    place = {lift_id: number for number, lift_id in enumerate(half.history.lift_ids)}
    stopped = [failure for failure in half.failures if failure.kind == "breakdown" and failure.stops]
    for component in sorted({failure.component for failure in stopped}):
        own = [failure for failure in stopped if failure.component == component]
        announced = sum(failure.precursor_at is not None for failure in own) / len(own)
        lift = np.array([place[failure.lift_id] for failure in own])
        at = np.array([days_of(failure.failed_at) for failure in own])
        cells = []
        outcome = _came(said[WITH_WEAR], lift, at, horizon)
        for one in said.values():
            found = recall_at(one.probability, outcome, one.first_days, EVERY_DAYS, ALARMS[-1])
            cells.append((roc_auc(one.probability, outcome), found.recall))
        yield (
            f"| {component} | {announced:.0%} | {int(outcome.sum())} | {cells[0][0]:.3f} | {cells[1][0]:.3f} | "
            f"{cells[0][1]:.3f} | {cells[1][1]:.3f} |"
        )
    yield ""


def _came(said: Said, lift: Ints, at: Floats, horizon: float) -> Floats:
    outcome = np.zeros(said.lift.size)
    for of_lift in np.unique(lift):
        rows = np.flatnonzero(said.lift == of_lift)
        ahead = at[lift == of_lift][None, :] - said.day[rows, None]
        outcome[rows] = ((ahead > 0.0) & (ahead <= horizon)).any(axis=1)
    return outcome


def main() -> None:
    """Print the tables, or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("fleet1000.npz"))
    parser.add_argument("--blocks", type=int, default=20, help="how many blocks of 50 lifts are looked at")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    begun, fleet = time.monotonic(), load_cache(options.cache)
    report = list(lines(fleet, options.blocks))
    report.append(f"The whole run took {time.monotonic() - begun:.0f} s on one shared core.")
    print("\n".join(report))
    if options.write is not None:
        write_section(options.write, report, MARK)


if __name__ == "__main__":
    main()
