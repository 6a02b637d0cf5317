"""How worn the parts of each lift looked on past days: what drift says, day by day, for the risk of a breakdown. Pure.

One pass over the series gives every day: a day's signs are sums over the days before it, and their normal level is that
of the first `BASELINE_DAYS` known days, so that no sign knows of anything later. Unlike a finding of drift a sign is no
claim: it has no threshold, and visits do not reset it (a mended part is back at its level before within days).
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.baseline import BASELINE_DAYS, Baseline, Flags, Floats, median_known
from analytics.ramps import evidence, sums
from analytics.series import DailySeries, SeriesKey
from analytics.wear_channels import CAR_DOOR, LANDING_DOOR, REAR_CHANNEL, WEAR_CHANNELS, WearChannel
from analytics.wear_rows import CHANNELS, WearRows, wear_rows

Ints = NDArray[np.int64]

PARTS_OF_SIGNS = (
    CAR_DOOR,
    LANDING_DOOR,
    "levelling",
    "brake",
    "guide-shoes",
    "machine-room",
    "motor",
    "start-circuit",
    "controller-supply",
)
LEVELS = tuple(f"worn_{part}" for part in PARTS_OF_SIGNS)
RAMPS = tuple(f"ramp_{part}" for part in PARTS_OF_SIGNS)
WATCHED = "watched"
COLUMNS = (*LEVELS, *RAMPS, WATCHED)
# Signs are made for every third day and for the last, and serve for a week.
GRID_DAYS, _SERVE_DAYS = 3, 7
# The level of the last days stands against that of the three months that ended some weeks before.
_NOW_DAYS, _SINCE_DAYS, _BEFORE_DAYS = 8, 28, 118
_NOW_MIN, _BEFORE_MIN = 3, 20
# A change is a level only where it is so many standard errors (of independent days) and more: a lift has many landings.
_CLEAR_ERRORS = 4.0
_LEVEL_MAX, _RAMP_MAX, _RAMP_MIN = 10.0, 30.0, -3.0
# So many series are computed at once: it bounds the memory, 60 MB for two years.
_SERIES_AT_ONCE = 1_000
_EPOCH = date(1970, 1, 1)
_LEAST = np.array([channel.least for channel in CHANNELS])
_LEADS = np.array([channel.leads for channel in CHANNELS])
# The part of each channel where it is of the whole lift, and where it is of a landing.
_PARTS = np.array(
    [
        [PARTS_OF_SIGNS.index(part) for part in (channel.component, LANDING_DOOR)]
        if channel.component == CAR_DOOR
        else [PARTS_OF_SIGNS.index(channel.component)] * 2
        for channel in CHANNELS
    ]
)


class Sign(Struct, frozen=True):
    """The series that says most clearly that a part wears: its level before and now, as it is read."""

    part: str
    key: SeriesKey
    before: float
    now: float

    @property
    def channel(self) -> WearChannel:
        """What is known of the channel."""
        return WEAR_CHANNELS[self.key.channel.removeprefix(REAR_CHANNEL)]


class WearSigns(Struct, frozen=True):
    """Signs of some lifts: `values` has the shape (days, lifts, `COLUMNS`), `days` (from 1970, rising) begin days.

    The signs of a day know the days before it. A level is in times of the change that matters, a ramp in logarithms of
    likelihoods above the threshold of a finding; 0 where nothing is known. `leading` is of the last day.
    """

    lift_ids: tuple[str, ...]
    days: Ints
    values: NDArray[np.float32]
    leading: dict[str, tuple[Sign, ...]]

    def at(self, day: float, lift_ids: Sequence[str]) -> Floats:
        """Return the signs (lifts, columns) as of `day`; zeros where none are known of the week before it."""
        found = np.zeros((len(lift_ids), len(COLUMNS)))
        at = int(np.searchsorted(self.days, day, side="right")) - 1
        if at < 0 or day - self.days[at] >= _SERVE_DAYS:
            return found
        place = {lift_id: number for number, lift_id in enumerate(self.lift_ids)}
        rows = np.array([place.get(lift_id, -1) for lift_id in lift_ids], dtype=np.int64)
        found[rows >= 0] = self.values[at, rows[rows >= 0]]
        return found

    @classmethod
    def none(cls) -> "WearSigns":
        """Return the signs of nobody."""
        return cls((), np.empty(0, dtype=np.int64), np.empty((0, 0, len(COLUMNS)), dtype=np.float32), {})

    @property
    def is_any_watched(self) -> bool:
        """Tell whether any lift has told on any of the days what can wear."""
        return bool(self.values[..., -1].any())

    def as_of(self, day: float) -> "WearSigns":
        """Return what was known at `day`."""
        count = int(np.searchsorted(self.days, day, side="right"))
        return WearSigns(self.lift_ids, self.days[:count], self.values[:count], {})


def joined(signs: Sequence[WearSigns]) -> WearSigns:
    """Return the signs of several groups of lifts in one; each has its days, of which the union is taken."""
    days = np.unique(np.concatenate([one.days for one in signs])) if signs else np.empty(0, dtype=np.int64)
    values = np.zeros((len(days), sum(len(one.lift_ids) for one in signs), len(COLUMNS)), dtype=np.float32)
    first = 0
    for one in signs:
        at = np.searchsorted(one.days, days, side="right") - 1
        serves = (at >= 0) & (days - one.days[np.maximum(at, 0)] < _SERVE_DAYS)
        values[serves, first : first + len(one.lift_ids)] = one.values[at[serves]]
        first += len(one.lift_ids)
    lift_ids = tuple(lift_id for one in signs for lift_id in one.lift_ids)
    return WearSigns(lift_ids, days, values, {key: value for one in signs for key, value in one.leading.items()})


def wear_signs(series: DailySeries) -> WearSigns:
    """Return the signs of the lifts of a series: of every third day and of its end."""
    first, length = (series.first_day - _EPOCH).days, series.values.shape[1]
    ends = [end for end in range(1, length + 1) if (first + end) % GRID_DAYS == 0 or end == length]
    return _signs_of(wear_rows(series), np.array(ends))


def latest_signs(rows: WearRows) -> WearSigns:
    """Return the signs of the last day alone; cheap, since no other day's sums are needed."""
    return _signs_of(rows, np.array([rows.values.shape[1]]))


def _signs_of(rows: WearRows, ends: Ints) -> WearSigns:
    lifts, parts = len(rows.lift_ids), len(PARTS_OF_SIGNS)
    values = np.zeros((len(ends), lifts, len(COLUMNS)), dtype=np.float32)
    levels, ramps = values[:, :, :parts], values[:, :, parts : 2 * parts]
    ramps[:] = _RAMP_MIN
    part = _PARTS[rows.channel, rows.is_landing.astype(np.int64)]
    leading: dict[tuple[int, int], tuple[float, Sign]] = {}
    for start in range(0, len(part), _SERIES_AT_ONCE):
        some = slice(start, start + _SERIES_AT_ONCE)
        level, ramp, before, now = _signs(rows, some, ends)
        _raise(levels, rows.lift[some], part[some], level)
        _raise(ramps, rows.lift[some], part[some], ramp)
        for at in np.flatnonzero((level[:, -1] >= 1.0) & _LEADS[rows.channel[some]]).tolist():
            sign, place = rows.sign[start + at], (int(rows.lift[start + at]), int(part[start + at]))
            if level[at, -1] > leading.get(place, (0.0, None))[0]:
                read = (float(sign * each[at]) for each in (before, now))
                leading[place] = float(level[at, -1]), Sign(PARTS_OF_SIGNS[place[1]], rows.key(start + at), *read)
    _watched(values, rows, ends)
    of_lifts: dict[str, tuple[Sign, ...]] = {}
    for (lift, _), (_, sign) in sorted(leading.items(), key=lambda entry: (rows.lift_ids[entry[0][0]], entry[0][1])):
        of_lifts[rows.lift_ids[lift]] = (*of_lifts.get(rows.lift_ids[lift], ()), sign)
    return WearSigns(rows.lift_ids, (rows.series.first_day - _EPOCH).days + ends, values, of_lifts)


def _raise(values: NDArray[np.float32], lift: Ints, part: Ints, said: Floats) -> None:
    """Raise (days, lifts, parts) to what the rows of a part say (rows, days) where that is more."""
    code = lift * len(PARTS_OF_SIGNS) + part
    order = np.argsort(code, kind="stable")
    begin = np.flatnonzero(np.diff(code[order], prepend=-1))
    most = np.maximum.reduceat(said[order], begin, axis=0)
    at = order[begin]
    values[:, lift[at], part[at]] = np.maximum(values[:, lift[at], part[at]], most.T)


def _signs(rows: WearRows, some: slice, ends: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Return levels and ramps (rows, days), and of the last day the level before and now in the channel's unit."""
    normal, values = rows.normal.of(some), rows.values[some]
    (known, _), (before_known, before) = _means(
        normal, (np.zeros_like(ends), ends), (ends - _BEFORE_DAYS, ends - _SINCE_DAYS)
    )
    now_known, now = _now(values, ends)
    now = np.where(now_known > 0, (now - normal.centre[:, None]) / normal.scale[:, None], 0.0)
    is_known = (known >= BASELINE_DAYS) & (now_known >= _NOW_MIN) & (before_known >= _BEFORE_MIN)
    error = np.sqrt(1.0 / np.maximum(now_known, 1.0) + 1.0 / np.maximum(before_known, 1.0))
    is_clear = is_known & (now - before > _CLEAR_ERRORS * error)
    least = _LEAST[rows.channel[some]]
    level = np.where(is_clear, (now - before) * (normal.scale / least)[:, None], 0.0)
    ramp = np.where(is_known, _ramps(rows, some, ends), _RAMP_MIN)
    read = [normal.centre + normal.scale * part[:, -1] for part in (before, now)]
    return np.clip(level, 0.0, _LEVEL_MAX), np.clip(ramp, _RAMP_MIN, _RAMP_MAX), read[0], read[1]


def _ramps(rows: WearRows, some: slice, ends: Ints) -> Floats:
    """Return how far the evidence of a ramp is above its threshold (rows, days)."""
    if ends.tolist() == [rows.values.shape[1]]:
        return rows.score[some, None]
    normal = rows.normal.of(some)
    return evidence(sums(normal), ends.tolist(), rows.season_per_day[some] / normal.scale).score


def _now(values: Floats, ends: Ints) -> tuple[Floats, Floats]:
    """Return how many of the last days are known, and their median.

    Of the values as they are: those without odd days follow a repair only slowly.
    """
    at = ends[:, None] - np.arange(1, _NOW_DAYS + 1)
    last = np.where(at >= 0, values[:, np.maximum(at, 0)], np.nan)
    shape = last.shape[:2]
    return np.isfinite(last).sum(axis=2).astype(np.float64), median_known(last.reshape(-1, _NOW_DAYS)).reshape(shape)


def _means(normal: Baseline, *windows: tuple[Ints, Ints]) -> list[tuple[Floats, Floats]]:
    """Return, for each window (first days, days after the last), how many days are known, and their mean."""
    if len(windows[0][0]) == 1:
        return [_mean(normal, *(max(int(day[0]), 0) for day in window)) for window in windows]
    known, total = _summed(normal.known), _summed(np.where(normal.known, normal.values, 0.0))
    found = []
    for window in windows:
        first, last = (np.maximum(days, 0) for days in window)
        count = known[:, last] - known[:, first]
        found.append((count, (total[:, last] - total[:, first]) / np.maximum(count, 1.0)))
    return found


def _mean(normal: Baseline, first: int, last: int) -> tuple[Floats, Floats]:
    known = normal.known[:, first:last].astype(np.float64)
    count = known.sum(axis=1)
    total = np.einsum("ij,ij->i", normal.values[:, first:last], known)
    return count[:, None], (total / np.maximum(count, 1.0))[:, None]


def _summed(values: Floats | Flags) -> Floats:
    total = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def _watched(values: NDArray[np.float32], rows: WearRows, ends: Ints) -> None:
    """Note on which days a lift has told anything that can wear; without it all its signs are 0."""
    series = rows.series
    lift_ids, lift = series.lifts
    channels, channel = series.channels
    can_wear = np.array([name.removeprefix(REAR_CHANNEL) in WEAR_CHANNELS for name in channels], dtype=np.bool_)
    told = np.flatnonzero(can_wear[channel] & ~series.is_landing)
    said = np.zeros((len(lift_ids), series.values.shape[1]), dtype=bool)
    if len(told):
        told = told[np.argsort(lift[told], kind="stable")]
        begin = np.flatnonzero(np.diff(lift[told], prepend=-1))
        said[lift[told[begin]]] = np.logical_or.reduceat(np.isfinite(series.values[told]), begin, axis=0)
    days = _summed(said)
    recent = days[:, ends] - days[:, np.maximum(ends - _NOW_DAYS, 0)]
    is_watched = ((recent >= _NOW_MIN) & (days[:, ends] >= BASELINE_DAYS)).T
    values[~is_watched] = 0.0
    values[:, :, -1] = is_watched
