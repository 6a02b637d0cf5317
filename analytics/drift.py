"""Which series have been drifting as of their last day, and since when. Pure; a few sums a series that drifts nowhere.

A series is judged from the last visit on after which its level had stepped back towards normal: what was mended counts
anew. A drift is found at the end of the first day on which the evidence passes its threshold, and stands as long as the
evidence stays near it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.baseline import Baseline, Flags, Floats, baseline
from analytics.ramps import evidence, latest, sums
from analytics.wear_rows import DAYS_MIN, WearRows

Ints = NDArray[np.int64]

# What was found stands until the evidence is this far below the threshold: so that it does not come and go.
HOLD = 2.0
# A visit has mended a part where the level before it stood at least so many spreads off, and fell by as many of its
# standard errors within this many days.
_STEP_DAYS, _STEP_SIGMA, _WORN_SIGMA = 10, 3.0, 1.5
_STEP_KNOWN_MIN = 4
# What is still as far off as this share of what it was came only halfway back: until it has been seen for as long as a
# series needs to be judged by itself, it is held against what was normal before.
_LEFT_PART = 0.3
_PHI_MAX, _TINY = 0.8, 1e-9


class Drift(Struct, frozen=True, kw_only=True):
    """One series that drifts; `row` is its place among those asked, the rest are day numbers of the series.

    `found` is the day at whose end it was found, `since` the day on which it began (as well as can be told), `start`
    the first day that counts. `score` is how far the evidence is above the threshold now; `centre` and `scale` are the
    series' own normal level and spread.
    """

    row: int
    start: int
    since: int
    found: int
    score: float
    centre: float
    scale: float


def drifts(rows: WearRows, more_needed: Floats, visits: Mapping[int, Sequence[int]]) -> list[Drift]:
    """Return which rows drift at the end of their last day.

    `more_needed` (rows,) is added to the threshold of each; `visits` has, by the number of the lift, the days on which
    somebody was at it. Rows of one series are the same readings seen from two sides: what mends one is a new start of
    both.
    """
    starts = np.zeros(len(rows.series.keys), dtype=np.int64)
    np.maximum.at(starts, rows.at, _starts(rows.normal, *_visited(rows.lift, visits)))
    starts = starts[rows.at]
    again = np.flatnonzero(starts > 0)
    anew = _since(rows, again, starts[again])
    known, score = rows.normal.known.sum(axis=1), rows.score
    if len(again):
        known[again], score = anew.known.sum(axis=1), score.copy()
        score[again] = latest(anew, rows.season_per_day[again] / anew.scale).score[:, 0]
    score = np.where(known >= DAYS_MIN, score - more_needed, -np.inf)
    near = np.flatnonzero(score > -HOLD)
    if not len(near):
        return []
    normal = _with(rows.normal.of(near), near, anew, again)
    days = rows.values.shape[1]
    ends = range(DAYS_MIN + 1, days + 1)
    seen = evidence(sums(normal), ends, rows.season_per_day[near] / normal.scale)
    found = _found(seen.score - more_needed[near, None])
    return [
        Drift(
            row=int(row),
            start=int(starts[row]),
            since=max(int(days - seen.lag[place, -1]), int(starts[row])),
            found=int(ends[found[place]] - 1),
            score=float(score[row]),
            centre=float(normal.centre[place]),
            scale=float(normal.scale[place]),
        )
        for place, row in enumerate(near)
        if found[place] >= 0
    ]


def _with(normal: Baseline, rows: Ints, anew: Baseline, again: Ints) -> Baseline:
    """Return the series of `rows` (a copy) with those of them that began `again` as they are since then."""
    both, place, since = np.intersect1d(rows, again, assume_unique=True, return_indices=True)
    if len(both):
        for old, new in zip(
            (normal.values, normal.known, normal.centre, normal.scale),
            (anew.values, anew.known, anew.centre, anew.scale),
            strict=True,
        ):
            old[place] = new[since]
    return normal


def _found(score: Floats) -> Ints:
    """Return at which of the ends the drift that stands at the last one was found; -1 where none does."""
    days = score.shape[1]
    below = np.where(score <= -HOLD, np.arange(days), -1).max(axis=1)  # the last end at which nothing stood
    is_over = (score > 0) & (np.arange(days) > below[:, None])
    return np.where(is_over.any(axis=1), is_over.argmax(axis=1), -1)


def _visited(lift: Ints, visits: Mapping[int, Sequence[int]]) -> tuple[Ints, Ints]:
    """Return each row with each day on which somebody was at its lift, side by side; `lift` (rows,) rises."""
    rows, days = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for number, of_lift in visits.items():
        own = np.arange(*np.searchsorted(lift, (number, number + 1)))
        rows.append(np.repeat(own, len(of_lift)))
        days.append(np.tile(np.array(of_lift, dtype=np.int64), len(own)))
    return np.concatenate(rows), np.concatenate(days)


def _starts(series: Baseline, rows: Ints, days: Ints) -> Ints:
    """Return, for each series, the day of the last visit that brought its level back; 0 where none did.

    A visit did where the level before it was worn, and that after it is clearly lower.
    """
    starts = np.zeros(len(series.values), dtype=np.int64)
    length, levels = series.values.shape[1], _Levels(series)
    known_before, before = levels.mean(rows, np.maximum(days - _STEP_DAYS, 0), days)
    was_worn = np.flatnonzero((known_before >= _STEP_KNOWN_MIN) & (before > _WORN_SIGMA))  # few are
    rows, days, known_before, before = rows[was_worn], days[was_worn], known_before[was_worn], before[was_worn]
    last = np.minimum(days + 1 + _STEP_DAYS, length)
    known_after, after = levels.mean(rows, np.minimum(days + 1, length), last)
    apart, row = np.unique(rows, return_inverse=True)
    more = _more_error(series.of(apart))[row]
    error = np.sqrt((1 / np.maximum(known_before, 1) + 1 / np.maximum(known_after, 1)) * more)
    known_since, _ = levels.mean(rows, np.minimum(days + 1, length), np.full(len(days), length))
    is_half = (after > np.maximum(_WORN_SIGMA, _LEFT_PART * before)) & (known_since < DAYS_MIN)
    is_back = (known_after >= _STEP_KNOWN_MIN) & (before - after > _STEP_SIGMA * error) & ~is_half
    np.maximum.at(starts, rows[is_back], days[is_back])
    return starts


class _Levels:
    """The mean level of the series around any day."""

    def __init__(self, series: Baseline) -> None:
        self._known = _summed(series.known)
        self._sum = _summed(np.where(series.known, series.values, 0.0))

    def mean(self, rows: Ints, first: Ints, last: Ints) -> tuple[Floats, Floats]:
        """Return how many days from `first` to before `last` are known, and their mean."""
        known = self._known[rows, last] - self._known[rows, first]
        return known, (self._sum[rows, last] - self._sum[rows, first]) / np.maximum(known, 1)


def _more_error(series: Baseline) -> Floats:
    """Return how much larger the squared error of a mean is than that of days that say nothing of each other."""
    value = np.where(series.known, series.values, 0.0)
    off = np.where(series.known, series.values - (value.sum(1) / np.maximum(series.known.sum(1), 1))[:, None], 0.0)
    with_before = np.einsum("ij,ij->i", off[:, 1:], off[:, :-1])
    phi = np.clip(with_before / np.maximum(np.einsum("ij,ij->i", off, off), _TINY), 0.0, _PHI_MAX)
    return np.asarray((1 + phi) / (1 - phi))


def _summed(values: Floats | Flags) -> Floats:
    total = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def _since(rows: WearRows, again: Ints, starts: Ints) -> Baseline:
    """Return the rows `again` with the days before their start forgotten."""
    values = rows.values[again]
    return baseline(np.where(np.arange(values.shape[1]) > starts[:, None], values, np.nan), rows.scale_min[again])
