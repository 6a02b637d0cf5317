"""Lifts that suddenly behave unlike themselves and unlike their peers, with the readings that say so. Pure numpy.

Drift finds what goes on for weeks; this finds what changed within days, in any channel, and says no more than that: it
is reported, and opens nothing. A day counts where it is far from the lift's own normal of the weeks before and as far
from what the lifts that are built alike did on the same day; two such days of the last three are an anomaly.
"""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analytics.baseline import Floats, median_known
from analytics.daily import Block
from analytics.findings import Finding, FindingKind
from analytics.series import DailySeries

Flags = NDArray[np.bool_]

# The channels that are looked at, the spread below which differences mean nothing (in their unit), and how it is said.
ANOMALY_CHANNELS = {
    "trips": (5.0, "trips a day"),
    "closing_ms": (10.0, "ms to close the door"),
    "opening_ms": (10.0, "ms to open the door"),
    "peak_current_a": (0.02, "A of the door's motor"),
    "reversals_per_100": (2.0, "reversals of 100 cycles"),
    "error_mm": (0.5, "mm off the sill"),
    "start_delay_ms": (20.0, "ms to start"),
    "brake_release_ms": (3.0, "ms to release the brake"),
    "brake_apply_ms": (3.0, "ms to apply the brake"),
    "vibration_mg": (0.5, "mg of vibration"),
    "motor_c": (1.0, "C at the motor"),
    "machine_room_c": (1.0, "C in the machine room"),
}
# Own normal: so many days before the last ones, of which so many have to be known.
_OWN_DAYS, _OWN_KNOWN_MIN = 56, 28
_LAST_DAYS, _ODD_DAYS_MIN = 3, 2
_PEERS_MIN = 5
_WEEK_DAYS = 7
# Spreads from own normal and from peers. `benchmarks/anomaly_limit.py`: on simulated lifts at which nothing happened
# this makes fewer than one false anomaly in 20 lift-years and channel.
DISTANCE = 6.0
_MAD_TO_SIGMA = 1.4826
# As long as this it is told: then what was odd has become what is normal, or drift tells it.
_STANDS_DAYS = 7


class _Odd(Struct, frozen=True):
    """One series on the day on which it was odd: value, own normal, and how many spreads it was off."""

    channel: str
    direction: str | None
    day: int
    value: float
    normal: float
    own: float
    peers: float


def anomaly_judge(block: Block) -> list[Finding]:
    """Return the lifts of a block that behave unlike themselves and unlike the others."""
    return anomaly_findings(block.series, block.as_of)


def anomaly_findings(series: DailySeries, as_of: datetime) -> list[Finding]:
    """Return the lifts that became odd within the last week, as of the end of the last day of the series.

    The lifts of `series` are peers of each other. The same series give the same findings.
    """
    odd_ones: dict[str, list[_Odd]] = defaultdict(list)
    groups: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    channels, channel = series.channels
    is_looked_at = np.array([name in ANOMALY_CHANNELS for name in channels], dtype=np.bool_)
    for number in np.flatnonzero(is_looked_at[channel] & ~series.is_landing).tolist():
        key = series.keys[number]
        groups[key.channel, key.direction].append(number)
    skipped = max(series.values.shape[1] - _OWN_DAYS - _LAST_DAYS - _STANDS_DAYS - 1, 0)
    first_day = series.first_day + timedelta(days=skipped)
    for (name, direction), at in groups.items():
        if len(at) > _PEERS_MIN:
            for row, odd in _odd(series.values[at, skipped:], name, direction):
                odd_ones[series.keys[at[row]].lift_id].append(odd)
    return [_finding(lift_id, odd_ones[lift_id], first_day, as_of) for lift_id in sorted(odd_ones)]


def _odd(values: Floats, channel: str, direction: str | None) -> list[tuple[int, _Odd]]:
    """Return the rows that became odd within the last week (values (series, days)), and how."""
    days, (scale_min, _) = values.shape[1], ANOMALY_CHANNELS[channel]
    first = max(days - _STANDS_DAYS - 1, _OWN_DAYS + _LAST_DAYS)
    if first >= days:
        return []
    values = _without_weekdays(values) if channel == "trips" else values
    own, normal = _own_distances(values[:, first + 1 - _OWN_DAYS - _LAST_DAYS :], scale_min)
    peers = _from_peers(own.reshape(len(own), -1)).reshape(own.shape)
    is_odd = _is_far(own) & _is_far(peers) & (np.sign(own) == np.sign(peers))
    now = is_odd.sum(axis=2) >= _ODD_DAYS_MIN
    is_new = now & ~np.column_stack([np.zeros(len(now), dtype=np.bool_), now[:, :-1]])
    is_new[:, : max(days - _STANDS_DAYS - first, 0)] = False
    found: list[tuple[int, _Odd]] = []
    for place, row in np.argwhere(is_new.T).tolist():
        day, last = first + place, int(np.flatnonzero(is_odd[row, place])[-1])
        value = float(values[row, day + 1 - _LAST_DAYS + last])
        distances = float(own[row, place, last]), float(peers[row, place, last])
        found.append((row, _Odd(channel, direction, day, value, float(normal[row, place]), *distances)))
    return found


def _without_weekdays(values: Floats) -> Floats:
    """Return the values as they would be if all days of the week were alike."""
    normal, alike = median_known(values), values.copy()
    for weekday in range(_WEEK_DAYS):
        alike[:, weekday::_WEEK_DAYS] += (normal - median_known(values[:, weekday::_WEEK_DAYS]))[:, None]
    return alike


def _from_peers(own: Floats) -> Floats:
    """Return how far each lift's distance is from those of the others on the same day, in their spreads.

    What all of them did on a day is the weather, a holiday, the network: not the lift. NaN where they are too few.
    """
    is_enough = np.isfinite(own).sum(axis=0) > _PEERS_MIN
    filled = np.where(is_enough, own, 0.0)
    off = filled - median_known(filled.T)
    spread = _MAD_TO_SIGMA * median_known(np.abs(off).T)
    return np.where(is_enough, off / np.maximum(spread, 1.0), np.nan)


def _is_far(distance: Floats) -> Flags:
    return np.asarray(np.abs(np.nan_to_num(distance)) > DISTANCE)


def _own_distances(values: Floats, scale_min: float) -> tuple[Floats, Floats]:
    """Return how many spreads the days are from the series' own normal before them, and that normal.

    For each day of which enough days before are there: that day and the ones just before it (series, days, last days).
    """
    seen = sliding_window_view(values, _OWN_DAYS + _LAST_DAYS, axis=1)
    before, last = seen[..., :_OWN_DAYS], seen[..., _OWN_DAYS:]
    is_known = np.isfinite(before).sum(axis=2) >= _OWN_KNOWN_MIN
    filled = np.where(is_known[..., None], before, 0.0).reshape(-1, _OWN_DAYS)
    normal = median_known(filled)
    spread = (_MAD_TO_SIGMA * median_known(np.abs(filled - normal[:, None]))).reshape(is_known.shape)
    normal = normal.reshape(is_known.shape)
    distance = (last - normal[..., None]) / np.maximum(spread, scale_min)[..., None]
    return np.where(is_known[..., None], distance, np.nan), normal


def _finding(lift_id: str, odd_ones: list[_Odd], first_day: date, as_of: datetime) -> Finding:
    ordered = sorted(odd_ones, key=lambda odd: (-min(abs(odd.own), abs(odd.peers)), odd.channel, odd.direction or ""))
    first = ordered[0]
    day = min(odd.day for odd in ordered)
    said = "; ".join(_said(odd) for odd in ordered[:4])
    since = first_day + timedelta(days=day - _LAST_DAYS + 1)
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.ANOMALY,
        channel=first.channel,
        as_of=as_of,
        found_at=datetime.combine(first_day + timedelta(days=day + 1), time(), UTC),
        value=first.value,
        limit=first.normal + DISTANCE * (first.value - first.normal) / abs(first.own),
        reason=f"Since about {since} the lift behaves unlike itself and unlike lifts that are built alike: {said} "
        f"(Liftwatch's own rule: two of three days, {DISTANCE:.0f} normal spreads off)",
        evidence=[_evidence(odd, first_day) for odd in ordered],
    )


def _said(odd: _Odd) -> str:
    way = f" going {odd.direction}" if odd.direction else ""
    return f"{odd.value:,.4g} {ANOMALY_CHANNELS[odd.channel][1]}{way}, normal is {odd.normal:,.4g}"


def _evidence(odd: _Odd, first_day: date) -> dict[str, object]:
    return {
        "kind": "anomaly",
        "channel": odd.channel,
        "direction": odd.direction,
        "found_on": (first_day + timedelta(days=odd.day)).isoformat(),
        "value": round(odd.value, 3),
        "normal": round(odd.normal, 3),
        "spreads_from_own_normal": round(odd.own, 1),
        "spreads_from_peers": round(odd.peers, 1),
    }
