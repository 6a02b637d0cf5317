"""What a controller reports of itself: a fault, from raised to cleared."""

from msgspec import Struct

ENTRAPMENT = "entrapment"
POWER_CUT = "power-supply-fault"
DOOR_CLOSING = "door-closing-fault"
# The codes that do not keep a lift from serving.
RUNNING = frozenset({"call-button-stuck", "load-measurement-fault", "levelling-out-of-tolerance", "communication-lost"})


class FaultPeriod(Struct, frozen=True, kw_only=True):
    """One fault from raised to cleared. `floor` is where it happens (None: wherever the car then stands)."""

    fault_id: str
    code: str
    stops: bool
    raised_ms: int
    cleared_ms: int
    floor: int | None = None
    in_door_zone: bool = True
    passengers: bool = False
