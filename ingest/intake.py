"""Intake: accept a message or send it to quarantine with a reason. Pure: time and fleet are arguments.

Late messages are accepted and marked (`Message.late`): they count in statistics, but nobody is woken by old news.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct, structs

from ingest import wire
from ingest.clock import to_ms
from ingest.clock_estimate import Sighting
from ingest.faults import CANONICAL, ControllerProfile
from ingest.messages import Body, Fault, FaultReport, Kind, Message, State
from ingest.quarantine import Quarantined, refused
from ingest.wire import Reason, Refusal

# How far a controller's clock may run ahead before its word cannot be placed in time.
FUTURE_MAX = timedelta(minutes=10)
# From when on a message is old news. Brokers and gateways buffer for seconds to minutes in normal life.
LATE_AFTER = timedelta(minutes=10)
# How old a message may be at arrival: a quarter of outage, and room for a clock that was set back to its birth.
AGE_MAX = timedelta(days=92)


class IntakeLimits(Struct, frozen=True, kw_only=True):
    """The bounds in time that intake applies. `age_max_ms` None: any age (a history that is imported)."""

    future_max_ms: int = FUTURE_MAX // timedelta(milliseconds=1)
    late_after_ms: int = LATE_AFTER // timedelta(milliseconds=1)
    age_max_ms: int | None = AGE_MAX // timedelta(milliseconds=1)


class Taken(Struct):
    """What became of one payload.

    `states_cleared`: it only told the broker to forget a retained state. `misplaced`: the instants in it, where one was
    refused: is that clock wrong?
    """

    accepted: list[Message]
    quarantined: list[Quarantined]
    unknown_fields: int = 0
    states_cleared: int = 0
    misplaced: list[Sighting] = msgspec.field(default_factory=list)


class UnknownLift(Struct, frozen=True):
    """What a lookup answers for a lift that the register does not hold."""


UNKNOWN_LIFT = UnknownLift()
ProfileOf = Callable[[str], str | UnknownLift | None]
OffsetOf = Callable[[str, str | None], int | None]
_MISPLACED = frozenset({Reason.FUTURE, Reason.TOO_OLD})


class Intake:
    """Accepts or quarantines payloads; holds the profiles and the limits, no state."""

    def __init__(
        self,
        profiles: Mapping[str, ControllerProfile],
        limits: IntakeLimits | None = None,
        offset_of: OffsetOf | None = None,
    ) -> None:
        """Translate fault codes by `profiles` and judge instants by `limits`.

        `offset_of(lift_id, boot)` tells what is to be added (ms) to a controller's clock that is known to be wrong.
        """
        self._profiles = profiles
        self._offset_of = offset_of
        self._limits = limits or IntakeLimits()
        age_max_ms = self._limits.age_max_ms
        self._plain_age_ms = (
            self._limits.late_after_ms if age_max_ms is None else min(self._limits.late_after_ms, age_max_ms)
        )

    def plain(self, lift_id: str, kind: Kind, payload: bytes, received_ms: int) -> list[Message] | None:
        """Return the messages of a payload in which nothing is out of the ordinary, as almost always; else None.

        Then `take` has to look closer: at what does not fit, at faults (which are translated), at instants that are
        missing, old or ahead. Where this returns messages, `take` would accept the same.
        """
        if kind is Kind.FAULT:
            return None
        decoded = wire.decode_plain(kind, payload)
        if decoded is None:
            return None
        oldest_ms, newest_ms = received_ms - self._plain_age_ms, received_ms + self._limits.future_max_ms
        messages = []
        for body in decoded if isinstance(decoded, list) else (decoded,):
            at_ms = body.at
            if isinstance(at_ms, datetime):
                at_ms = to_ms(at_ms)
            if at_ms is msgspec.UNSET or not oldest_ms <= at_ms <= newest_ms:
                return None
            messages.append(Message(lift_id, kind, at_ms, received_ms, body))
        return messages if 1 <= len(messages) <= wire.OBJECTS_MAX else None

    def take(self, topic: str, payload: bytes, received_ms: int, profile_of: ProfileOf) -> Taken:
        """Return what a payload holds, sorted; `profile_of` tells the profile of a lift or `UNKNOWN_LIFT`."""
        parsed = wire.parse_topic(topic)
        if isinstance(parsed, Reason):
            return Taken([], [Quarantined(topic, None, payload, parsed, "", received_ms)])
        lift_id, kind = parsed
        if not payload and kind is Kind.STATE:  # how MQTT deletes what is retained: says nothing of the lift
            return Taken([], [], states_cleared=1)
        profile = profile_of(lift_id)
        if isinstance(profile, UnknownLift):
            return Taken([], [Quarantined(topic, lift_id, payload, Reason.UNKNOWN_LIFT, "", received_ms)])
        decoded = wire.decode(kind, payload)
        taken = Taken([], [], decoded.unknown_fields)
        refusals = decoded.refusals
        for place, body in enumerate(decoded.bodies):
            judged = self._judge(lift_id, kind, body, received_ms, profile)
            if isinstance(judged, Message):
                taken.accepted.append(judged)
            else:
                refusals.append(Refusal(wire.contents_of(payload, decoded)[place], *judged))
        for refusal in refusals:
            taken.quarantined.append(refused(topic, lift_id, refusal, received_ms))
        if any(item.reason in _MISPLACED for item in taken.quarantined):
            taken.misplaced = [
                Sighting(lift_id, body.boot, measured_ms, received_ms)
                for body in decoded.bodies
                if body.at is not msgspec.UNSET and (measured_ms := _measured_ms(body, received_ms)) is not None
            ]
        return taken

    def _judge(
        self, lift_id: str, kind: Kind, body: Body, received_ms: int, profile: str | None
    ) -> Message | tuple[Reason, str]:
        measured_ms = _measured_ms(body, received_ms)
        if measured_ms is None:
            return Reason.NO_INSTANT, "`at` is missing; only the last will may come without it"
        offset_ms = self._offset_ms(lift_id, body, received_ms - measured_ms)
        misplaced = self._misplaced(received_ms - measured_ms)
        if misplaced is not None:
            if not offset_ms:
                return misplaced
            measured_ms, offset_ms = measured_ms + offset_ms, 0
        if isinstance(body, FaultReport):
            code = self._canonical(body.code, profile)
            if code is None:
                return Reason.UNKNOWN_CODE, f"{body.code}: neither canonical nor in profile {profile or '(none)'}"
            body = _translated(body, code)
        late = received_ms - measured_ms - offset_ms > self._limits.late_after_ms
        return Message(lift_id, kind, measured_ms, received_ms, body, late, offset_ms)

    def _offset_ms(self, lift_id: str, body: Body, age_ms: int) -> int:
        """Return how far the clock is off that a message was measured by; 0 where that cannot be true of this one."""
        if self._offset_of is None or body.at is msgspec.UNSET:
            return 0
        offset_ms = self._offset_of(lift_id, body.boot) or 0
        return offset_ms if self._misplaced(age_ms - offset_ms) is None else 0

    def _misplaced(self, age_ms: int) -> tuple[Reason, str] | None:
        """Return why a message of this age cannot be placed in time; None where it can."""
        if -age_ms > self._limits.future_max_ms:
            return Reason.FUTURE, f"{-age_ms / 1000:.0f} s ahead of our clock"
        if self._limits.age_max_ms is not None and age_ms > self._limits.age_max_ms:
            return Reason.TOO_OLD, f"{age_ms / 86_400_000:.0f} days old"
        return None

    def _canonical(self, code: str, profile: str | None) -> str | None:
        if profile is not None and profile in self._profiles:
            translated = self._profiles[profile].canonical(code)
            if translated is not None:
                return translated
        return code if code in CANONICAL else None


def _measured_ms(body: Body, received_ms: int) -> int | None:
    """Return the controller's instant; the last will has none, and is true from the moment that it arrives."""
    if isinstance(body.at, int):
        return body.at
    if body.at is not msgspec.UNSET:
        return to_ms(body.at)
    return received_ms if isinstance(body, State) and body.connected is False else None


def _translated(report: FaultReport, code: str) -> Fault:
    values = structs.asdict(report)
    controller_code = None if code == report.code else report.code
    return Fault(**{**values, "code": code, "controller_code": controller_code})
