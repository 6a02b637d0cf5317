"""How good predictions are: skill, calibration, ranking, recall for a given load of alarms, intervals by lift. Pure.

`outcome` is 1 where at least one breakdown was raised within the horizon, `count` how many were. There is no
point-adjusted F1 here: it praises alarms that come anywhere in a long outage.
"""

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.outage_history import Floats, Ints

ECE_BINS = 10
_TINY = 1e-9
_MONTH_DAYS = 30.4375


class Interval(Struct, frozen=True):
    """A score, and where 95 % of resampled fleets put it."""

    value: float
    low: float
    high: float


class AlarmScore(Struct, frozen=True, kw_only=True):
    """What a threshold gives that raises `alarms_per_lift_month` predictions.

    `recall` is the share of outcomes that were alarmed, `precision` the share of alarms that came true, `lead_days` the
    10 %, 50 % and 90 % quantiles of the time from an alarm that came true to the first breakdown.
    """

    alarms_per_lift_month: float
    threshold: float
    recall: float
    precision: float
    lead_days: tuple[float, float, float]


def brier_skill(probability: Floats, outcome: Floats) -> float:
    """Return 1 - Brier / (Brier of always saying the prevalence); 0 where all outcomes are alike."""
    prevalence = float(outcome.mean())
    reference = prevalence * (1.0 - prevalence)
    return 0.0 if reference == 0.0 else 1.0 - float(((probability - outcome) ** 2).mean()) / reference


def calibration_error(probability: Floats, outcome: Floats, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error over `bins` bins of equal width: 0 to 0.1, 0.1 to 0.2, ..."""
    at = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(at, probability - outcome, bins)
    return float(np.abs(gaps).sum() / probability.size)


def roc_auc(score: Floats, outcome: Floats) -> float:
    """Return the chance that a positive stands above a negative (ties count half); NaN where one of them is missing."""
    positives = int(outcome.sum())
    negatives = outcome.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, at, times = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(times) - (times - 1) / 2.0
    return float((ranks[at][outcome > 0].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def pr_auc(score: Floats, outcome: Floats) -> float:
    """Return the average precision; NaN without positives."""
    positives = float(outcome.sum())
    if positives == 0.0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits, ranked = np.cumsum(outcome[order]), score[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # a threshold takes all of a tie
    precision = hits[last] / (np.flatnonzero(last) + 1.0)
    recall = hits[last] / positives
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def poisson_deviance(expected: Floats, count: Ints) -> float:
    """Return the mean Poisson deviance of expected numbers."""
    expected = np.maximum(expected, _TINY)
    logs = np.where(count > 0, count * np.log(np.maximum(count, _TINY) / expected), 0.0)
    return float(2.0 * (logs - (count - expected)).mean())


def recall_at(
    probability: Floats, outcome: Floats, first_days: Floats, every_days: float, alarms_per_lift_month: float
) -> AlarmScore:
    """Return what the highest predictions give, as many as an alarm load allows.

    `first_days` is the time to the first breakdown (inf: none within the horizon), `every_days` the step of origins.
    """
    wanted = round(probability.size * every_days / _MONTH_DAYS * alarms_per_lift_month)
    chosen = np.argsort(-probability, kind="stable")[: min(max(wanted, 1), probability.size)]
    hits = float(outcome[chosen].sum())
    lead = first_days[chosen][outcome[chosen] > 0]
    quantiles = np.quantile(lead, [0.1, 0.5, 0.9]) if lead.size else np.full(3, np.nan)
    return AlarmScore(
        alarms_per_lift_month=alarms_per_lift_month,
        threshold=float(probability[chosen[-1]]),
        recall=hits / max(float(outcome.sum()), 1.0),
        precision=hits / chosen.size,
        lead_days=(float(quantiles[0]), float(quantiles[1]), float(quantiles[2])),
    )


def skill_interval(probability: Floats, outcome: Floats, lift: Ints, draws: int = 400, seed: int = 1) -> Interval:
    """Return the Brier skill with a bootstrap interval over whole lifts: rows of one lift are not independent."""
    lifts = int(lift.max()) + 1
    rows = np.bincount(lift, minlength=lifts).astype(np.float64)
    errors = np.bincount(lift, (probability - outcome) ** 2, lifts)
    hits = np.bincount(lift, outcome, lifts)
    chosen = np.flatnonzero(rows)
    drawn = np.random.default_rng(seed).multinomial(chosen.size, np.full(chosen.size, 1.0 / chosen.size), draws)
    total = drawn @ rows[chosen]
    prevalence = drawn @ hits[chosen] / total
    reference = np.maximum(prevalence * (1.0 - prevalence), _TINY)
    skills = 1.0 - drawn @ errors[chosen] / total / reference
    low, high = np.quantile(skills, [0.025, 0.975])
    return Interval(brier_skill(probability, outcome), float(low), float(high))


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return the bounds of a share of `count` with 90 % certainty (Jeffreys); they touch 0 and 1 where it does."""
    true = share * count
    low, high = (float(special.betaincinv(true + 0.5, count - true + 0.5, at)) for at in (0.05, 0.95))
    return 0.0 if share == 0.0 else low, 1.0 if share == 1.0 else high


def threshold_for(probability: Floats, outcome: Floats, precision_min: float, alarms_min: int) -> float | None:
    """Return the lowest probability from which on at least `precision_min` came true, over `alarms_min` or more."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    share = np.cumsum(outcome[order]) / np.arange(1, order.size + 1)
    last = np.append(ranked[1:] != ranked[:-1], True)
    good = np.flatnonzero((share >= precision_min) & last & (np.arange(1, order.size + 1) >= alarms_min))
    return float(ranked[good[-1]]) if good.size else None
