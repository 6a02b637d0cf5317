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

from analytics.baseline import BASELINE_DAYS, Baseline, Floats, baseline, median_known
from analytics.ramps import evidence, latest, sums
from analytics.series import DailySeries, SeriesKey
from analytics.wear_channels import CAR_DOOR, LANDING_DOOR, REAR_CHANNEL, WEAR_CHANNELS, WearChannel

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
_NOW_MIN, _BEFORE_MIN, _LANDING_COUNT_MIN, _PEERS_MIN = 3, 20, 2, 5
# A change is a level only where it is so many standard errors (of independent days) and more: a lift has many landings.
_CLEAR_ERRORS = 4.0
_LEVEL_MAX, _RAMP_MAX, _RAMP_MIN = 10.0, 30.0, -3.0
# So many series are computed at once: it bounds the memory, 60 MB for two years.
_SERIES_AT_ONCE = 1_000
_EPOCH = date(1970, 1, 1)


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


class _Row(Struct, frozen=True):
    key: SeriesKey
    channel: WearChannel
    at: int
    sign: float
    part: int


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


def wear_signs(series: DailySeries, since: int = 0) -> WearSigns:
    """Return the signs of the lifts of a series, from its day number `since` on: every third day and its end."""
    first, length = (series.first_day - _EPOCH).days, series.values.shape[1]
    ends = np.array(
        [end for end in range(max(since, 1), length + 1) if (first + end) % GRID_DAYS == 0 or end == length]
    )
    lift_ids = tuple(dict.fromkeys(key.lift_id for key in series.keys))
    place = {lift_id: number for number, lift_id in enumerate(lift_ids)}
    values = np.zeros((len(ends), len(lift_ids), len(COLUMNS)), dtype=np.float32)
    values[:, :, len(LEVELS) : -1] = _RAMP_MIN
    rows, best = _rows(series), _Best()
    season = _seasons(series)
    for start in range(0, len(rows), _SERIES_AT_ONCE):
        some = rows[start : start + _SERIES_AT_ONCE]
        levels, ramps, before, now = _signs(_turned(series, some, season), some, ends)
        for number, row in enumerate(some):
            lift = place[row.key.lift_id]
            np.maximum(values[:, lift, row.part], levels[:, number], out=values[:, lift, row.part])
            ramp = values[:, lift, len(LEVELS) + row.part]
            np.maximum(ramp, ramps[:, number], out=ramp)
            was, is_now = (row.sign * float(read[number]) for read in (before, now))
            best.note(row, float(levels[-1, number]), was, is_now)
    _watched(values, series, lift_ids, ends)
    return WearSigns(lift_ids, first + ends, values, best.of_lifts())


class _Best:
    """The clearest sign of each lift and part."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, Sign]] = {}

    def note(self, row: _Row, level: float, before: float, now: float) -> None:
        at = row.key.lift_id, row.part
        if level >= 1.0 and row.channel.leads and level > self._known.get(at, (0.0, None))[0]:
            self._known[at] = level, Sign(PARTS_OF_SIGNS[row.part], row.key, before, now)

    def of_lifts(self) -> dict[str, tuple[Sign, ...]]:
        found: dict[str, tuple[Sign, ...]] = {}
        for (lift_id, _), (_, sign) in sorted(self._known.items(), key=lambda entry: entry[0]):
            found[lift_id] = (*found.get(lift_id, ()), sign)
        return found


def _rows(series: DailySeries) -> list[_Row]:
    rows = []
    for at, key in enumerate(series.keys):
        channel = WEAR_CHANNELS.get(key.channel.removeprefix(REAR_CHANNEL))
        if channel is None or (key.floor is not None and not channel.by_landing):
            continue
        is_landing_door = channel.component == CAR_DOOR and key.floor is not None
        part = PARTS_OF_SIGNS.index(LANDING_DOOR if is_landing_door else channel.component)
        rows += [_Row(key, channel, at, sign, part) for sign in ((1.0, -1.0) if channel.two_sided else (1.0,))]
    return rows


def _seasons(series: DailySeries) -> dict[str, Floats]:
    """Return the middle of the lifts on each day, by the channels that the season moves; it is 0 where they are few."""
    found = {}
    for name, channel in WEAR_CHANNELS.items():
        if not channel.season_per_day:
            continue
        own = [at for at, key in enumerate(series.keys) if key.channel == name]
        middle = np.zeros(series.values.shape[1])
        known = np.isfinite(series.values[own]).sum(axis=0) >= _PEERS_MIN
        if known.any():
            middle[known] = np.nanmedian(series.values[own][:, known], axis=0)
            found[name] = middle
    return found


def _turned(series: DailySeries, rows: Sequence[_Row], season: dict[str, Floats]) -> Floats:
    """Return the series turned so that wear makes them rise."""
    at = np.array([row.at for row in rows])
    values = series.values[at].copy()
    is_landing = np.array([row.key.floor is not None for row in rows])
    values[is_landing[:, None] & (series.counts[at] < _LANDING_COUNT_MIN)] = np.nan
    for number, row in enumerate(rows):
        if row.key.channel in season:
            values[number] -= season[row.key.channel]
    return np.asarray(values * np.array([row.sign for row in rows])[:, None])


def _signs(values: Floats, rows: Sequence[_Row], ends: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Return levels and ramps (days, series), and of the last day the level before and now in the channel's unit."""
    scale_min = np.array([row.channel.scale_min for row in rows])
    normal = baseline(values, scale_min)
    usable = np.isfinite(normal.centre)
    normal = Baseline(
        np.where(usable[:, None], normal.values, 0.0),
        normal.known & usable[:, None],
        np.where(usable, normal.centre, 0.0),
        np.where(usable, normal.scale, 1.0),
    )
    allowed = np.array([row.channel.season_per_day for row in rows]) / normal.scale
    known, total = _summed(normal.known.astype(np.float64)), _summed(np.where(normal.known, normal.values, 0.0))
    is_learnt = known[:, ends] >= BASELINE_DAYS
    now_known, now = _now(values, ends)
    now = np.where(now_known > 0, (now - normal.centre[:, None]) / normal.scale[:, None], 0.0)
    before_known, before = _mean(known, total, ends - _BEFORE_DAYS, ends - _SINCE_DAYS)
    is_known = is_learnt & (now_known >= _NOW_MIN) & (before_known >= _BEFORE_MIN)
    least = np.array([row.channel.least for row in rows])
    error = np.sqrt(1.0 / np.maximum(now_known, 1.0) + 1.0 / np.maximum(before_known, 1.0))
    is_clear = is_known & (now - before > _CLEAR_ERRORS * error)
    level = np.where(is_clear, (now - before) * (normal.scale / least)[:, None], 0.0)
    is_last = ends.tolist() == [values.shape[1]]
    said = latest(normal, allowed) if is_last else evidence(sums(normal), ends.tolist(), allowed)
    ramp = np.where(is_known, said.score, _RAMP_MIN)
    read = [normal.centre + normal.scale * part[:, -1] for part in (before, now)]
    return np.clip(level, 0.0, _LEVEL_MAX).T, np.clip(ramp, _RAMP_MIN, _RAMP_MAX).T, read[0], read[1]


def _now(values: Floats, ends: Ints) -> tuple[Floats, Floats]:
    """Return how many of the last days are known, and their median.

    Of the values as they are: those without odd days follow a repair only slowly.
    """
    at = ends[:, None] - np.arange(1, _NOW_DAYS + 1)
    last = np.where(at >= 0, values[:, np.maximum(at, 0)], np.nan)
    shape = last.shape[:2]
    return np.isfinite(last).sum(axis=2).astype(np.float64), median_known(last.reshape(-1, _NOW_DAYS)).reshape(shape)


def _summed(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _mean(known: Floats, total: Floats, first: Ints, last: Ints) -> tuple[Floats, Floats]:
    first, last = np.maximum(first, 0), np.maximum(last, 0)
    count = known[:, last] - known[:, first]
    return count, (total[:, last] - total[:, first]) / np.maximum(count, 1.0)


def _watched(values: NDArray[np.float32], series: DailySeries, lift_ids: Sequence[str], ends: Ints) -> None:
    """Note on which days a lift has told anything that can wear; without it all its signs are 0."""
    place = {lift_id: number for number, lift_id in enumerate(lift_ids)}
    said = np.zeros((len(lift_ids), series.values.shape[1]), dtype=bool)
    for at, key in enumerate(series.keys):
        if key.channel.removeprefix(REAR_CHANNEL) in WEAR_CHANNELS and key.floor is None:
            said[place[key.lift_id]] |= np.isfinite(series.values[at])
    days = _summed(said.astype(np.float64))
    recent = days[:, ends] - days[:, np.maximum(ends - _NOW_DAYS, 0)]
    is_watched = ((recent >= _NOW_MIN) & (days[:, ends] >= BASELINE_DAYS)).T
    values[~is_watched] = 0.0
    values[:, :, -1] = is_watched
