"""Drive, brake and machine room through a day, every quarter of an hour. Numbers without a source are assumptions."""

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct

from simulator.chance import BELL_COLUMNS, Floats, Ints, bell, uniforms, whole
from simulator.fleet import HYDRAULIC, LiftSpec
from simulator.mechanisms import BY_NAME
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms, hour_weights
from simulator.wear import Wear

MACHINE_EVERY_MS = 15 * 60_000
_ROWS = DAY_MS // MACHINE_EVERY_MS
_MEAN_C, _SEASON_C, _DAYTIME_C = 22.0, 6.0, 3.0
_BRAKE_RELEASE_MS, _BRAKE_APPLY_MS, _VIBRATION_MG = 180.0, 130.0, 12.0


class MachineRows(Struct, frozen=True):
    """The readings of a day: instants in ms of it, temperatures and vibration in tenths. `has_brake`: not hydraulic."""

    has_brake: bool
    at_ms: Ints
    room_tenth_c: Ints
    motor_tenth_c: Ints
    brake_release_ms: Ints
    brake_apply_ms: Ints
    vibration_tenth_mg: Ints


def machine_rows(spec: LiftSpec, wears: Sequence[Wear], day: date) -> MachineRows:
    """Return the readings of a day: warm in summer and in the afternoon, the motor after busy hours."""
    chances = uniforms(spec.seed, spec.lift_id, "machine", day, rows=_ROWS, columns=5 * BELL_COLUMNS)
    bells = [bell(chances[number : number + BELL_COLUMNS]) for number in range(0, len(chances), BELL_COLUMNS)]
    at_ms = np.arange(_ROWS) * MACHINE_EVERY_MS + int(spec.phase * MACHINE_EVERY_MS)
    worn = {name: _worn(name, wears, at_ms + day_start_ms(day)) for name in _DRIFTS}
    hour = at_ms // HOUR_MS
    daytime = np.array(_DAYTIME)[hour]
    room_c = _MEAN_C + _SEASON_C * _season(day) + _DAYTIME_C * daytime + worn["room_c"] * (1 + 0.25 * daytime)
    room_c = room_c + 0.4 * bells[0]
    motor_c = room_c + 8 + 2.2 * np.array(hour_weights(spec.use, day))[hour] + 0.8 * bells[1]
    release_ms = (_BRAKE_RELEASE_MS + 20 * spec.phase) * (1 + worn["brake_release_part"]) + 4 * bells[2]
    apply_ms = (_BRAKE_APPLY_MS + 15 * spec.phase) * (1 + worn["brake_apply_part"]) + 4 * bells[3]
    vibration_mg = (_VIBRATION_MG + 4 * spec.phase) * (1 + worn["vibration_part"]) + 0.8 * bells[4]
    columns = (room_c * 10, motor_c * 10, release_ms, apply_ms, vibration_mg * 10)
    return MachineRows(spec.drive != HYDRAULIC, at_ms, *(whole(column) for column in columns))


_DRIFTS = ("room_c", "brake_release_part", "brake_apply_part", "vibration_part")
# Coldest at about 2 h, warmest at 14 h, from -1 to 1.
_DAYTIME = tuple(round(-math.cos(2 * math.pi * (hour - 2) / 24), 3) for hour in range(24))


def _season(day: date) -> float:
    return round(-math.cos(2 * math.pi * day.timetuple().tm_yday / 365), 4)


def _worn(name: str, wears: Sequence[Wear], at_ms: Ints) -> Floats | float:
    total: Floats | float = 0.0
    for wear in wears:
        amount = getattr(BY_NAME[wear.mechanism].effects, name)
        if amount:
            total = total + amount * wear.severity(at_ms)
    return total
