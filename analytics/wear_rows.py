"""What can wear of some lifts, series by series, against their own normal: what drift and signs both go by. Pure.

Turned so that wear makes them rise; a channel that may move to either side stands twice. Made once for both, because
most of what they cost is this.
"""

from datetime import date, timedelta
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.baseline import Baseline, Flags, Floats, baseline, median_known
from analytics.ramps import latest
from analytics.series import DailySeries, SeriesKey
from analytics.wear_channels import REAR_CHANNEL, WEAR_CHANNELS, WearChannel

Ints = NDArray[np.int64]

# A slow part wears for half a year; before that a lift's own normal is learnt. Nothing looks at more days.
WINDOW_DAYS = 308
# The first of the days that are looked at moves on in steps, so that what was found keeps its day.
_STEP_DAYS = 28
# A series of fewer days is not judged; a landing's value of fewer readings a day is left out: it says more of the odd
# door cycle than of the door.
DAYS_MIN, _LANDING_COUNT_MIN = 30, 2
# So many lifts of a kind on the same day tell what the season does to all of them; what it is now, the last days do.
_PEERS_MIN, _NOW_DAYS = 5, 14
# So many series are weighed at once: what is computed of them stays near the processor.
_SERIES_AT_ONCE = 1_000
_EPOCH = date(1970, 1, 1)

CHANNELS = tuple(WEAR_CHANNELS.values())
_NUMBERS = {prefix + name: number for number, name in enumerate(WEAR_CHANNELS) for prefix in ("", REAR_CHANNEL)}
_SCALE_MIN = np.array([channel.scale_min for channel in CHANNELS])
_SEASON = np.array([channel.season_per_day for channel in CHANNELS])
_BY_LANDING, _TWO_SIDED = (
    np.array([getattr(channel, name) for channel in CHANNELS]) for name in ("by_landing", "two_sided")
)


class WearRows(Struct, frozen=True, dict=True):
    """The rows that are judged, ordered by lift; all arrays are by row.

    `at` is the place in `series`, `lift` that in `lift_ids` (which has lifts without rows, too), `channel` that in
    `CHANNELS`; `sign` is -1 where a fall is what wears. `values` (rows, days) have neither what the season did until
    today nor landings with too few readings. Of what has no known day `normal` is 0, and nothing is known.
    """

    series: DailySeries
    lift_ids: tuple[str, ...]
    at: Ints
    lift: Ints
    channel: Ints
    sign: Floats
    is_landing: Flags
    values: Floats
    normal: Baseline

    def key(self, row: int) -> SeriesKey:
        """Return which series a row is of."""
        return self.series.keys[int(self.at[row])]

    def channel_of(self, row: int) -> WearChannel:
        """Return what is known of the channel of a row."""
        return CHANNELS[int(self.channel[row])]

    @property
    def scale_min(self) -> Floats:
        """The spread below which differences mean nothing, in the channel's unit."""
        return np.asarray(_SCALE_MIN[self.channel])

    @property
    def season_per_day(self) -> Floats:
        """The slope that the season alone can make, in the channel's unit."""
        return np.asarray(_SEASON[self.channel])

    @cached_property
    def score(self) -> Floats:
        """What the last day says of a ramp, as `ramps.latest` tells it, reckoned from the first day."""
        allowed = self.season_per_day / self.normal.scale
        some = [slice(start, start + _SERIES_AT_ONCE) for start in range(0, len(self.at), _SERIES_AT_ONCE)]
        each = [latest(self.normal.of(rows), allowed[rows]).score[:, 0] for rows in some]
        return np.concatenate(each) if each else np.zeros(0)


def lately(series: DailySeries) -> DailySeries:
    """Return the last days of the series, at most `WINDOW_DAYS`, beginning on one of every so many days."""
    days = series.values.shape[1]
    last = (series.first_day - _EPOCH).days + days
    first = -(-(last - WINDOW_DAYS) // _STEP_DAYS) * _STEP_DAYS
    skipped = max(first - (series.first_day - _EPOCH).days, 0)
    return DailySeries(
        series.keys,
        series.first_day + timedelta(days=skipped),
        series.values[:, skipped:],
        series.counts[:, skipped:],
    )


def wear_rows(series: DailySeries) -> WearRows:
    """Return what can wear of the series; those with too few days are left out."""
    lift_ids, lift = series.lifts
    channels, channel = series.channels
    channel = np.array([_NUMBERS.get(name, -1) for name in channels], dtype=np.int64)[channel]
    is_judged = (channel >= 0) & (_BY_LANDING[channel] | ~series.is_landing)
    is_judged &= np.count_nonzero(np.isfinite(series.values), axis=1) >= DAYS_MIN
    at = np.flatnonzero(is_judged)
    at = at[np.argsort(lift[at], kind="stable")]
    values = series.values[at]
    values[series.is_landing[at, None] & (series.counts[at] < _LANDING_COUNT_MIN)] = np.nan
    _without_season(values, channel[at])
    normal = _cleaned(baseline(values, _SCALE_MIN[channel[at]]))
    # A channel that may move to either side stands once more right behind itself, turned.
    row = np.repeat(np.arange(len(at)), 1 + _TWO_SIDED[channel[at]])
    is_turned = np.diff(row, prepend=-1) == 0
    values, normal, at = values[row], normal.of(row), at[row]
    for each in (values, normal.values, normal.centre):
        each[is_turned] *= -1.0
    sign = np.where(is_turned, -1.0, 1.0)
    return WearRows(series, lift_ids, at, lift[at], channel[at], sign, series.is_landing[at], values, normal)


def _without_season(values: Floats, of_channel: Ints) -> None:
    """Take away how far from today's the middle of the lifts was on each day, of the channels that the season moves."""
    for number in np.flatnonzero(_SEASON).tolist():
        own = np.flatnonzero(of_channel == number)
        if len(own):
            values[own] -= _season(values[own])


def _season(values: Floats) -> Floats:
    """Return how far from today's the middle of the lifts was on each day; 0 where they are too few to tell."""
    is_known = np.isfinite(values).sum(axis=0) >= _PEERS_MIN
    if not is_known.any():
        return np.zeros(values.shape[1])
    middle = np.full(values.shape[1], np.nan)
    middle[is_known] = median_known(values[:, is_known].T)
    return np.where(is_known, middle - np.median(middle[is_known][-_NOW_DAYS:]), 0.0)


def _cleaned(series: Baseline) -> Baseline:
    """Return the series with 0 instead of NaN where nothing of it is known."""
    nothing = np.flatnonzero(~np.isfinite(series.centre))
    if len(nothing):
        series.values[nothing], series.known[nothing] = 0.0, False
        series.centre[nothing], series.scale[nothing] = 0.0, 1.0
    return series
