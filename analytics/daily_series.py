"""From the daily values of lifts to series side by side, by the whole column. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import chain

import numpy as np
from msgspec import Struct
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
    FleetValues,
    Ints,
    Records,
)
from analytics.series import DailySeries, SeriesKey

EPOCH = date(1970, 1, 1)
# What is counted, not measured: none on a day is a value too.
_COUNTED = np.isin(LIFT_CHANNELS, ("trips", "door_cycles", "reboots"))
_REAR_CHANNELS = tuple(REAR + name for name in DOOR_CHANNELS)
_SOURCE_COLUMNS = [SOURCES.index(SOURCE_OF[name]) for name in LIFT_CHANNELS]
# The floors of the contract, -20 to 300, as small numbers above 0, which is the whole lift.
_FLOORS_BELOW, _FLOORS = 21, 322


class _Part(Struct, frozen=True):
    """Some of the series: their keys, the number of the lift of each, values and counts (things, channels, days).

    The series of a thing, such as a landing, follow each other in the order of its channels.
    """

    keys: list[SeriesKey]
    of_lift: Ints
    values: NDArray[np.floating]
    counts: NDArray[np.int32]


def day_number(day: date) -> int:
    """Return a day as records count it: from 1970."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a record."""
    return EPOCH + timedelta(days=int(number))


def series_of(lifts: FleetValues, first_day: date, days: int) -> DailySeries:
    """Return the series of some lifts over `days` from the first, lift by lift; those without a value are left out."""
    window = (day_number(first_day), days)
    parts = [
        _landings(lifts.lift_ids, *_within(lifts.doors, lifts.of_doors, window), "rear", window),
        _landings(lifts.lift_ids, *_within(lifts.levels, lifts.of_levels, window), "direction", window),
        _whole_lifts(lifts.lift_ids, *_within(lifts.lift, lifts.of_lift, window), window),
        _faults(lifts, window),
    ]
    keys = list(chain.from_iterable(part.keys for part in parts))
    order = np.argsort(np.concatenate([part.of_lift for part in parts]), kind="stable")
    is_told = np.concatenate([(part.counts.max(axis=2) > 0).ravel() for part in parts])
    order = order[is_told[order]]
    place = np.full(len(keys), len(order))  # those left out share a row that is cut off
    place[order] = np.arange(len(order))
    values, counts = np.empty((len(order) + 1, days)), np.empty((len(order) + 1, days), dtype=np.int32)
    begin = 0
    for part in parts:
        places = place[begin : begin + len(part.keys)].reshape(len(part.values), part.values.shape[1])
        values[places], counts[places] = part.values, part.counts
        begin += len(part.keys)
    return DailySeries([keys[at] for at in order.tolist()], first_day, values[:-1], counts[:-1])


def _within(records: Records, of_lift: Ints, window: tuple[int, int]) -> tuple[Records, Ints]:
    """Return the records inside a window, and the number of the lift of each."""
    first, days = window
    inside = (records["day"] >= first) & (records["day"] < first + days)
    return (records, of_lift) if inside.all() else (records[inside], of_lift[inside])


def _landings(lift_ids: Sequence[str], rows: Records, lift: Ints, apart: str, window: tuple[int, int]) -> _Part:
    """Return the series of channels that landings have; `apart` names what else tells two of a landing apart."""
    channels = DOOR_CHANNELS if apart == "rear" else LEVEL_CHANNELS
    if not len(rows):
        return _nothing(window[1])
    floor = rows["floor"].astype(np.int64)
    landing = np.where(floor == WHOLE_LIFT, 0, floor + _FLOORS_BELOW)
    first, of_row = _numbered((lift * len(DIRECTIONS) + rows[apart]) * _FLOORS + landing)
    days, things = window[1], len(first)
    place = of_row * days + (rows["day"] - window[0])
    # Filled day by day as the records are, and turned afterwards: that is what is fast.
    by_day, count = np.full((things * days, len(channels)), np.nan, dtype=np.float32), np.zeros(things * days, np.int32)
    by_day[place], count[place] = rows["values"], rows["count"]
    values = by_day.reshape(things, days, len(channels)).transpose(0, 2, 1)
    counts = np.empty(values.shape, dtype=np.int32)
    np.multiply(count.reshape(things, 1, days), ~np.isnan(values), out=counts)
    floors, others = floor[first].tolist(), rows[apart][first].tolist()
    keys: list[SeriesKey] = []
    for number, at, other in zip(lift[first].tolist(), floors, others, strict=True):
        where = None if at == WHOLE_LIFT else at
        names, direction = (
            ((channels, _REAR_CHANNELS)[other], None) if apart == "rear" else (channels, DIRECTIONS[other])
        )
        keys += [SeriesKey(lift_ids[number], name, where, direction) for name in names]
    return _Part(keys, np.repeat(lift[first], len(channels)), values, counts)


def _numbered(codes: Ints) -> tuple[Ints, Ints]:
    """Return where each code stands last, and the number of the code of each row; the codes are small."""
    last = np.full(int(codes.max()) + 1, -1)
    last[codes] = np.arange(len(codes))
    seen = np.flatnonzero(last >= 0)
    number = np.zeros(len(last), dtype=np.int64)
    number[seen] = np.arange(len(seen))
    return last[seen], number[codes]


def _whole_lifts(lift_ids: Sequence[str], rows: Records, lift: Ints, window: tuple[int, int]) -> _Part:
    values = np.full((len(lift_ids), len(LIFT_CHANNELS), window[1]), np.nan)
    counts = np.zeros(values.shape, dtype=np.int32)
    day = rows["day"] - window[0]
    values[lift, :, day] = rows["values"]
    made_of = np.maximum(rows["counts"][:, _SOURCE_COLUMNS], _COUNTED[None, :])
    counts[lift, :, day] = made_of * ~np.isnan(rows["values"])
    keys = [SeriesKey(lift_id, name) for lift_id in lift_ids for name in LIFT_CHANNELS]
    return _Part(keys, np.repeat(np.arange(len(lift_ids)), len(LIFT_CHANNELS)), values, counts)


def _faults(lifts: FleetValues, window: tuple[int, int]) -> _Part:
    """Return how often each code came, on every day on which its lift said anything."""
    first, days = window
    inside = [(number, day - first, codes) for number, day, codes in lifts.faults if first <= day < first + days]
    place: dict[tuple[int, str], int] = {}
    for number, _, codes in inside:
        for code in codes:
            place.setdefault((number, code), len(place))
    if not place:
        return _nothing(days)
    said = np.full((len(lifts.lift_ids), days), np.nan)
    rows, of_lift = _within(lifts.lift, lifts.of_lift, window)
    said[of_lift, rows["day"] - first] = 0.0
    times = said[[number for number, _ in place]]
    for number, day, codes in inside:
        for code, count in codes.items():
            times[place[number, code], day] = count
    keys = [SeriesKey(lifts.lift_ids[number], FAULT + code) for number, code in place]
    counts = np.where(np.isnan(times), 0, np.maximum(times, 1)).astype(np.int32)
    return _Part(keys, np.array([number for number, _ in place]), times[:, None], counts[:, None])


def _nothing(days: int) -> _Part:
    return _Part([], np.zeros(0, dtype=np.int64), np.zeros((0, 1, days)), np.zeros((0, 1, days), dtype=np.int32))
