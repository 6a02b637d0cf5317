"""A book of daily values as wide as that of real lifts, filled without any reading: for what it costs to judge it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np
from sqlalchemy import insert

from analytics.daily_series import EPOCH
from analytics.feature_book import FeatureBook, lift_day
from analytics.feature_format import packed
from analytics.features import (
    DOOR_CHANNELS,
    DOOR_RECORD,
    LEVEL_CHANNELS,
    LEVEL_RECORD,
    LIFT_CHANNELS,
    LIFT_RECORD,
    WHOLE_LIFT,
    DayValues,
    Records,
)
from api.composition import Parts
from ingest.clock import to_ms
from ingest.fleet import Lift, Visit, VisitKind
from ingest.messages import Counters, Fault, Kind, Message

UNTIL = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LANDINGS = 12
VISIT_EVERY_DAYS = 14
FAULTS_A_YEAR = 3
_CODES = ("door-closing-fault", "safety-interlock-fault", "drive-and-motor-fault", "controller-fault")
# One pattern of fifty wears at its doors for the last month, one is odd since yesterday; the others are well.
PATTERNS, _WEARS, _IS_ODD = 50, 0, 1
_WEAR_DAYS, _WEAR_MS = 30, 8.0
# The mean of each channel and its spread from day to day; what is counted is rounded by nobody.
_LIKE = {
    "opening_ms": (2_200.0, 15.0),
    "closing_ms": (3_000.0, 20.0),
    "closing_spread_ms": (100.0, 15.0),
    "dwell_ms": (4_800.0, 300.0),
    "peak_current_a": (2.5, 0.02),
    "reversals_per_100": (3.0, 3.0),
    "nudging_per_100": (0.1, 0.1),
    "error_mm": (0.0, 1.0),
    "error_spread_mm": (3.0, 0.5),
    "reboots": (0.0, 0.0),
}
_LIKE_ELSE = (100.0, 5.0)
_T = TypeVar("_T")


def fill(parts: Parts, lifts: int, days: int, until: datetime) -> None:
    """Register lifts of `LANDINGS` landings, with `days` of values each before `until`, their visits and faults."""
    lift_ids = [f"L{number:05d}" for number in range(lifts)]
    parts.register.register((_lift(number, lift_id) for number, lift_id in enumerate(lift_ids)), until)
    random = np.random.Generator(np.random.PCG64(1))
    last = (until.date() - EPOCH).days - 1
    pools = [_values(random, range(last - days + 1, last + 1)) for _ in range(PATTERNS)]
    _make_worn(pools[_WEARS].doors, last)
    pools[_IS_ODD].lift["values"][-2:, LIFT_CHANNELS.index("motor_c")] += 100.0
    rows = [sorted(packed(values).items()) for values in pools]
    book = FeatureBook(parts.engine)
    book.keep({(lift_ids[0], last): rows[0][-1][1]}, [])
    for of_day in range(days):  # as the nights of a service would have filled it
        for some in batched(range(1, lifts), 5_000):
            with parts.engine.begin() as connection:
                picked = [(lift_ids[number], *rows[number % len(rows)][of_day]) for number in some]
                told = [
                    {"lift_id": lift_id, "day": day, "revision": 1, "features": row} for lift_id, day, row in picked
                ]
                connection.execute(insert(lift_day), told)
    _fill_visits(parts, lift_ids, until, days)
    _fill_faults(parts, lift_ids, until)
    _fill_counters(parts, lift_ids, until)


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield the values, some at a time."""
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


def _lift(number: int, lift_id: str) -> Lift:
    return Lift(
        lift_id=lift_id,
        site_id=f"S{number // 4:05d}",
        maker=("Norlift", "Kestrel", "Aurora Elevator")[number // 4 % 3],
        model=f"M{number // 4 % 7}",
        drive=("traction-geared", "traction-gearless", "hydraulic")[number // 4 % 3],
        floors=LANDINGS,
        commissioned_on=date(2010, 1, 1),
        observed_from=date(2024, 1, 1),
        regime="CN-2012",
        certificate_expires_on=date(2030, 1, 1),
    )


def _values(random: np.random.Generator, days: range) -> DayValues:
    floors = [WHOLE_LIFT, *range(1, LANDINGS + 1)]
    doors = _records(DOOR_RECORD, len(days) * len(floors), DOOR_CHANNELS, random)
    doors["day"], doors["floor"] = np.repeat(days, len(floors)), np.tile(floors, len(days))
    levels = _records(LEVEL_RECORD, len(days) * len(floors) * 2, LEVEL_CHANNELS, random)
    levels["day"], levels["floor"] = np.repeat(days, len(floors) * 2), np.tile(np.repeat(floors, 2), len(days))
    levels["direction"] = np.tile((1, 2), len(days) * len(floors))
    lift = _records(LIFT_RECORD, len(days), LIFT_CHANNELS, random)
    lift["day"] = days
    return DayValues(doors, levels, lift, {})


def _records(form: np.dtype[np.void], count: int, channels: tuple[str, ...], random: np.random.Generator) -> Records:
    records = np.zeros(count, dtype=form)
    means, spreads = (np.array([_LIKE.get(name, _LIKE_ELSE)[at] for name in channels]) for at in (0, 1))
    records["values"] = means + spreads * random.standard_normal((count, len(channels)))
    for name in ("count", "counts"):
        if name in (form.names or ()):
            records[name] = 40
    return records


def _make_worn(doors: Records, last: int) -> None:
    worn_days = np.maximum(doors["day"].astype(np.int64) - (last - _WEAR_DAYS), 0)
    doors["values"][:, DOOR_CHANNELS.index("closing_ms")] += _WEAR_MS * worn_days


def _fill_visits(parts: Parts, lift_ids: list[str], until: datetime, days: int) -> None:
    for some in batched(enumerate(lift_ids), 1_000):
        parts.register.add_visits(
            Visit(lift_id=lift_id, kind=VisitKind.MAINTENANCE, done_at=until - timedelta(days=back, hours=number % 9))
            for number, lift_id in some
            for back in range(1 + number % VISIT_EVERY_DAYS, days, VISIT_EVERY_DAYS)
        )


def _fill_faults(parts: Parts, lift_ids: list[str], until: datetime) -> None:
    random = np.random.Generator(np.random.PCG64(2))
    for some in batched(lift_ids, 1_000):
        said: list[Message] = []
        for lift_id in some:
            for back_days in random.uniform(0.1, 365, FAULTS_A_YEAR).tolist():
                at_ms, code = to_ms(until - timedelta(days=back_days)), _CODES[(len(said) // 2) % len(_CODES)]
                for phase, later_ms in (("raised", 0), ("cleared", 3_600_000)):
                    body = Fault(at=at_ms + later_ms, code=code, phase=phase)  # type: ignore[arg-type]
                    said.append(Message(lift_id, Kind.FAULT, at_ms + later_ms, at_ms, body))
        parts.store.write(said)


def _fill_counters(parts: Parts, lift_ids: list[str], until: datetime) -> None:
    """Let each lift say its counters once a week: the parts of one in ten come near what they are good for."""
    for week in range(11):
        at_ms = to_ms(until - timedelta(weeks=week, days=1, hours=12))
        said: list[Message] = []
        for number, lift_id in enumerate(lift_ids):
            cycles = 100_000 + number % 10 * 320_000 - 4_000 * week
            body = Counters(at=at_ms, trips_total=cycles, door_cycles_total=cycles, running_h_total=cycles / 200)
            said.append(Message(lift_id, Kind.COUNTERS, at_ms, at_ms, body))
        parts.store.write(said)
