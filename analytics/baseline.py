"""What is normal for a series of daily values: level and spread, and the values without odd days. Pure numpy."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The median absolute deviation of a normal variable is the 0.6745th part of its standard deviation.
_MAD_TO_SIGMA = 1.4826
BASELINE_DAYS = 60
# A part that wore already when it was first seen spreads over its whole way. Where the halves of the baseline are this
# many spreads apart and the days lie this much closer to a line between them, the spread is that around the line.
_HALVES_APART, _LINE_PART = 0.8, 0.5
# A day this many standard deviations off the running level is odd (0.05 % of normal days are). Alone it says nothing
# and is left out; a second one on the same side is believed, up to this bound.
_ODD_SIGMA = 3.5
# How fast the running level follows; what of a day's distance from it is left on the next day, where that is unknown.
_FOLLOW, _PERSISTS = 0.15, 0.5


class Baseline(Struct, frozen=True):
    """Series in units of their own normal spread around their own normal level.

    `values` (series, days) has no gaps: where `known` is false it holds the running level, which says nothing new.
    `centre` and `scale` (series,) turn them back: `centre + scale * values`. NaN where a series has too few days.
    """

    values: Floats
    known: Flags
    centre: Floats
    scale: Floats

    def of(self, rows: slice | NDArray[np.int64]) -> "Baseline":
        """Return some of the series."""
        return Baseline(self.values[rows], self.known[rows], self.centre[rows], self.scale[rows])


def normal(values: Floats) -> tuple[Floats, Floats]:
    """Return median and scaled median absolute deviation of the first `BASELINE_DAYS` known days of each series."""
    is_known = np.isfinite(values)
    has_all = np.asarray(is_known[:, :BASELINE_DAYS].all(axis=1))
    centre, scale = np.empty(len(values)), np.empty(len(values))
    for rows in (np.flatnonzero(has_all), np.flatnonzero(~has_all)):
        if len(rows):
            first = values[rows, :BASELINE_DAYS] if has_all[rows[0]] else _first_known(values[rows], is_known[rows])
            centre[rows], scale[rows] = _normal(first)
    return centre, scale


def _first_known(values: Floats, is_known: Flags) -> Floats:
    """Return the first `BASELINE_DAYS` known days of series with gaps, NaN where other days are."""
    number = np.cumsum(is_known, axis=1, dtype=np.int32)
    # Of a long history only the columns that count for any of the series are sorted.
    days = max(int(np.searchsorted(number.min(axis=0), BASELINE_DAYS)) + 1, 1)
    return np.where(is_known[:, :days] & (number[:, :days] <= BASELINE_DAYS), values[:, :days], np.nan)


def _normal(first: Floats) -> tuple[Floats, Floats]:
    """Return level and spread of the days of a baseline."""
    centre = median_known(first)
    scale = _MAD_TO_SIGMA * median_known(np.abs(first - centre[:, None]))
    return centre, _around_line(first, scale)


def _around_line(first: Floats, scale: Floats) -> Floats:
    """Return the spreads, of series that moved steadily through their baseline those around a line."""
    is_known = np.isfinite(first)
    is_early = is_known & (np.cumsum(is_known, axis=1, dtype=np.int32) <= BASELINE_DAYS // 2)
    halves = is_early, is_known & ~is_early
    known = [np.count_nonzero(half, axis=1) for half in halves]
    means = [
        np.where(half, first, 0.0).sum(axis=1) / np.maximum(count, 1) for half, count in zip(halves, known, strict=True)
    ]
    is_moving = (np.minimum(*known) > 0) & (np.abs(means[1] - means[0]) > _HALVES_APART * scale)
    rows = np.flatnonzero(is_moving)
    if not len(rows):
        return scale
    day = np.broadcast_to(np.arange(first.shape[1], dtype=np.float64), first[rows].shape)
    places, levels = (
        [median_known(np.where(half[rows], what, np.nan)) for half in halves] for what in (day, first[rows])
    )
    slope = (levels[1] - levels[0]) / (places[1] - places[0])
    off = first[rows] - slope[:, None] * day
    around = _MAD_TO_SIGMA * median_known(np.abs(off - median_known(off)[:, None]))
    spreads = scale.copy()
    spreads[rows] = np.where(around < _LINE_PART * scale[rows], around, scale[rows])
    return spreads


def median_known(values: Floats) -> Floats:
    """Return the median of each row without its NaN; NaN of a row that has nothing else."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    low, high = (
        ordered[rows, np.maximum((count - 1) // 2, 0)],
        ordered[rows, np.minimum(count // 2, values.shape[1] - 1)],
    )
    return np.where(count > 0, (low + high) / 2, np.nan)


def baseline(values: Floats, scale_min: Floats) -> Baseline:
    """Return series (series, days; NaN where a day has no value) against their own normal.

    `scale_min` (series,) is the spread below which differences mean nothing, in the unit of the values: it stands in
    for that of a series which is the same on most days.
    """
    centre, scale = normal(values)
    scale = np.maximum(scale, scale_min)
    scaled = values.T.copy()  # day by day, as they are gone through
    scaled -= centre
    scaled /= scale
    finite = np.isfinite(scaled)
    level, odd, last = (np.zeros(len(values)) for _ in range(3))
    clean, known = np.empty_like(scaled), np.empty(scaled.shape, dtype=np.bool_)
    for day, value in enumerate(scaled):
        off = value - level
        is_far = np.abs(off) > _ODD_SIGMA
        is_believed = finite[day] & ~is_far
        step = np.where(is_believed, off, 0.0)
        far = np.flatnonzero(is_far & finite[day])  # few: most days are like the day before
        side = np.sign(off[far])
        is_second = side == odd[far]
        is_believed[far] = is_second
        step[far] = np.where(is_second, side * _ODD_SIGMA, 0.0)
        odd[finite[day]] = 0.0
        odd[far] = side
        before, last = last, level + step
        doubted = np.flatnonzero(~is_believed)
        last[doubted] = level[doubted] + _PERSISTS * (before[doubted] - level[doubted])
        clean[day], known[day] = last, is_believed
        level = level + _FOLLOW * step
    return Baseline(np.ascontiguousarray(clean.T), np.ascontiguousarray(known.T), centre, scale)
