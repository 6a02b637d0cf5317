"""The daily values of a simulated fleet, made straight from the simulator's columns, and the truth about it.

`python -m benchmarks.simulated_fleet --lifts 200 --days 730 --traffic 0.3 --cache fleet200.npz`

The values are those that the service computes from the messages of the same days (`analytics.features.daily_values`),
without the messages. `load_cache` reads them back, block by block.
"""

import argparse
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.daily_series import series_of
from analytics.features import (
    DOWN,
    UP,
    DayReadings,
    DayValues,
    DoorReadings,
    LevelReadings,
    MachineReadings,
    TripReadings,
    daily_values,
    joined_values,
    together,
)
from analytics.series import DailySeries, SeriesKey
from ingest.clock import from_ms, to_ms
from simulator.chance import Floats, Ints
from simulator.cycles import RELEVEL_MM, joined
from simulator.fleet import LiftSpec, make_fleet
from simulator.life import Life
from simulator.lift import LiftDay
from simulator.living import life_of
from simulator.mechanisms import BY_NAME
from simulator.traffic import DAY_MS

UNTIL_MS = to_ms(datetime(2026, 3, 2, tzinfo=UTC))
BLOCK_DAYS = 30
BLOCK_LIFTS = 50
EPOCH = date(1970, 1, 1)


class Failure(Struct, frozen=True, kw_only=True):
    """One failure with its true cause; `precursor_at` None: nothing announced it."""

    lift_id: str
    failed_at: datetime
    cleared_at: datetime
    kind: str
    cause: str
    component: str
    code: str
    floor: int | None
    stops: bool
    precursor_at: datetime | None


class WornPart(Struct, frozen=True, kw_only=True):
    """One part that wore: `began_at` is the first sign, `ended_by` who or what mended it (repair, visit, ...)."""

    lift_id: str
    mechanism: str
    component: str
    floor: int | None
    began_at: datetime
    ended_at: datetime
    ended_by: str


class KnownVisit(Struct, frozen=True, kw_only=True):
    """A visit as the register knows it."""

    lift_id: str
    kind: str
    begun_at: datetime
    done_at: datetime


class TrueEffect(Struct, frozen=True, kw_only=True):
    """What a visit really did to a part: fixed, masked, broke."""

    lift_id: str
    at: datetime
    mechanism: str
    effect: str


class KnownLift(Struct, frozen=True, kw_only=True):
    """What a register knows of a lift."""

    lift_id: str
    site_id: str
    use: str
    maker: str
    model: str
    drive: str
    floors: int
    commissioned_on: date


class FleetTruth(Struct, frozen=True, kw_only=True):
    """What happened to the fleet within the days of its series."""

    lifts: list[KnownLift]
    failures: list[Failure]
    wears: list[WornPart]
    visits: list[KnownVisit]
    effects: list[TrueEffect]


class SimulatedFleet:
    """A cache that was read: the truth at once, the series block by block."""

    def __init__(self, path: Path) -> None:
        """Read the truth and what the blocks are."""
        self._file = np.load(path)
        about = msgspec.json.decode(self._file["about"].tobytes())
        self.first_day = date.fromisoformat(about["first_day"])
        self.days: int = about["days"]
        self.traffic: float = about["traffic"]
        self.block_count: int = about["blocks"]
        self.truth = msgspec.json.decode(self._file["truth"].tobytes(), type=FleetTruth)

    def block(self, number: int) -> DailySeries:
        """Return the series of some lifts, at most `BLOCK_LIFTS`."""
        keys = msgspec.json.decode(
            self._file[f"keys_{number}"].tobytes(), type=list[tuple[str, str, int | None, str | None]]
        )
        values = self._file[f"values_{number}"].astype(np.float64)
        counts = self._file[f"counts_{number}"].astype(np.int32)
        return DailySeries([SeriesKey(*key) for key in keys], self.first_day, values, counts)

    def blocks(self) -> Iterator[DailySeries]:
        """Yield all series, some lifts at a time."""
        return (self.block(number) for number in range(self.block_count))


def load_cache(path: Path) -> SimulatedFleet:
    """Open a cache that `write_cache` wrote."""
    return SimulatedFleet(path)


def readings_of(days: Sequence[LiftDay], life: Life) -> DayReadings:
    """Return what a lift says on some days, in columns, as the service would read it from the messages."""
    made = joined([day.cycles for day in days])
    numbers = np.array([day.start_ms // DAY_MS for day in days])
    day = np.repeat(numbers, [len(each.cycles) for each in days])
    load_pct = made.load_pct.astype(np.float64)
    doors = DoorReadings(
        day=day,
        floor=made.to_floor,
        rear=np.zeros(len(made), dtype=np.bool_),
        opening_ms=made.opening_ms.astype(np.float64),
        closing_ms=made.closing_ms.astype(np.float64),
        dwell_ms=made.dwell_ms.astype(np.float64),
        peak_current_a=made.current_10ma / 100,
        reversals=made.reversals.astype(np.float64),
        # The controller says so when it nudges, and nothing otherwise.
        nudging=np.where(made.nudging, 1.0, 0.0),
    )
    error_mm = made.error_tenth_mm / 10
    levels = LevelReadings(
        day=day,
        floor=made.to_floor,
        direction=np.where(made.to_floor > made.from_floor, UP, DOWN),
        error_mm=error_mm,
        relevelled=(np.abs(error_mm) > RELEVEL_MM).astype(np.float64),
        load_pct=load_pct,
    )
    trips = TripReadings(
        day=day,
        floors=np.abs(made.to_floor - made.from_floor),
        duration_ms=(made.arrive_ms - made.start_ms).astype(np.float64),
        distance_mm=made.distance_mm.astype(np.float64),
        max_speed_mm_s=made.max_speed_mm_s.astype(np.float64),
        load_pct=load_pct,
    )
    machine = _machine(days, numbers)
    first, last = int(numbers[0]), int(numbers[-1])
    return DayReadings(
        doors=doors,
        levels=levels,
        trips=trips,
        machine=machine,
        faults=_faults(life, first, last),
        reboots=Counter(at for ms in life.reboots if first <= (at := ms // DAY_MS) <= last),
    )


def _machine(days: Sequence[LiftDay], numbers: Ints) -> MachineReadings:
    def column(name: str) -> Floats:
        return np.concatenate([getattr(each.machine, name) for each in days]).astype(np.float64)

    day = np.repeat(numbers, [len(each.machine.at_ms) for each in days])
    brake = np.float64(1.0 if days[0].machine.has_brake else np.nan)
    return MachineReadings(
        day=day,
        brake_release_ms=column("brake_release_ms") * brake,
        brake_apply_ms=column("brake_apply_ms") * brake,
        vibration_mg=column("vibration_tenth_mg") / 10,
        motor_c=column("motor_tenth_c") / 10,
        machine_room_c=column("room_tenth_c") / 10,
    )


def _faults(life: Life, first: int, last: int) -> dict[int, dict[str, int]]:
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for period in life.periods:
        day = period.raised_ms // DAY_MS
        if first <= day <= last:
            found[day][period.code] += 1
    return {day: dict(codes) for day, codes in found.items()}


def lift_values(spec: LiftSpec, life: Life, since_ms: int, until_ms: int) -> DayValues:
    """Return the daily values of one lift, made `BLOCK_DAYS` at a time."""
    pieces = []
    for begin_ms in range(since_ms, until_ms, BLOCK_DAYS * DAY_MS):
        end_ms = min(begin_ms + BLOCK_DAYS * DAY_MS, until_ms)
        days = [LiftDay(spec, from_ms(at_ms).date(), (), life) for at_ms in range(begin_ms, end_ms, DAY_MS)]
        pieces.append(daily_values(readings_of(days, life)))
    return joined_values(pieces)


def write_cache(path: Path, fleet: Sequence[LiftSpec], days: int, traffic: float) -> None:
    """Write the series and the truth of a fleet over the last `days` before the fixed end."""
    since_ms = UNTIL_MS - days * DAY_MS
    lives: dict[str, Life] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for start in range(0, len(fleet), BLOCK_LIFTS):
            some, number = fleet[start : start + BLOCK_LIFTS], start // BLOCK_LIFTS
            lives |= {spec.lift_id: life_of(spec, UNTIL_MS) for spec in some}
            for name, array in zip(("keys", "values", "counts"), _block(some, lives, since_ms, days), strict=True):
                _write(file, f"{name}_{number}", array)
            say(f"{start + len(some)} lifts")
        about = {
            "first_day": from_ms(since_ms).date().isoformat(),
            "days": days,
            "traffic": traffic,
            "blocks": -(-len(fleet) // BLOCK_LIFTS),
        }
        _write(file, "about", _bytes(about))
        _write(file, "truth", _bytes(truth_of(fleet, lives, since_ms)))


def _write(file: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array)


def _bytes(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(msgspec.json.encode(value), dtype=np.uint8)


def _block(
    fleet: Sequence[LiftSpec], lives: dict[str, Life], since_ms: int, days: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    lifts = {spec.lift_id: lift_values(spec, lives[spec.lift_id], since_ms, UNTIL_MS) for spec in fleet}
    series = series_of(together(lifts), from_ms(since_ms).date(), days)
    keys = _bytes([(key.lift_id, key.channel, key.floor, key.direction) for key in series.keys])
    return keys, series.values.astype(np.float32), series.counts.astype(np.uint16)


def truth_of(fleet: Sequence[LiftSpec], lives: dict[str, Life], since_ms: int) -> FleetTruth:
    """Return what happened to the lifts since then."""
    pairs = [(spec, lives[spec.lift_id]) for spec in fleet]
    return FleetTruth(
        lifts=[_known(spec) for spec in fleet],
        failures=[each for spec, life in pairs for each in _failures(spec.lift_id, life, since_ms)],
        wears=[each for spec, life in pairs for each in _wears(spec.lift_id, life, since_ms)],
        visits=[each for spec, life in pairs for each in _visits(spec.lift_id, life, since_ms)],
        effects=[each for spec, life in pairs for each in _effects(spec.lift_id, life, since_ms)],
    )


def _known(spec: LiftSpec) -> KnownLift:
    return KnownLift(
        lift_id=spec.lift_id,
        site_id=spec.site_id,
        use=spec.use.value,
        maker=spec.maker,
        model=spec.model,
        drive=spec.drive,
        floors=spec.floors,
        commissioned_on=spec.commissioned_on,
    )


def _failures(lift_id: str, life: Life, since_ms: int) -> Iterator[Failure]:
    for each in life.breakdowns:
        if since_ms <= each.failed_ms < UNTIL_MS:
            yield Failure(
                lift_id=lift_id,
                failed_at=from_ms(each.failed_ms),
                cleared_at=from_ms(each.cleared_ms),
                kind=each.kind,
                cause=each.cause,
                component=each.component,
                code=each.code,
                floor=each.floor,
                stops=each.stops,
                precursor_at=None if each.precursor_ms is None else from_ms(each.precursor_ms),
            )


def _wears(lift_id: str, life: Life, since_ms: int) -> Iterator[WornPart]:
    for wear in life.wears:
        if wear.since_ms < UNTIL_MS and wear.until_ms > since_ms:
            yield WornPart(
                lift_id=lift_id,
                mechanism=wear.mechanism,
                component=BY_NAME[wear.mechanism].component,
                floor=wear.floor,
                began_at=from_ms(wear.since_ms),
                ended_at=from_ms(wear.until_ms),
                ended_by=wear.ended_by,
            )


def _visits(lift_id: str, life: Life, since_ms: int) -> Iterator[KnownVisit]:
    for each in life.presences:
        if since_ms <= each.end_ms < UNTIL_MS:
            yield KnownVisit(
                lift_id=lift_id, kind=each.kind, begun_at=from_ms(each.begin_ms), done_at=from_ms(each.end_ms)
            )


def _effects(lift_id: str, life: Life, since_ms: int) -> Iterator[TrueEffect]:
    for each in life.effects:
        if since_ms <= each.at_ms < UNTIL_MS:
            yield TrueEffect(lift_id=lift_id, at=from_ms(each.at_ms), mechanism=each.mechanism, effect=each.effect)


def main() -> None:
    """Make a cache, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=200)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--traffic", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cache", type=Path, help="where to write it; in the system's folder for temporary files otherwise"
    )
    options = parser.parse_args()
    path = options.cache or Path(tempfile.gettempdir()) / f"liftwatch-fleet{options.lifts}.npz"
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    write_cache(path, make_fleet(options.seed, options.lifts, options.traffic), options.days, options.traffic)
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    size_mb = path.stat().st_size / 2**20
    lift_days = options.lifts * options.days
    print(
        f"{path}: {size_mb:.0f} MiB, {wall_s:.0f} s, CPU {cpu_s:.0f} s, {cpu_s / lift_days * 1e3:.2f} ms a lift and day"
    )


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
