"""What a trial must come to, and what it came to. Pure: what was said and what was found are arguments."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.chaos.content import REPEATED, RINGING, Said

# Alerts that are about how a lift reports, not about what it said: they may be there, open at most once.
# A trial says in seconds what a fleet says in days, so that it may be called a flood of alerts as well.
REPORTING_KINDS = frozenset({"alert-flood", "clock-wrong", "flooding", "messages-missing"})
# Alerts that are about the service: they may be there, but not open when all is well.
SERVICE_KINDS = frozenset({"broker-away", "store-away", "spool-full"})
_DEFAULTS = {"door": "front", "reversals": 0}
_FRAME = ("at", "seq", "boot")
_SHOWN_MAX = 5

# What makes a message the same one: lift, kind, boot and seq; without a number: lift, kind and all that it says.
Key = tuple[Any, ...]
# How many alerts at least and at most, and how many of them may be open at the end.
Expected = tuple[int, int, tuple[int, ...]]


@dataclass(frozen=True)
class Row:
    """One stored message as the telemetry store gives it back."""

    lift_id: str
    kind: str
    boot: str | None
    seq: int | None
    at: int
    readings: dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """One row of the quarantine."""

    topic: str
    payload: bytes


@dataclass
class Found:
    """Everything that a service holds after a trial."""

    rows: list[Row] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    ledgers: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Verdict:
    """What went wrong, in words; empty lists are what a trial is for. `lost_by_broker` is counted apart."""

    messages: int = 0
    lost: list[str] = field(default_factory=list)
    lost_by_broker: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)
    service: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.faults()

    def faults(self) -> list[str]:
        """Return what is wrong, the first few of each sort."""
        sorts = {name: found for name, found in vars(self).items() if name not in ("messages", "lost_by_broker")}
        return [
            f"{name}: {len(found)}: {'; '.join(found[:_SHOWN_MAX])}" for name, found in sorted(sorts.items()) if found
        ]


def key_of_said(said: Said) -> Key:
    """Return what tells a message that was said from every other."""
    if said.number is not None:
        return (said.lift_id, said.kind, *said.number)
    readings = {name: value for name, value in said.fields.items() if name not in _FRAME}
    at = None if said.fate == "will" else said.fields["at"]
    return (said.lift_id, said.kind, at, _frozen(readings))


def key_of_row(row: Row) -> Key:
    """Return the same for a message that was stored."""
    if row.seq is not None:
        return (row.lift_id, row.kind, row.boot, row.seq)
    is_will = row.kind == "state" and row.readings.get("connected") is False
    return (row.lift_id, row.kind, None if is_will else row.at, _frozen(row.readings))


def key_of_kept(kept: Kept) -> Key:
    """Return the same for a quarantined object; topic and bytes where it has no number."""
    lift_id, _, kind = kept.topic.removeprefix("lifts/v1/").partition("/")
    try:
        content = json.loads(kept.payload)
    except ValueError:
        content = None
    if isinstance(content, dict) and "seq" in content:
        return (lift_id, kind, content.get("boot"), content["seq"])
    return (kept.topic, kept.payload)


def judge_messages(
    verdict: Verdict, said: Iterable[Said], noise: Iterable[Kept], found: Found, excused: Collection[Key] = ()
) -> set[Key]:
    """Hold what is kept against what was said and acknowledged; return the keys of what is there.

    `excused` are messages that the broker lost by itself: where they are missing, that is counted apart.
    """
    stored = Counter(key_of_row(row) for row in found.rows)
    kept = Counter(key_of_kept(row) for row in found.kept)
    expected = {key_of_said(each): each for each in said}
    garbage = {(each.topic, each.payload): each for each in noise}
    for key, each in expected.items():
        _judge_one(verdict, key, each, stored[key], kept[key], is_excused=key in excused)
    for key in garbage:
        _judge_count(verdict, key, kept[key], is_excused=key in excused)
    verdict.strange += [f"in the store: {key}" for key in stored if key not in expected]
    verdict.strange += [f"in quarantine: {key}" for key in kept if key not in expected and key not in garbage]
    verdict.strange += [words for row in found.rows for words in _altered(row, expected.get(key_of_row(row)))]
    verdict.messages = len(expected) + len(garbage)
    return {key for key in (*expected, *garbage) if stored[key] or kept[key]}


def judge_alerts(
    verdict: Verdict, present: Iterable[Said], found: Found, *, is_ordered: bool, returning: Collection[str] = ()
) -> None:
    """Hold alerts and orders against the words of those messages that are there.

    In an ordered stream each raise that finds its condition at rest rings once. Where messages may overtake each other
    a clear may come before its raise, which then never rings: the count may be lower, never higher, and what stands
    at the end must be open. `returning` are lifts that have time to come back after the service was away.
    """
    expected = _expected_alerts(present, returning, is_ordered=is_ordered)
    alerts: dict[tuple[str, str, str | None], list[dict[str, Any]]] = {}
    for alert in found.alerts:
        alerts.setdefault((alert["lift_id"], alert["kind"], alert["code"]), []).append(alert)
    for key, calls in expected.items():
        rung = alerts.pop(key, [])
        open_count = sum(alert["cleared_at"] is None for alert in rung)
        least, most, standing = _while_held(calls) if any(alert["chattering"] for alert in rung) else calls
        if not least <= len(rung) <= most or open_count not in standing:
            verdict.alerts.append(f"{key}: {len(rung)} alerts, {open_count} open; not {least}-{most}, {standing} open")
    for key, rung in alerts.items():
        open_most = 1 if key[1] in REPORTING_KINDS else 0
        open_count = sum(alert["cleared_at"] is None for alert in rung)
        if key[1] not in REPORTING_KINDS | SERVICE_KINDS or open_count > open_most:
            verdict.alerts.append(f"{key}: {len(rung)} alerts that nothing calls for")
    _judge_orders(verdict, found)


def judge_ledger(verdict: Verdict, said: Iterable[Said], there: set[Key], found: Found) -> None:
    """Hold each lift's ledger against the numbers that are stored and those that are missing."""
    stored: dict[tuple[str, str], set[int]] = {}
    known: dict[tuple[str, str], set[int]] = {}
    for each in said:
        if each.number is not None and key_of_said(each) in there:
            place = (each.lift_id, each.number[0])
            known.setdefault(place, set()).add(each.number[1])
            if each.fate == "store":
                stored.setdefault(place, set()).add(each.number[1])
    boots = {(lift_id, boot["boot"]): boot for lift_id, ledger in found.ledgers.items() for boot in ledger["boots"]}
    for place, numbers in known.items():
        wanted = {"stored": len(stored.get(place, ())), "gaps": gaps_in(numbers)}
        shown = {name: boots[place][name] for name in wanted} if place in boots else None
        if shown != wanted:
            verdict.ledger.append(f"{place}: {shown}, not {wanted}")


def gaps_in(numbers: Collection[int]) -> list[list[int]]:
    """Return the ranges that are missing between the smallest and the largest."""
    ordered = sorted(numbers)
    return [[low + 1, high - 1] for low, high in pairwise(ordered) if high > low + 1]


def _judge_one(verdict: Verdict, key: Key, said: Said, stored: int, kept: int, *, is_excused: bool) -> None:
    if said.fate == "will":
        # It has no number and no instant: told again after a crash it is a second row, as docs/ARCHITECTURE.md says.
        _judge_count(verdict, key, min(stored, 1), is_excused=is_excused)
        return
    _judge_count(verdict, key, stored + kept, is_excused=is_excused)
    if (kept if said.fate == "store" else stored) > 0:
        verdict.strange.append(f"in the wrong place: {key}")


def _judge_count(verdict: Verdict, key: Key, count: int, *, is_excused: bool) -> None:
    if count == 0:
        (verdict.lost_by_broker if is_excused else verdict.lost).append(str(key))
    elif count > 1:
        verdict.doubled.append(f"{key} {count} times")


def _altered(row: Row, said: Said | None) -> list[str]:
    if said is None or said.fate == "will":
        return []
    readings = {name: value for name, value in said.fields.items() if name not in _FRAME}
    more = {name: value for name, value in row.readings.items() if name not in readings}
    is_same = all(row.readings.get(name) == value for name, value in readings.items())
    if is_same and row.at == said.fields["at"] and all(_DEFAULTS.get(name) == value for name, value in more.items()):
        return []
    return [f"altered: {said.fields} became {row.at} {row.readings}"]


def _expected_alerts(
    present: Iterable[Said], returning: Collection[str], *, is_ordered: bool
) -> dict[tuple[str, str, str | None], Expected]:
    """Return, by lift, kind and code, what there has to be."""
    words: dict[tuple[str, str], list[Said]] = {}
    repeats: Counter[tuple[str, str | None]] = Counter()
    expected: dict[tuple[str, str, str | None], Expected] = {}
    for said in present:
        if said.fate == "will":
            expected[said.lift_id, "no-contact", None] = _expected_silence(
                is_ordered=is_ordered, may_return=said.lift_id in returning
            )
        elif said.condition in RINGING:
            words.setdefault((said.lift_id, str(said.condition)), []).append(said)
        if said.fields.get("phase") == "raised":
            repeats[said.lift_id, said.fields["code"]] += 1
    for (lift_id, condition), spoken in words.items():
        in_order = [said.active for said in sorted(spoken, key=lambda said: said.fields["seq"])]
        rings = sum(now and not before for before, now in pairwise([False, *in_order]))
        code = None if condition == "alarm" else condition
        least = rings if is_ordered else int(in_order[-1])
        expected[lift_id, RINGING[condition][0], code] = (least, rings, (int(in_order[-1]),))
    for (lift_id, code), count in repeats.items():
        if count >= 3:
            # Others are raised twice and said again: that may come after the clear, or after a step of the clock.
            expected[lift_id, "repeated-fault", code] = (1, 1, (1,)) if code == REPEATED else (0, 1, (0, 1))
    return expected


def _expected_silence(*, is_ordered: bool, may_return: bool) -> Expected:
    """Without order a message from before the will may come after it: then the lift is heard, as far as we know."""
    if not is_ordered:
        return 0, 3, (0, 1)
    return (0, 1, (0, 1)) if may_return else (1, 1, (1,))


def _while_held(calls: Expected) -> Expected:
    """What comes and goes within a minute is held open as chattering, and swallows further raises."""
    least, most, standing = calls
    return min(least, 1), most, (*standing, 1)


def _judge_orders(verdict: Verdict, found: Found) -> None:
    """Hold the orders against the alerts that there are: one for each lift and cause, and every alert on it."""
    opening = {kind: order for kind, order in RINGING.values() if order is not None} | {"repeated-fault": "repair"}
    wanted: dict[tuple[str, str, str], set[int]] = {}
    for alert in found.alerts:
        if alert["kind"] in opening and alert["code"] != "power-supply-fault":
            wanted.setdefault((alert["lift_id"], opening[alert["kind"]], alert["code"]), set()).add(alert["id"])
    orders: dict[tuple[str, str, str], list[set[int]]] = {}
    for order in found.orders:
        key = (order["lift_id"], order["kind"], order["cause"])
        orders.setdefault(key, []).append(set(order["alert_ids"]))
    for key in wanted.keys() | orders.keys():
        if orders.get(key) != ([wanted[key]] if key in wanted else None):
            verdict.alerts.append(f"orders of {key} hold the alerts {orders.get(key)}, not [{wanted.get(key)}]")


def _frozen(readings: dict[str, Any]) -> Key:
    given: Sequence[tuple[str, Any]] = sorted(readings.items())
    return tuple((name, value) for name, value in given if _DEFAULTS.get(name) != value)
