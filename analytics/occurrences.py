"""The times that a fault came, told from fault messages and from outage logs. Pure.

A fault message is not yet a fault: controllers repeat what is still wrong, brokers deliver twice, and a history may
tell of the same fault as the telemetry. An occurrence is one time that a fault came.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from ingest.faults import CANONICAL, Origin
from ingest.fleet import Outage, OutageKind
from ingest.messages import Fault, Message

# Controllers send an active fault again every few seconds or minutes, and some never send that it is over. What is
# said again within this time of the last word is still the same fault; what is said later came again.
REPEAT_SAME_FAULT = timedelta(minutes=15)
# Two records of one fault (telemetry, and an outage log that cuts instants to whole seconds) differ by less.
_SAME_RECORD = timedelta(seconds=1)
# Faults that controllers get over by themselves: before this time they call nobody, by the rules of `lift-stopped`.
PASSES_WITHIN = timedelta(minutes=20)
PASSING_CODES = frozenset(
    {
        "controller-supply-fault",
        "door-closing-fault",
        "door-opening-fault",
        "drive-temperature-exceeded",
        "position-lost",
        "start-failure",
    }
)
_NO_CODE = "breakdown"
_MESSAGE, _OUTAGE = "message", "outage"


class Occurrence(Struct, frozen=True, kw_only=True):
    """One time that a fault came. `cleared_at` None: not over, or nobody said so.

    `source` is `message` or `outage`; `kind` keeps apart what does not count against the lift. `floor` is where the car
    was, as the lift said first.
    """

    lift_id: str
    code: str
    raised_at: datetime
    cleared_at: datetime | None = None
    fault_id: str | None = None
    source: str
    kind: OutageKind = OutageKind.BREAKDOWN
    floor: int | None = None


def has_passed(item: Occurrence) -> bool:
    """Tell whether a controller got over a fault before anybody was called: a sign, but no breakdown of the lift.

    What a log calls a breakdown is one, however short.
    """
    is_short = item.cleared_at is not None and item.cleared_at - item.raised_at < PASSES_WITHIN
    return is_short and item.code in PASSING_CODES and item.source == _MESSAGE


class _Raised(Struct):
    """An occurrence in the making; `said_at` is the last time that it was said to be raised."""

    lift_id: str
    code: str
    raised_at: datetime
    said_at: datetime
    fault_id: str | None
    cleared_at: datetime | None = None
    floor: int | None = None


def occurrences(messages: Sequence[Message]) -> list[Occurrence]:
    """Return the occurrences in fault messages of any lifts, in any order, ordered by lift, instant and code.

    A raise continues the occurrence of the same lift and code (and `fault_id`, where both tell one) that is still
    raised and was last said at most `REPEAT_SAME_FAULT` before; another `fault_id`, a raise after the clearing and
    a raise after a longer time are new ones.
    """
    by_code: dict[tuple[str, str], list[tuple[datetime, Fault]]] = defaultdict(list)
    for message in messages:
        if isinstance(message.body, Fault):
            by_code[message.lift_id, message.body.code].append((message.measured_at, message.body))
    found: list[_Raised] = []
    for (lift_id, code), said in by_code.items():
        found += _told_apart(lift_id, code, sorted(said, key=_order))
    return sorted((_occurrence_of(raised) for raised in found), key=place)


def _order(said: tuple[datetime, Fault]) -> tuple[datetime, int, bool, str]:
    """Within one millisecond the lift's own number decides, else that a fault is raised before it is cleared."""
    measured_at, fault = said
    return measured_at, -1 if fault.seq is None else fault.seq, fault.phase == "cleared", fault.fault_id or ""


def _told_apart(lift_id: str, code: str, said: list[tuple[datetime, Fault]]) -> list[_Raised]:
    found: list[_Raised] = []
    active: dict[str | None, _Raised] = {}  # by fault_id, the one that was said last at the end
    for at, fault in said:
        if fault.phase == "cleared":
            ended = list(active) if fault.fault_id is None else [fault.fault_id, None]
            for key in ended:
                if key in active:
                    active.pop(key).cleared_at = at
            continue
        same = _continued(active, at, fault.fault_id)
        if same is None:
            same = _Raised(lift_id, code, at, at, fault.fault_id)
            found.append(same)
        same.said_at = at
        same.fault_id = same.fault_id or fault.fault_id
        same.floor = fault.floor if same.floor is None else same.floor
        active[same.fault_id] = same
    return found


def _continued(active: dict[str | None, _Raised], at: datetime, fault_id: str | None) -> _Raised | None:
    """Take out of `active` the occurrence that a raise speaks of, and return it if the raise continues it."""
    meant = [next(reversed(active))] if fault_id is None and active else [fault_id, None]
    for key in meant:
        item = active.pop(key, None)
        if item is not None and at - item.said_at <= REPEAT_SAME_FAULT:
            return item
    return None


def _occurrence_of(raised: _Raised) -> Occurrence:
    return Occurrence(
        lift_id=raised.lift_id,
        code=raised.code,
        raised_at=raised.raised_at,
        cleared_at=raised.cleared_at,
        fault_id=raised.fault_id,
        source=_MESSAGE,
        kind=_kind_by_code(raised.code, OutageKind.BREAKDOWN),
        floor=raised.floor,
    )


def _kind_by_code(code: str, kind: OutageKind) -> OutageKind:
    """A supply that fails is not the lift's fault, whoever wrote it down as a breakdown."""
    known = CANONICAL.get(code)
    is_external = known is not None and known.origin is Origin.EXTERNAL and kind is OutageKind.BREAKDOWN
    return OutageKind.EXTERNAL if is_external else kind


def place(item: Occurrence) -> tuple[str, datetime, str, str]:
    """Return what occurrences are ordered by: lift, instant, code."""
    return item.lift_id, item.raised_at, item.code, item.fault_id or ""


def outage_occurrences(outages: Iterable[Outage]) -> list[Occurrence]:
    """Return one occurrence for each outage (a breakdown without code: `breakdown`), ordered as `occurrences`."""
    found = {
        (item.lift_id, item.raised_at, item.code, item.kind): Occurrence(
            lift_id=item.lift_id,
            code=item.code or _NO_CODE,
            raised_at=item.raised_at,
            cleared_at=item.cleared_at,
            source=_OUTAGE,
            kind=_kind_by_code(item.code or _NO_CODE, item.kind),
        )
        for item in outages
    }
    return sorted(found.values(), key=place)


def joined(from_messages: Iterable[Occurrence], from_outages: Iterable[Occurrence]) -> list[Occurrence]:
    """Return both without saying anything twice: the same lift, code and kind within a second is one occurrence.

    What the lift said stays, with the end that the outage tells where the lift told none.
    """
    kept = list(from_messages)
    at_second: dict[tuple[str, str, OutageKind, int], list[int]] = defaultdict(list)
    for index, item in enumerate(kept):
        at_second[_second_key(item, 0)].append(index)
    for outage in from_outages:
        near = [index for step in (-1, 0, 1) for index in at_second.get(_second_key(outage, step), ())]
        same = [index for index in near if abs(kept[index].raised_at - outage.raised_at) <= _SAME_RECORD]
        if not same:
            kept.append(outage)
        elif kept[same[0]].cleared_at is None:
            kept[same[0]] = structs.replace(kept[same[0]], cleared_at=outage.cleared_at)
    return sorted(kept, key=place)


def _second_key(item: Occurrence, step: int) -> tuple[str, str, OutageKind, int]:
    return item.lift_id, item.code, item.kind, int(item.raised_at.timestamp()) + step
