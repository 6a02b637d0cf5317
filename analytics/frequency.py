"""How strongly days that were rare have become frequent, such as those on which a controller starts again. Pure.

A window says how unlikely so many of its days would be, after so many before it: days come by chance at a rate that is
known only as well as the days before and a prior tell (a negative binomial). Levels and ramps are no use here: most
days have nothing, and a day that has something looks odd.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import special

from analytics.baseline import Floats

Ints = NDArray[np.int64]

WINDOWS_DAYS = (14, 28, 56)
# What is believed of a series before it has said anything: half a day in 60, that is three a year.
_PRIOR_COUNT, _PRIOR_DAYS = 0.5, 60.0
_COUNT_MIN, _KNOWN_BEFORE_MIN = 3, 20
# So that a controller that is well is told once in 20 years or less, be it one that starts again every month
# (`benchmarks/frequent_days.py`).
NEEDED = 8.0
_NEVER = -1e9
# A visit helped where so few of the days after it, at most this many, are as many as chance leaves in one of 20 cases.
_AFTER_DAYS, _HELPED_CHANCE = 28, 0.05
BASELINE_DAYS = 280


class Frequency(Struct, frozen=True):
    """What the days until each end say (ends,): `score` is positive where the evidence is enough, in logarithms.

    `lag` is the length of the window that says most, in days.
    """

    score: Floats
    lag: Ints


def frequency(flags: Floats, ends: Sequence[int]) -> Frequency:
    """Return how much more frequent the days are whose flag is 1 (days,; NaN where nothing is known) of late."""
    known, seen = _summed(np.isfinite(flags)), _summed(flags == 1.0)
    end = np.asarray(ends)
    scores = []
    for window in WINDOWS_DAYS:
        since = np.maximum(end - window, 0)
        begin = np.maximum(since - BASELINE_DAYS, 0)
        days, count = known[end] - known[since], seen[end] - seen[since]
        before, count_before = known[since] - known[begin], seen[since] - seen[begin]
        chance = special.betainc(
            np.maximum(count, 1), _PRIOR_COUNT + count_before, days / np.maximum(days + before + _PRIOR_DAYS, 1)
        )
        with np.errstate(divide="ignore"):
            evidence = -np.log(chance) - NEEDED
        scores.append(np.where((count >= _COUNT_MIN) & (before >= _KNOWN_BEFORE_MIN), evidence, _NEVER))
    of = np.stack(scores)
    best = of.argmax(axis=0)
    return Frequency(of.max(axis=0), np.array(WINDOWS_DAYS)[best])


def rarer_after(flags: Floats, day: int) -> bool:
    """Tell whether the days have become clearly rarer after that one, as after a repair that helped."""
    before, after = flags[max(day - _AFTER_DAYS, 0) : day], flags[day + 1 : day + 1 + _AFTER_DAYS]
    days_before, days_after = np.isfinite(before).sum(), np.isfinite(after).sum()
    count_before, count_after = (before == 1.0).sum(), (after == 1.0).sum()
    if count_before < _COUNT_MIN or not days_after:
        return False
    share = days_after / (days_before + days_after)
    return bool(special.bdtr(count_after, count_before + count_after, share) < _HELPED_CHANCE)


def _summed(flags: NDArray[np.bool_]) -> Ints:
    return np.concatenate([[0], np.cumsum(flags)])
