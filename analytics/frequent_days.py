"""Parts that wear and say so by what happens on more and more days, such as starts of the controller. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

import numpy as np

from analytics.baseline import Floats
from analytics.drift import HOLD, Drift
from analytics.frequency import Frequency, frequency, rarer_after
from analytics.series import DailySeries, SeriesKey
from analytics.wear_channels import WEAR_CHANNELS, WearChannel
from analytics.wear_parts import Hit
from ingest.fleet import Visit

_DAYS_MIN, _NOW_DAYS, _WEEK = 30, 14, 7


def frequent_hits(series: DailySeries, visits: Sequence[Visit]) -> Iterator[Hit]:
    """Yield the channels whose days are counted and have become frequent as of the last day of the series."""
    by_lift: dict[str, set[int]] = defaultdict(set)
    for visit in visits:
        by_lift[visit.lift_id].add((visit.done_at.astimezone(UTC).date() - series.first_day).days)
    names, number = series.channels
    is_counted = np.array([name in WEAR_CHANNELS and WEAR_CHANNELS[name].counted for name in names], dtype=np.bool_)
    for at in np.flatnonzero(is_counted[number]).tolist():
        key = series.keys[at]
        hit = _hit(key, WEAR_CHANNELS[key.channel], series.values[at], by_lift[key.lift_id])
        if hit is not None:
            yield hit


def _hit(key: SeriesKey, channel: WearChannel, values: Floats, visit_days: Iterable[int]) -> Hit | None:
    flags = np.where(np.isfinite(values), np.minimum(values, 1.0), np.nan)
    inside = [day for day in visit_days if 0 <= day < len(flags)]
    flags[inside] = np.nan  # whoever works at a lift switches it off and on
    now = _share(flags[-_NOW_DAYS:])
    if now < channel.least:
        return None
    start = max([day for day in inside if rarer_after(flags, day)], default=0)
    ends = range(start + _DAYS_MIN, len(flags) + 1)
    if not ends:
        return None
    said = frequency(flags[start:], [end - start for end in ends])
    found = _found(said)
    if found is None:
        return None
    since = max(int(len(flags) - said.lag[-1]), start)
    centre = _share(flags[start:since])
    if now - centre < channel.least:
        return None  # a controller that is switched off every night has always been so
    drift = Drift(
        row=0,
        start=start,
        since=since,
        found=ends[found] - 1,
        score=float(said.score[-1]),
        centre=centre,
        scale=channel.scale_min,
    )
    return Hit(
        key=key, channel=channel, sign=1.0, drift=drift, change=now - centre, now=now, values=_by_week(flags, since)
    )


def _found(said: Frequency) -> int | None:
    """Return at which of the ends was found what stands at the last one; None where nothing does."""
    number = np.arange(len(said.score))
    below = np.where(said.score <= -HOLD, number, -1).max()
    over = np.flatnonzero((said.score > 0) & (number > below))
    return int(over[0]) if len(over) else None


def _share(flags: Floats) -> float:
    known = flags[np.isfinite(flags)]
    return float(known.mean()) if len(known) else 0.0


def _by_week(flags: Floats, since: int) -> Floats:
    """Return the share of the days of each week as one value, at its last day: a trend wants values that are apart."""
    by_week = np.full(len(flags), np.nan)
    for end in range(len(flags), since + _WEEK - 1, -_WEEK):
        by_week[end - 1] = _share(flags[end - _WEEK : end])
    return by_week
