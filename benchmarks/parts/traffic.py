"""What a fleet says, made fast: payloads of the MQTT contract in the shares of a working day.

Written by hand and not with the service's own codec, so that both cannot agree on the same mistake.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

# Of 1,000 messages. A trip has one door cycle at least and one stop to level; the rest is what a controller says now
# and then. No faults: a lift has some ten a year, which is one message in a hundred thousand.
SHARES = {"door": 420, "trip": 260, "levelling": 220, "state": 60, "machine": 25, "counters": 10, "alarm": 5}
KINDS = (*SHARES, "fault")
_PATTERN = tuple(kind for kind, share in SHARES.items() for _ in range(share))
_VALUES = 997  # a prime: values and kinds do not walk in step


class Publication(NamedTuple):
    """One MQTT message, ready to be sent."""

    topic: str
    payload: bytes


class Traffic:
    """The messages of `lifts` lifts, one lift after the other; each lift numbers its own."""

    def __init__(self, lifts: int, seed: int = 1) -> None:
        """Begin a fleet in the middle of its life."""
        random = Random(seed)
        self.lift_ids = [f"lift-{number:05d}" for number in range(lifts)]
        self._boots = [f"b-{random.getrandbits(128):032x}" for _ in range(lifts)]
        self._seqs = [random.randrange(100_000, 900_000) for _ in range(lifts)]
        self._pattern = random.sample(_PATTERN, len(_PATTERN))
        self._bodies = {kind: [_BODY[kind](random) for _ in range(_VALUES)] for kind in KINDS}
        self._turn = 0

    def single(self, at_ms: int) -> Publication:
        """Return the next message of the next lift: one object, measured at `at_ms`."""
        lift, kind = self._next()
        return self._publication(lift, kind, self._object(lift, kind, at_ms))

    def singles(self, count: int, since_ms: int, until_ms: int) -> Iterator[Publication]:
        """Give `count` messages of one object each, measured evenly from `since_ms` to `until_ms`."""
        for number in range(count):
            yield self.single(since_ms + (until_ms - since_ms) * number // count)

    def arrays(self, count: int, size: int, since_ms: int, until_ms: int) -> Iterator[Publication]:
        """Give `count` messages that are arrays of `size` objects of one kind, a tenth of a second apart."""
        for number in range(count):
            at_ms = since_ms + (until_ms - since_ms) * number // count
            lift, kind = self._next()
            objects = (self._object(lift, kind, at_ms + 100 * place) for place in range(size))
            yield self._publication(lift, kind, f"[{', '.join(objects)}]")

    def everything(self, at_ms: int) -> Iterator[Publication]:
        """Give one message of each kind for each lift, so that a store has met every series."""
        for kind in KINDS:
            for lift in range(len(self.lift_ids)):
                yield self._publication(lift, kind, self._object(lift, kind, at_ms))

    def entrapment(self, lift: int, at_ms: int) -> Publication:
        """Return the raise of an entrapment in one lift."""
        body = f'{self._head(lift, at_ms)}, "code": "entrapment", "phase": "raised", "floor": 3, "passengers": true}}'
        return self._publication(lift, "fault", body)

    def _next(self) -> tuple[int, str]:
        self._turn += 1
        # Whoever comes in the same place of each round would otherwise say the same kind for ever.
        rounds, lift = divmod(self._turn, len(self.lift_ids))
        return lift, self._pattern[(self._turn + rounds) % len(self._pattern)]

    def _object(self, lift: int, kind: str, at_ms: int) -> str:
        bodies = self._bodies[kind]
        return f"{self._head(lift, at_ms)}, {bodies[(self._seqs[lift] + lift) % len(bodies)]}}}"

    def _head(self, lift: int, at_ms: int) -> str:
        self._seqs[lift] += 1
        # Every second controller writes its clock as text, the others as a number.
        at = f'"{rfc3339(at_ms)}"' if lift % 2 else at_ms
        return f'{{"at": {at}, "seq": {self._seqs[lift]}, "boot": "{self._boots[lift]}"'

    def _publication(self, lift: int, kind: str, payload: str) -> Publication:
        return Publication(f"lifts/v1/{self.lift_ids[lift]}/{kind}", payload.encode())


def rfc3339(at_ms: int) -> str:
    """Return an instant as most controllers write it."""
    return f"{datetime.fromtimestamp(at_ms // 1_000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"


def _door(random: Random) -> str:
    return (
        f'"floor": {random.randrange(20)}, "door": "front", "opening_ms": {random.randrange(2_100, 2_500)}, '
        f'"dwell_ms": {random.randrange(3_000, 9_000)}, "closing_ms": {random.randrange(2_400, 2_900)}, '
        f'"reversals": {random.randrange(2)}, "peak_current_a": {random.uniform(2, 4):.2f}, "nudging": false'
    )


def _trip(random: Random) -> str:
    start, end = random.sample(range(20), 2)
    return (
        f'"from_floor": {start}, "to_floor": {end}, "duration_ms": {random.randrange(8_000, 40_000)}, '
        f'"distance_mm": {abs(end - start) * 3_000}, "load_pct": {random.randrange(80)}, "max_speed_mm_s": 1603'
    )


def _levelling(random: Random) -> str:
    return (
        f'"floor": {random.randrange(20)}, "direction": "{random.choice(("up", "down"))}", '
        f'"error_mm": {random.gauss(0, 2.5):.1f}, "relevelled": false, "load_pct": {random.randrange(80)}'
    )


def _state(random: Random) -> str:
    return (
        f'"service_mode": "normal", "moving": false, "direction": "none", "floor": {random.randrange(20)}, '
        '"door": "closed", "in_door_zone": true, "passengers": false, "power": true, "connected": true'
    )


def _machine(random: Random) -> str:
    return (
        f'"machine_room_c": {random.uniform(18, 32):.1f}, "motor_c": {random.uniform(35, 70):.1f}, '
        f'"brake_release_ms": {random.randrange(170, 210)}, "brake_apply_ms": {random.randrange(120, 150)}, '
        f'"vibration_mg": {random.uniform(8, 20):.1f}'
    )


def _counters(random: Random) -> str:
    trips = random.randrange(100_000, 900_000)
    return f'"trips_total": {trips}, "door_cycles_total": {trips + 5_000}, "running_h_total": {trips / 300:.1f}'


def _alarm(_random: Random) -> str:
    return '"type": "test", "voice_ok": true, "battery_ok": true'


def _fault(_random: Random) -> str:
    return '"code": "call-button-stuck", "phase": "cleared", "floor": 1, "in_door_zone": true, "passengers": false'


_BODY: dict[str, Callable[[Random], str]] = {
    "door": _door,
    "trip": _trip,
    "levelling": _levelling,
    "state": _state,
    "machine": _machine,
    "counters": _counters,
    "alarm": _alarm,
    "fault": _fault,
}
