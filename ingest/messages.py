"""What a lift can say: the eight kinds of message of the MQTT contract, version 1.

The structs are the contract: a field's name is its JSON key, its unit stands in the name, and its bounds are checked
while it is decoded. The bounds are not tolerances; they are what no working sensor can report (a levelling error of
5 m, a door that takes an hour), so that a value outside them says something about the sender, not about the lift.
"""

import zlib
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, structs

from ingest.clock import from_ms


class Kind(StrEnum):
    """The last level of a topic: what a message is about."""

    DOOR = "door"
    TRIP = "trip"
    LEVELLING = "levelling"
    FAULT = "fault"
    STATE = "state"
    ALARM = "alarm"
    MACHINE = "machine"
    COUNTERS = "counters"


# Slugs of BACnetLiftCarMode, BACnetLiftCarDirection and BACnetDoorStatus (ANSI/ASHRAE 135-2016).
ServiceMode = Literal[
    "unknown",
    "normal",
    "vip",
    "homing",
    "parking",
    "attendant-control",
    "firefighter-control",
    "emergency-power",
    "inspection",
    "cabinet-recall",
    "earthquake-operation",
    "fire-operation",
    "out-of-service",
    "occupant-evacuation",
]
CarDirection = Literal["unknown", "none", "stopped", "up", "down", "up-and-down"]
DoorStatus = Literal[
    "closed",
    "opened",
    "unknown",
    "door-fault",
    "unused",
    "none",
    "closing",
    "opening",
    "safety-locked",
    "limited-opened",
]

Instant = Annotated[datetime, Meta(tz=True)]
# Milliseconds since 1970; beyond 2^53 no JSON number is exact, and no calendar knows the year.
InstantMs = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Floor = Annotated[int, Meta(ge=-20, le=300)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
DoorMs = Annotated[float, Meta(ge=0, le=600_000)]
DwellMs = Annotated[float, Meta(ge=0, le=86_400_000)]
TripMs = Annotated[float, Meta(ge=0, le=3_600_000)]
BrakeMs = Annotated[float, Meta(ge=0, le=60_000)]
Amperes = Annotated[float, Meta(ge=0, le=1_000)]
TripMm = Annotated[float, Meta(ge=0, le=1_000_000)]
LevellingMm = Annotated[float, Meta(ge=-1_000, le=1_000)]
SpeedMmS = Annotated[float, Meta(ge=0, le=25_000)]
Percent = Annotated[float, Meta(ge=0, le=300)]
RoomC = Annotated[float, Meta(ge=-60, le=150)]
MotorC = Annotated[float, Meta(ge=-60, le=400)]
Milligravity = Annotated[float, Meta(ge=0, le=10_000)]
Hours = Annotated[float, Meta(ge=0, le=1_000_000)]
Boot = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]*\Z")]
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]*\Z")]
FaultId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x20-\x7e]*\Z")]
Text = Annotated[str, Meta(max_length=1_000)]


class Body(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What every message carries: the controller's clock, and the number that the lift gave the message."""

    at: Instant | InstantMs | msgspec.UnsetType = UNSET
    seq: Count | None = None
    boot: Boot | None = None


class DoorCycle(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One opening and closing of the car and landing door."""

    floor: Floor
    door: Literal["front", "rear"] = "front"
    opening_ms: DoorMs
    dwell_ms: DwellMs | None = None
    closing_ms: DoorMs
    reversals: Annotated[int, Meta(ge=0, le=1_000)] = 0
    peak_current_a: Amperes | None = None
    nudging: bool | None = None


class Trip(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One movement of the car from landing to landing."""

    from_floor: Floor
    to_floor: Floor
    duration_ms: TripMs
    distance_mm: TripMm | None = None
    load_pct: Percent | None = None
    max_speed_mm_s: SpeedMmS | None = None


class Levelling(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How far from the landing sill the car sill stood after a stop: + when the car is above."""

    floor: Floor
    direction: Literal["up", "down"] | None = None
    error_mm: LevellingMm
    relevelled: bool | None = None
    load_pct: Percent | None = None


class FaultReport(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A fault as the controller says it: a canonical slug or the controller's own code."""

    code: Code
    phase: Literal["raised", "cleared"]
    fault_id: FaultId | None = None
    floor: Floor | None = None
    in_door_zone: bool | None = None
    passengers: bool | None = None
    text: Text | None = None


class Fault(FaultReport, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A fault after intake: `code` is canonical, `controller_code` is what the controller said, where that differs."""

    controller_code: Code | None = None


class State(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How the lift stands now (retained). The last will is `{"connected": false}`, without `at`."""

    service_mode: ServiceMode | None = None
    moving: bool | None = None
    direction: CarDirection | None = None
    floor: Floor | None = None
    door: DoorStatus | None = None
    in_door_zone: bool | None = None
    passengers: bool | None = None
    power: bool | None = None
    connected: bool | None = None


class Alarm(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The alarm equipment of the car (EN 81-28): a press, a filtered press, an answer, the end, or a test call."""

    type: Literal["button", "filtered", "answered", "end", "test"]
    voice_ok: bool | None = None
    battery_ok: bool | None = None


class Machine(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Drive and brake: temperatures, brake times, vibration."""

    machine_room_c: RoomC | None = None
    motor_c: MotorC | None = None
    brake_release_ms: BrakeMs | None = None
    brake_apply_ms: BrakeMs | None = None
    vibration_mg: Milligravity | None = None


class Counters(Body, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the controller has counted since it was commissioned."""

    trips_total: Count | None = None
    door_cycles_total: Count | None = None
    running_h_total: Hours | None = None


WIRE_TYPE: dict[Kind, type[Body]] = {
    Kind.DOOR: DoorCycle,
    Kind.TRIP: Trip,
    Kind.LEVELLING: Levelling,
    Kind.FAULT: FaultReport,
    Kind.STATE: State,
    Kind.ALARM: Alarm,
    Kind.MACHINE: Machine,
    Kind.COUNTERS: Counters,
}
STORED_TYPE: dict[Kind, type[Body]] = {**WIRE_TYPE, Kind.FAULT: Fault}


def as_reported(body: Body) -> Body:
    """Return what the lift said: a fault with the controller's own code, any other body as it is."""
    if not isinstance(body, Fault):
        return body
    values = structs.asdict(body)
    code = values.pop("controller_code") or body.code
    return FaultReport(**{**values, "code": code})


SUB_MS_DIGITS = 1_000_000
# A boot for each of 10,000 lifts, and some that have just started again; a boot has 64 characters at the most.
BOOTS_CACHED = 20_000
_ENCODER = msgspec.json.Encoder()


class Message(Struct, frozen=True, gc=False):
    """One accepted message: whose it is, when it was measured and received, and what it says.

    `offset_ms` is how far the controller's clock was known to be behind (+) or ahead (-) when it came; no store has it.
    """

    lift_id: str
    kind: Kind
    measured_ms: int
    received_ms: int
    body: Body
    late: bool = False
    offset_ms: int = 0

    @property
    def measured_at(self) -> datetime:
        """The controller's clock, aware and in UTC."""
        return from_ms(self.measured_ms)

    @property
    def happened_at(self) -> datetime:
        """The instant that the controller meant, by our clock: `measured_at`, corrected where its clock is wrong."""
        return from_ms(self.measured_ms + self.offset_ms)

    @property
    def received_at(self) -> datetime:
        """Our clock at arrival, aware and in UTC."""
        return from_ms(self.received_ms)

    @property
    def key_ns(self) -> int:
        """The instant in nanoseconds that identifies the message within its lift and kind.

        The digits below a millisecond come from `boot` and `seq` (from the content where there is no `seq`), so that
        two messages of one millisecond stay two and a redelivered one stays one, in every store.
        """
        return self.measured_ms * SUB_MS_DIGITS + tie_break(self.body)


def tie_break(body: Body) -> int:
    """Return 0..999,999: the same for the same message, different for its neighbours of the same millisecond."""
    seq = body.seq
    if seq is None:
        # Without `at`, which may be written in two ways and stands in the key already.
        return zlib.crc32(_ENCODER.encode(structs.replace(body, at=UNSET))) % SUB_MS_DIGITS
    return (boot_digits(body.boot) + seq) % SUB_MS_DIGITS


@lru_cache(maxsize=BOOTS_CACHED)
def boot_digits(boot: str | None) -> int:
    """Return what a boot adds to the digits below a millisecond."""
    return zlib.crc32(boot.encode()) if boot else 0


@cache
def readings_of(kind: Kind) -> dict[str, type[bool | int | float | str]]:
    """Return the readings of a kind in the order of the contract: name and Python type, without `at`, `seq`, `boot`."""
    frame = set(Body.__struct_fields__)
    return {
        field.name: _scalar(field.type)
        for field in msgspec.inspect.type_info(STORED_TYPE[kind]).fields  # type: ignore[attr-defined]
        if field.name not in frame
    }


def _scalar(info: msgspec.inspect.Type) -> type[bool | int | float | str]:
    if isinstance(info, msgspec.inspect.UnionType):
        info = next(kind for kind in info.types if not isinstance(kind, msgspec.inspect.NoneType))
    if isinstance(info, msgspec.inspect.BoolType):
        return bool
    if isinstance(info, msgspec.inspect.IntType):
        return int
    if isinstance(info, msgspec.inspect.FloatType):
        return float
    return str


SERVICE_MODES: tuple[str, ...] = get_args(ServiceMode)
