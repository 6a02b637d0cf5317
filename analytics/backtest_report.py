"""What a backtest says, in words and numbers: predictions beside the baselines of the same run."""

from collections.abc import Iterator
from datetime import UTC

import numpy as np
from msgspec import Struct

from analytics.backtest import OURS, Predicted
from analytics.outage_history import Floats, instant_of
from analytics.scoring import (
    AlarmScore,
    Interval,
    brier_skill,
    calibration_error,
    poisson_deviance,
    pr_auc,
    recall_at,
    roc_auc,
    skill_interval,
)

ALARM_LOADS = (0.1, 0.5, 1.0)
COLUMNS = ("lift_id", "as_of", "horizon_days", "probability", "expected_count")


class Score(Struct, frozen=True, kw_only=True):
    """How one method did over the rows of one horizon."""

    name: str
    skill: Interval
    ece: float
    roc: float
    pr: float
    deviance: float
    alarms: tuple[AlarmScore, ...] = ()


def scores_of(predicted: Predicted) -> list[Score]:
    """Return the scores of the predictions and of each baseline; none where no row counts."""
    chosen = predicted.is_scored
    if not chosen.any():
        return []
    methods = {OURS: (predicted.probability, predicted.expected), **predicted.baselines}
    return [
        _score(name, probability[chosen], expected[chosen], predicted)
        for name, (probability, expected) in methods.items()
    ]


def _score(name: str, probability: Floats, expected: Floats, predicted: Predicted) -> Score:
    chosen = predicted.is_scored
    count, lift = predicted.count[chosen], predicted.lift[chosen]
    outcome = (count > 0).astype(np.float64)
    every = _step(predicted)
    first = predicted.first_days[chosen]
    loads = ALARM_LOADS if name == OURS else ()
    return Score(
        name=name,
        skill=skill_interval(probability, outcome, lift),
        ece=calibration_error(probability, outcome),
        roc=roc_auc(probability, outcome),
        pr=pr_auc(probability, outcome),
        deviance=poisson_deviance(expected, count),
        alarms=tuple(recall_at(probability, outcome, first, every, load) for load in loads),
    )


def _step(predicted: Predicted) -> float:
    days = np.unique(predicted.day)
    return float(np.diff(days).min()) if days.size > 1 else predicted.horizon_days


def report_lines(predicted: Predicted) -> Iterator[str]:
    """Yield the report on one horizon as Markdown."""
    scores = scores_of(predicted)
    days = f"{predicted.horizon_days:g} days"
    if not scores:
        yield f"### {days}: no lift counts (30 days at risk before an origin whose horizon ends with the history)"
        return
    count = predicted.count[predicted.is_scored]
    origins = np.unique(predicted.day)
    yield (
        f"### {days}: {count.size:,} rows of {np.unique(predicted.lift[predicted.is_scored]).size} lifts, "
        f"{origins.size} origins {instant_of(origins[0]):%Y-%m-%d} to {instant_of(origins[-1]):%Y-%m-%d}, "
        f"prevalence {float((count > 0).mean()):.3f}, mean count {float(count.mean()):.3f}"
    )
    yield ""
    yield "| method | Brier skill (95 % by lift) | ECE | AUC | PR-AUC | Poisson deviance |"
    yield "|---|---|---|---|---|---|"
    for score in scores:
        skill = score.skill
        yield (
            f"| {score.name} | {skill.value:.4f} ({skill.low:.3f} to {skill.high:.3f}) | {score.ece:.4f} | "
            f"{score.roc:.3f} | {score.pr:.3f} | {score.deviance:.4f} |"
        )
    if predicted.unfitted:
        yield ""
        yield (
            f"At {predicted.unfitted} of the origins there was too little history for a model, or it did no better "
            f"than the discounted rates: there {OURS} says what those say."
        )
    yield ""
    yield "| alarms per lift-month | threshold | recall | precision | lead time, days (10 %, 50 %, 90 %) |"
    yield "|---|---|---|---|---|"
    for alarm in scores[0].alarms:
        lead = ", ".join(f"{day:.1f}" for day in alarm.lead_days)
        yield (
            f"| {alarm.alarms_per_lift_month:g} | {alarm.threshold:.3f} | {alarm.recall:.3f} | {alarm.precision:.3f} | "
            f"{lead} |"
        )


def csv_rows(predicted: Predicted) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the predictions of all lifts that were known, in `COLUMNS`; those that are not at risk as well."""
    for lift, day, probability, expected in zip(
        predicted.lift, predicted.day, predicted.probability, predicted.expected, strict=True
    ):
        as_of = instant_of(float(day)).astimezone(UTC).isoformat().replace("+00:00", "Z")
        yield (
            predicted.lift_ids[int(lift)],
            as_of,
            f"{predicted.horizon_days:g}",
            f"{probability:.6f}",
            f"{expected:.6f}",
        )


def skill_of(predicted: Predicted) -> float:
    """Return the Brier skill over the rows that count."""
    chosen = predicted.is_scored
    return brier_skill(predicted.probability[chosen], (predicted.count[chosen] > 0).astype(np.float64))
