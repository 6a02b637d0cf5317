"""What a lift said on some days, read from the telemetry store into columns. Bounded: a few days at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from analytics.daily_series import EPOCH
from analytics.features import (
    DOWN,
    NO_DIRECTION,
    UP,
    DayReadings,
    DoorReadings,
    Floats,
    Ints,
    LevelReadings,
    MachineReadings,
    TripReadings,
)
from analytics.occurrences import occurrences
from ingest.clock import from_ms
from ingest.messages import Kind, Message
from ingest.telemetry_store import PAGE_MAX, TelemetryStore

DAY_MS = 86_400_000
EPOCH_AT = from_ms(0)
# The kinds that daily values are made of.
KINDS = (Kind.DOOR, Kind.LEVELLING, Kind.TRIP, Kind.MACHINE, Kind.FAULT)
_DIRECTIONS = {"up": UP, "down": DOWN, None: NO_DIRECTION}

_Boots = dict[int, set[str]]
_Getters = dict[str, Callable[[Any], Any]]


def readings_of_days(store: TelemetryStore, lift_id: str, first: int, last: int) -> DayReadings | None:
    """Return what a lift said from day `first` to day `last` (numbers from 1970); None where it said nothing.

    Raises:
        StoreUnavailableError: the store cannot answer now.
    """
    boots: _Boots = defaultdict(set)
    columns = {kind: _columns(_pages(store, lift_id, kind, first, last), _FIELDS[kind], boots) for kind in _FIELDS}
    faults = [message for page in _pages(store, lift_id, Kind.FAULT, first, last) for message in page]
    _note_boots(faults, boots)
    if not faults and not any(len(columns[kind]["day"]) for kind in columns):
        return None
    doors, levels = columns[Kind.DOOR], columns[Kind.LEVELLING]
    return DayReadings(
        doors=DoorReadings(floor=_whole(doors.pop("floor")), rear=doors.pop("rear") > 0, **_with_day(doors)),
        levels=LevelReadings(
            floor=_whole(levels.pop("floor")), direction=_whole(levels.pop("direction")), **_with_day(levels)
        ),
        trips=_trips(columns[Kind.TRIP]),
        machine=MachineReadings(**_with_day(columns[Kind.MACHINE])),
        faults=_faults(faults),
        reboots={day: len(names) - 1 for day, names in boots.items() if len(names) > 1},
    )


def _pages(store: TelemetryStore, lift_id: str, kind: Kind, first: int, last: int) -> Iterator[list[Message]]:
    since, until = (EPOCH_AT + timedelta(days=day) for day in (first, last + 1))
    after_ns = None
    while True:
        page = store.messages(lift_id, kind, since, until, limit=PAGE_MAX, after_ns=after_ns)
        if page:
            yield page
        if len(page) < PAGE_MAX:
            return
        after_ns = page[-1].key_ns


def _columns(pages: Iterator[list[Message]], fields: _Getters, boots: _Boots) -> dict[str, Floats]:
    """Return the readings as columns, NaN where a message does not say; only columns stay of each page."""
    pieces: dict[str, list[Floats]] = {name: [] for name in ("day", *fields)}
    for page in pages:
        _note_boots(page, boots)
        pieces["day"].append(np.array([message.measured_ms // DAY_MS for message in page], dtype=np.float64))
        for name, get in fields.items():
            pieces[name].append(np.array([get(message.body) for message in page], dtype=np.float64))
    return {name: np.concatenate(some) if some else np.zeros(0) for name, some in pieces.items()}


def _note_boots(messages: Sequence[Message], boots: _Boots) -> None:
    for message in messages:
        if message.body.boot is not None:
            boots[message.measured_ms // DAY_MS].add(message.body.boot)


def _read(name: str) -> Callable[[Any], Any]:
    """Return what reads a field; numpy makes NaN of None."""
    return lambda body: getattr(body, name)


_FIELDS: dict[Kind, _Getters] = {
    Kind.DOOR: {
        **{name: _read(name) for name in ("floor", "opening_ms", "closing_ms", "dwell_ms", "peak_current_a")},
        "reversals": _read("reversals"),
        "rear": lambda body: body.door == "rear",
        # Controllers say it of the cycles that are nudged, and nothing of the others.
        "nudging": lambda body: body.nudging or False,
    },
    Kind.LEVELLING: {
        **{name: _read(name) for name in ("floor", "error_mm", "relevelled", "load_pct")},
        "direction": lambda body: _DIRECTIONS[body.direction],
    },
    Kind.TRIP: {
        **{name: _read(name) for name in ("duration_ms", "distance_mm", "max_speed_mm_s", "load_pct")},
        "floors": lambda body: abs(body.to_floor - body.from_floor),
    },
    Kind.MACHINE: {
        name: _read(name)
        for name in ("brake_release_ms", "brake_apply_ms", "vibration_mg", "motor_c", "machine_room_c")
    },
}


def _trips(columns: dict[str, Floats]) -> TripReadings:
    return TripReadings(floors=_whole(columns.pop("floors")), **_with_day(columns))


def _with_day(columns: dict[str, Floats]) -> dict[str, Any]:
    return {**columns, "day": _whole(columns["day"])}


def _whole(column: Floats) -> Ints:
    return column.astype(np.int64)


def _faults(messages: Sequence[Message]) -> dict[int, dict[str, int]]:
    """Return how often each fault came, not how often it was said, by the day on which it came."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for item in occurrences(messages):
        found[(item.raised_at.date() - EPOCH).days][item.code] += 1
    return {day: dict(codes) for day, codes in found.items()}
