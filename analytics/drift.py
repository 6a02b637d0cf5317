"""Which series have been drifting as of their last day, and since when. Pure; a few sums a series that drifts nowhere.

A series is judged from the last visit on after which its level had stepped back towards normal: what was mended counts
anew. A drift is found at the end of the first day on which the evidence passes its threshold, and stands as long as the
evidence stays near it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.baseline import Baseline, Floats, baseline
from analytics.ramps import evidence, latest, sums

Ints = NDArray[np.int64]

# What was found stands until the evidence is this far below the threshold: so that it does not come and go.
HOLD = 2.0
# A visit has mended a part where the level before it stood at least so many spreads off, and fell by as many of its
# standard errors within this many days.
_STEP_DAYS, _STEP_SIGMA, _WORN_SIGMA = 10, 3.0, 1.5
_STEP_KNOWN_MIN = 4
_DAYS_MIN = 30
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


class Asked(Struct, frozen=True):
    """How each series is judged (series,).

    `scale_min` and `allowed` (slope a day) in the unit of its values; `more_needed` is added to its threshold. Series
    of one `group` (numbers from 0) are the same readings seen from two sides: what mends one is a new start of both.
    """

    scale_min: Floats
    allowed: Floats
    more_needed: Floats
    group: Ints


def drifts(values: Floats, asked: Asked, visits: Mapping[int, Sequence[int]]) -> list[Drift]:
    """Return which series (series, days; wear makes them rise) drift at the end of their last day.

    `visits` has, by row, the days on which somebody was at the lift.
    """
    normal = baseline(values, asked.scale_min)
    starts = np.zeros(asked.group.max() + 1, dtype=np.int64)
    np.maximum.at(starts, asked.group, _starts(normal, visits))
    starts = starts[asked.group]
    normal = _from_starts(values, asked.scale_min, normal, starts)
    usable = np.flatnonzero(normal.known.sum(axis=1) >= _DAYS_MIN)
    if not len(usable):
        return []
    slope = asked.allowed[usable] / normal.scale[usable]
    now = latest(_rows(normal, usable), slope).score[:, 0] - asked.more_needed[usable]
    near = np.flatnonzero(now > -HOLD)
    if not len(near):
        return []
    rows = usable[near]
    ends = range(_DAYS_MIN + 1, values.shape[1] + 1)
    seen = evidence(sums(_rows(normal, rows)), ends, slope[near])
    found = _found(seen.score - asked.more_needed[rows, None])
    return [
        Drift(
            row=int(row),
            start=int(starts[row]),
            since=max(int(values.shape[1] - seen.lag[place, -1]), int(starts[row])),
            found=int(ends[found[place]] - 1),
            score=float(now[near[place]]),
            centre=float(normal.centre[row]),
            scale=float(normal.scale[row]),
        )
        for place, row in enumerate(rows)
        if found[place] >= 0
    ]


def _rows(series: Baseline, rows: Ints) -> Baseline:
    return Baseline(series.values[rows], series.known[rows], series.centre[rows], series.scale[rows])


def _found(score: Floats) -> Ints:
    """Return at which of the ends the drift that stands at the last one was found; -1 where none does."""
    days = score.shape[1]
    below = np.where(score <= -HOLD, np.arange(days), -1).max(axis=1)  # the last end at which nothing stood
    is_over = (score > 0) & (np.arange(days) > below[:, None])
    return np.where(is_over.any(axis=1), is_over.argmax(axis=1), -1)


def _starts(series: Baseline, visits: Mapping[int, Sequence[int]]) -> Ints:
    """Return, for each series, the day of the last visit that brought its level back; 0 where none did."""
    starts = np.zeros(len(series.values), dtype=np.int64)
    if not visits:
        return starts
    levels = _Levels(series)
    by_days: dict[tuple[int, ...], list[int]] = {}
    for row, days in visits.items():
        by_days.setdefault(tuple(days), []).append(row)
    for days, rows in by_days.items():
        here = np.array(rows)
        for day in sorted(days):
            starts[here] = np.where(levels.stepped_back(here, day), day, starts[here])
    return starts


class _Levels:
    """The mean level of the series around any day; sums by day first, since a day of many series is what is asked."""

    def __init__(self, series: Baseline) -> None:
        self._days = series.values.shape[1]
        value = np.where(series.known, series.values, 0.0)
        self._known, self._sum = _summed(series.known.astype(np.float64)), _summed(value)
        off = np.where(series.known, series.values - (value.sum(1) / np.maximum(series.known.sum(1), 1))[:, None], 0.0)
        with_before = np.einsum("ij,ij->i", off[:, 1:], off[:, :-1])
        phi = np.clip(with_before / np.maximum(np.einsum("ij,ij->i", off, off), _TINY), 0.0, _PHI_MAX)
        self._more = (1 + phi) / (1 - phi)

    def stepped_back(self, rows: Ints, day: int) -> NDArray[np.bool_]:
        """Tell of which series the level after `day` is clearly below that before it, and that before was worn."""
        known_before, before = self._mean(rows, max(day - _STEP_DAYS, 0), day)
        known_after, after = self._mean(rows, min(day + 1, self._days), min(day + 1 + _STEP_DAYS, self._days))
        error = np.sqrt((1 / np.maximum(known_before, 1) + 1 / np.maximum(known_after, 1)) * self._more[rows])
        is_known = (known_before >= _STEP_KNOWN_MIN) & (known_after >= _STEP_KNOWN_MIN)
        return np.asarray(is_known & (before > _WORN_SIGMA) & (before - after > _STEP_SIGMA * error))

    def _mean(self, rows: Ints, first: int, last: int) -> tuple[Floats, Floats]:
        known = self._known[last][rows] - self._known[first][rows]
        return known, (self._sum[last][rows] - self._sum[first][rows]) / np.maximum(known, 1)


def _summed(values: Floats) -> Floats:
    total = np.zeros((values.shape[1] + 1, len(values)))
    np.cumsum(values.T, axis=0, out=total[1:])
    return total


def _from_starts(values: Floats, scale_min: Floats, series: Baseline, starts: Ints) -> Baseline:
    """Return the series with the days before their start forgotten."""
    again = np.flatnonzero(starts > 0)
    if not len(again):
        return series
    kept = np.where(np.arange(values.shape[1]) > starts[again, None], values[again], np.nan)
    anew = baseline(kept, scale_min[again])
    for old, new in zip(
        (series.values, series.known, series.centre, series.scale),
        (anew.values, anew.known, anew.centre, anew.scale),
        strict=True,
    ):
        old[again] = new
    return series
