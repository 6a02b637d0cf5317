"""Make the table in `analytics/thresholds.py`: how much evidence of a ramp keeps the budget of false findings.

`python -m benchmarks.drift_thresholds` simulates lifts that are well (autocorrelation 0.5, 2 % odd days) and searches
the thresholds at which, on each day of watching alike, one in 7,300 raises a finding. The same seed makes the same
table.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from analytics import ramps
from analytics.baseline import BASELINE_DAYS, Floats, baseline
from analytics.thresholds import DAYS_KNOWN, THRESHOLDS
from benchmarks.parts.noise import Noise, noisy

BUDGET_DAYS = 7_300.0
KNOTS = (30, 40, 50, 60, 80, 100, 130, 160, 200, 240, 280)
_CHUNK = 500


def scores(values: Floats, first_end: int) -> tuple[Floats, Floats]:
    """Return evidence without threshold, and known days, of all windows that end from `first_end` on."""
    series = baseline(values, np.full(len(values), 1e-9))
    ends = range(first_end, values.shape[1] + 1)
    total = ramps.sums(series)
    found = ramps.evidence(total, ends, np.zeros(len(values)))
    last = np.array(ends)
    known = total.of["w"][:, last] - total.of["w"][:, np.maximum(last - ramps.WINDOW_DAYS, 0)]
    limit = np.interp(known, DAYS_KNOWN, THRESHOLDS)
    return found.score + limit, known


def rate(score: Floats, limit: Floats) -> float:
    """Return alarms a day of watching; a series is watched until its first alarm."""
    is_over = score > limit
    rang = is_over.any(axis=1)
    watched = np.where(rang, is_over.argmax(axis=1) + 1, score.shape[1])
    return float(rang.sum() / watched.sum())


def is_near(known: Floats, knot: int) -> NDArray[np.bool_]:
    """Tell where the number of known days is nearer to this knot than to the others."""
    low = (KNOTS[knot - 1] + KNOTS[knot]) / 2 if knot else 0.0
    high = (KNOTS[knot] + KNOTS[knot + 1]) / 2 if knot + 1 < len(KNOTS) else np.inf
    return np.asarray((known >= low) & (known < high))


def limits_of(groups: list[Floats], share: float) -> Floats:
    """Return the score of each knot that this share lies above; half of it in young series, where all ages are new."""
    shares = [share if knot >= BASELINE_DAYS else share / 2 for knot in KNOTS]
    return np.array([np.quantile(group, 1 - part) for group, part in zip(groups, shares, strict=True)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=64_000)
    parser.add_argument("--days", type=int, default=560)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    parts = [scores(noisy(rng, Noise(), _CHUNK, options.days), KNOTS[0]) for _ in range(options.series // _CHUNK)]
    score, known = (np.concatenate(each) for each in zip(*parts, strict=True))
    # At each number of known days the same share of the series lies above its threshold; which, is searched.
    groups = [score[is_near(known, knot)] for knot in range(len(KNOTS))]
    watched = slice(BASELINE_DAYS + 1 - KNOTS[0], None)  # that is where the budget begins
    low, high = 1e-6, 1e-2
    for _ in range(30):
        share = float(np.sqrt(low * high))
        limits = limits_of(groups, share)
        is_too_often = rate(score[:, watched], np.interp(known[:, watched], KNOTS, limits)) > 1 / BUDGET_DAYS
        low, high = (low, share) if is_too_often else (share, high)
    print("DAYS_KNOWN =", tuple(float(knot) for knot in KNOTS))
    print("THRESHOLDS =", tuple(round(float(limit), 2) for limit in limits))
    years = options.series * (options.days - BASELINE_DAYS) / 365
    print(f"# {years:.0f} lift-years, seed {options.seed}, share above {low:.2e}")


if __name__ == "__main__":
    main()
