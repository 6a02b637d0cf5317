"""From the daily values of lifts to series side by side, by the whole column. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from analytics.features import (
    DIRECTIONS,
    DOOR_CHANNELS,
    FAULT,
    LEVEL_CHANNELS,
    LIFT_CHANNELS,
    REAR,
    SOURCE_OF,
    SOURCES,
    WHOLE_LIFT,
    DayValues,
    Ints,
    Records,
)
from analytics.series import DailySeries, SeriesKey

EPOCH = date(1970, 1, 1)
# What is counted, not measured: none on a day is a value too.
_COUNTED = np.isin(LIFT_CHANNELS, ("trips", "door_cycles", "reboots"))
_SOURCE_COLUMNS = [SOURCES.index(SOURCE_OF[name]) for name in LIFT_CHANNELS]
# More than any floor of the contract, so that a landing and what else tells a series apart make one number.
_FLOORS = 2**16

Parts = tuple[list[SeriesKey], NDArray[np.float64], NDArray[np.int32]]


def day_number(day: date) -> int:
    """Return a day as records count it: from 1970."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a record."""
    return EPOCH + timedelta(days=int(number))


def series_of(lifts: Mapping[str, DayValues], first_day: date, days: int) -> DailySeries:
    """Return the series of some lifts over `days` from the first, lift by lift; those without a value are left out."""
    lift_ids, first = list(lifts), day_number(first_day)
    parts = [
        _landings(lift_ids, [lifts[name].doors for name in lift_ids], "rear", (first, days)),
        _landings(lift_ids, [lifts[name].levels for name in lift_ids], "direction", (first, days)),
        _whole_lifts(lift_ids, [lifts[name].lift for name in lift_ids], (first, days)),
        _faults(lifts, (first, days)),
    ]
    keys = list(chain(*(part[0] for part in parts)))
    values, counts = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
    number = {lift_id: at for at, lift_id in enumerate(lift_ids)}
    of_lift = np.array([number[key.lift_id] for key in keys], dtype=np.int64)
    order = np.argsort(of_lift, kind="stable")
    order = order[~np.isnan(values).all(axis=1)[order]]
    return DailySeries([keys[at] for at in order], first_day, values[order], counts[order])


def _within(records: Sequence[Records], window: tuple[int, int]) -> tuple[Records, Ints]:
    """Return the records inside a window, and the number of the lift of each."""
    joined = np.concatenate(records) if records else np.zeros(0, dtype=[("day", "<i4")])
    lift = np.repeat(np.arange(len(records)), [len(some) for some in records])
    first, days = window
    inside = (joined["day"] >= first) & (joined["day"] < first + days)
    return joined[inside], lift[inside]


def _landings(lift_ids: Sequence[str], records: Sequence[Records], apart: str, window: tuple[int, int]) -> Parts:
    """Return the series of channels that landings have; `apart` names what else tells two of a landing apart."""
    channels = DOOR_CHANNELS if apart == "rear" else LEVEL_CHANNELS
    rows, lift = _within(records, window)
    if not len(rows):
        return _nothing(window[1])
    floor = rows["floor"].astype(np.int64)
    code = (lift * len(DIRECTIONS) + rows[apart]) * _FLOORS + floor - WHOLE_LIFT
    _, first, of_row = np.unique(code, return_index=True, return_inverse=True)
    values = np.full((len(first), len(channels), window[1]), np.nan)
    counts = np.zeros(values.shape, dtype=np.int32)
    day = rows["day"] - window[0]
    values[of_row, :, day] = rows["values"]
    counts[of_row, :, day] = np.where(np.isnan(rows["values"]), 0, rows["count"][:, None])
    keys: list[SeriesKey] = []
    for number, where, other in zip(lift[first], floor[first], rows[apart][first], strict=True):
        landing = None if where == WHOLE_LIFT else int(where)
        prefix, direction = (REAR * int(other), None) if apart == "rear" else ("", DIRECTIONS[int(other)])
        keys += [SeriesKey(lift_ids[number], prefix + name, landing, direction) for name in channels]
    return keys, values.reshape(-1, window[1]), counts.reshape(-1, window[1])


def _whole_lifts(lift_ids: Sequence[str], records: Sequence[Records], window: tuple[int, int]) -> Parts:
    rows, lift = _within(records, window)
    if not len(rows):
        return _nothing(window[1])
    values = np.full((len(lift_ids), len(LIFT_CHANNELS), window[1]), np.nan)
    counts = np.zeros(values.shape, dtype=np.int32)
    day = rows["day"] - window[0]
    values[lift, :, day] = rows["values"]
    made_of = np.maximum(rows["counts"][:, _SOURCE_COLUMNS], _COUNTED[None, :])
    counts[lift, :, day] = np.where(np.isnan(rows["values"]), 0, made_of)
    keys = [SeriesKey(lift_id, name) for lift_id in lift_ids for name in LIFT_CHANNELS]
    return keys, values.reshape(-1, window[1]), counts.reshape(-1, window[1])


def _faults(lifts: Mapping[str, DayValues], window: tuple[int, int]) -> Parts:
    """Return how often each code came, on every day on which its lift said anything."""
    keys: list[SeriesKey] = []
    rows: list[NDArray[np.float64]] = []
    first, days = window
    for lift_id, values in lifts.items():
        said = values.lift["day"][(values.lift["day"] >= first) & (values.lift["day"] < first + days)] - first
        inside = {day - first: codes for day, codes in values.faults.items() if first <= day < first + days}
        for code in _codes(inside.values()):
            times = np.full(days, np.nan)
            times[said] = 0.0
            for day, codes in inside.items():
                times[day] = codes.get(code, 0)
            keys.append(SeriesKey(lift_id, FAULT + code))
            rows.append(times)
    if not rows:
        return _nothing(days)
    times = np.array(rows)
    return keys, times, np.where(np.isnan(times), 0, np.maximum(times, 1)).astype(np.int32)


def _codes(faults: Iterable[Mapping[str, int]]) -> list[str]:
    return sorted({code for codes in faults for code in codes})


def _nothing(days: int) -> Parts:
    return [], np.zeros((0, days)), np.zeros((0, days), dtype=np.int32)
