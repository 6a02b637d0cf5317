"""Calls for help from lifts that nobody has registered: their messages wait in quarantine, but somebody must hear them.

Pure. Only what needs a person at once is a call: the alarm button, and the controller's word that people are trapped.
"""

from collections.abc import Sequence

from msgspec import UNSET, Struct

from ingest import wire
from ingest.clock import to_ms
from ingest.faults import ENTRAPMENT
from ingest.intake import LATE_AFTER
from ingest.messages import Alarm, Body, FaultReport
from ingest.quarantine import Quarantined
from ingest.wire import Reason

_LATE_MS = round(LATE_AFTER.total_seconds() * 1000)


class StrangerCall(Struct, frozen=True):
    """What a lift that is not registered has called for, and when that was received (our clock)."""

    lift_id: str
    what: str
    received_ms: int


def calls_of(quarantined: Sequence[Quarantined]) -> list[StrangerCall]:
    """Return the calls for help in what was refused because its lift is not registered; old news is none."""
    return [
        StrangerCall(each.lift_id, what, each.received_ms)
        for each in quarantined
        if each.reason is Reason.UNKNOWN_LIFT and each.lift_id is not None
        for what in _calls_in(each)
    ]


def _calls_in(each: Quarantined) -> list[str]:
    topic = wire.parse_topic(each.topic)
    if isinstance(topic, Reason):
        return []
    bodies = wire.decode(topic[1], each.payload).bodies
    found = [what for body in bodies if _is_live(body, each.received_ms) and (what := _call_of(body)) is not None]
    return list(dict.fromkeys(found))


def _call_of(body: Body) -> str | None:
    if isinstance(body, Alarm) and body.type == "button":
        return "alarm button"
    is_raised = isinstance(body, FaultReport) and body.code == ENTRAPMENT and body.phase == "raised"
    return "entrapment" if is_raised else None


def _is_live(body: Body, received_ms: int) -> bool:
    """Tell whether a word is of now; one without an instant, or of a clock that is ahead, may be."""
    if body.at is UNSET:
        return True
    at_ms = body.at if isinstance(body.at, int) else to_ms(body.at)
    return received_ms - at_ms <= _LATE_MS
