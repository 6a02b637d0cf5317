"""What the lifts of a trial say, and when: known to the last field, and the same for the same seed.

Written as JSON by hand, without the service's own types, so that both cannot agree on the same mistake. Conditions keep
within one boot, where the lift's own numbers put them in order, whatever its clock does.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LIFTS = 20
LIFT_RATE = 16.0
UNNUMBERED_SHARE = 0.02
ARRAY_SHARE = 0.1
DUPLICATE_SHARE = 0.08
REORDER_S = 0.4
POISON_MG = 6_666.125
HOUR_MS = 3_600_000
# Code: what rings, and the order that it opens, as docs/alerts.md says.
RINGING: dict[str, tuple[str, str | None]] = {
    "entrapment": ("entrapment", "rescue"),
    "alarm": ("passenger-alarm", None),
    "lift-shaft-device-fault": ("lift-stopped", "repair"),
    "drive-and-motor-fault": ("lift-stopped", "repair"),
    "overspeed": ("lift-stopped", "repair"),
    "brake-fault": ("lift-stopped", "repair"),
    "power-supply-fault": ("lift-stopped", None),
}
SILENT = ("load-measurement-fault", "levelling-out-of-tolerance")
REPEATED = "call-button-stuck"
OLD_NEWS = "start-failure"
REPEATS = 4
_TRIP: dict[str, Any] = {"from_floor": 1, "to_floor": 2, "duration_ms": 3_000}
# What has a number and is not accepted all the same: kind, fields, and how late it is.
WRONG: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("door", {"floor": 3, "opening_ms": "slow", "closing_ms": 2_000}, 0),
    ("door", {"floor": 3, "opening_ms": 2_000}, 0),
    ("levelling", {"floor": 3, "error_mm": 5_000.5}, 0),
    ("machine", {"motor_c": -273.25}, 0),
    ("fault", {"code": "E-77", "phase": "raised"}, 0),
    ("trip", _TRIP, 24 * 200 * HOUR_MS),
    ("trip", _TRIP, -24 * HOUR_MS),
)


@dataclass(frozen=True)
class Said:
    """One object that a lift said. `fate` is where it belongs: `store`, `quarantine`, or `will` (stored, no number)."""

    lift_id: str
    kind: str
    fields: dict[str, Any]
    fate: str = "store"
    condition: str | None = None
    active: bool = False
    is_old: bool = False

    @property
    def number(self) -> tuple[str, int] | None:
        """Return boot and seq, None for what has no number."""
        return (self.fields["boot"], self.fields["seq"]) if "seq" in self.fields else None


@dataclass(frozen=True)
class Publication:
    """One MQTT message: when it is due after the start, and what it says (nothing: bytes that are no JSON)."""

    due_s: float
    topic: str
    payload: bytes
    said: tuple[Said, ...]
    retain: bool = False


@dataclass(frozen=True)
class Twists:
    """What is odd about the stream of a trial."""

    duplicates: bool = False
    reordering: bool = False
    clock_steps: bool = False
    garbage: bool = False
    poison: bool = False

    def names(self) -> list[str]:
        """Return the names of those that are on."""
        return [name.replace("_", " ") for name, is_on in vars(self).items() if is_on]


@dataclass
class _Draft:
    """An object before it has its number and its instant."""

    due_s: float
    kind: str
    fields: dict[str, Any]
    fate: str = "store"
    condition: str | None = None
    active: bool = False
    late_ms: int = 0
    numbered: bool = True


@dataclass
class _Lift:
    lift_id: str
    rng: random.Random
    length_s: float
    reboot_s: float | None
    step_s: float | None = None
    step_ms: int = 0
    drafts: list[_Draft] = field(default_factory=list)

    def boot_at(self, due_s: float) -> str:
        return "b2" if self.reboot_s is not None and due_s >= self.reboot_s else "b1"


def compose(seed: int, twists: Twists, start_ms: int, length_s: float) -> list[Publication]:
    """Return everything that the fleet of a trial says within `length_s`, in the order in which it is published."""
    rng = random.Random(f"content {seed}")
    spoken: list[Publication] = []
    for number in range(LIFTS):
        lift = _Lift(f"CHAOS-{seed}-{number:02d}", random.Random(rng.random()), length_s, None)
        _live(lift, number, twists)
        own = list(_spoken(lift, start_ms))
        spoken += _twisted(lift, own, twists)
    if twists.garbage:
        spoken += _noise(rng, seed, length_s)
    return sorted(spoken, key=lambda publication: publication.due_s)


def _live(lift: _Lift, number: int, twists: Twists) -> None:
    rng, length_s = lift.rng, lift.length_s
    is_repeating, says_goodbye = number == 0, number in (1, 2)
    if rng.random() < 0.3 and not is_repeating:
        lift.reboot_s = rng.uniform(0.3, 0.7) * length_s
    if twists.clock_steps and rng.random() < 0.5 and not is_repeating:
        lift.step_s, lift.step_ms = rng.uniform(0.1, 0.9) * length_s, _step_ms(rng)
    _routine(lift)
    for condition in rng.sample(sorted(RINGING), rng.randint(0, 3)) + rng.sample(SILENT, 1):
        _condition(lift, condition)
    if is_repeating:
        _repeats(lift)
    if rng.random() < 0.3:
        fields = {"code": OLD_NEWS, "phase": "raised"}
        draft = _Draft(rng.uniform(0, length_s), "fault", fields, condition=OLD_NEWS, active=True)
        draft.late_ms = rng.randint(1, 24 * 80) * HOUR_MS
        lift.drafts.append(draft)
    if twists.garbage:
        lift.drafts += [_wrong(lift) for _ in range(rng.randint(0, 3))]
    if twists.poison and number < 3:
        draft = _Draft(rng.uniform(0.1, 0.9) * length_s, "machine", {"vibration_mg": POISON_MG}, "quarantine")
        lift.drafts.append(draft)
    if says_goodbye:
        draft = _Draft(length_s + 0.5, "state", {"connected": False}, "will", numbered=False)
        lift.drafts.append(draft)


def _step_ms(rng: random.Random) -> int:
    """Return how far a clock steps: less than what makes a message old news, or a word of the future."""
    return rng.choice((-1, 1)) * rng.randint(20_000, 8 * 60_000)


def _routine(lift: _Lift) -> None:
    due_s = lift.rng.uniform(0, 2 / LIFT_RATE)
    while due_s < lift.length_s:
        kind = lift.rng.choice(("door", "door", "trip", "trip", "levelling", "machine", "counters", "state"))
        is_numbered = lift.step_s is not None or lift.rng.random() >= UNNUMBERED_SHARE
        lift.drafts.append(_Draft(due_s, kind, _readings(kind, lift.rng), numbered=is_numbered))
        due_s += lift.rng.uniform(0.5, 1.5) / LIFT_RATE


def _readings(kind: str, rng: random.Random) -> dict[str, Any]:
    if kind == "door":
        return {
            "floor": rng.randint(-2, 30),
            "opening_ms": rng.randint(900, 4_000),
            "closing_ms": rng.randint(900, 4_000),
        }
    if kind == "trip":
        floors = {"from_floor": rng.randint(-2, 30), "to_floor": rng.randint(-2, 30)}
        return {**floors, "duration_ms": rng.randint(2_000, 60_000), "load_pct": rng.randint(0, 100)}
    if kind == "levelling":
        return {"floor": rng.randint(-2, 30), "error_mm": round(rng.uniform(-15, 15), 2), "relevelled": False}
    if kind == "machine":
        return {"motor_c": round(rng.uniform(20, 90), 2), "vibration_mg": round(rng.uniform(1, 80), 3)}
    if kind == "counters":
        return {"trips_total": rng.randint(0, 10**7), "door_cycles_total": rng.randint(0, 10**8)}
    return {"service_mode": "normal", "floor": rng.randint(-2, 30), "moving": rng.random() < 0.5, "connected": True}


def _condition(lift: _Lift, condition: str) -> None:
    """Let a condition come and go: 1 to 4 words, so that it stands at the end or does not; raised at most twice."""
    since_s, until_s = _one_boot(lift)
    words = lift.rng.randint(1, 4)
    for turn, due_s in enumerate(sorted(lift.rng.uniform(since_s, until_s) for _ in range(words))):
        is_active = turn % 2 == 0
        kind, fields = _word(condition, is_active=is_active)
        lift.drafts.append(_Draft(due_s, kind, fields, condition=condition, active=is_active))
        if is_active and lift.rng.random() < 0.3:  # said once more while it stands
            again_s = min(due_s + 0.001, until_s)
            lift.drafts.append(_Draft(again_s, kind, dict(fields), condition=condition, active=True))


def _one_boot(lift: _Lift) -> tuple[float, float]:
    since_s, until_s = 0.02 * lift.length_s, 0.98 * lift.length_s
    if lift.reboot_s is None:
        return since_s, until_s
    return lift.rng.choice([(since_s, lift.reboot_s - 0.01), (lift.reboot_s + 0.01, until_s)])


def _word(condition: str, *, is_active: bool) -> tuple[str, dict[str, Any]]:
    if condition == "alarm":
        return "alarm", {"type": "button" if is_active else "end"}
    return "fault", {"code": condition, "phase": "raised" if is_active else "cleared"}


def _repeats(lift: _Lift) -> None:
    """Let one fault come again and again: no alert by itself, but a finding of the assessment."""
    for turn in range(REPEATS):
        due_s = lift.length_s * (turn + 0.5) / (REPEATS + 1)
        for later_s, phase in ((0.0, "raised"), (0.2, "cleared")):
            fields = {"code": REPEATED, "phase": phase, "fault_id": f"f{turn}"}
            lift.drafts.append(_Draft(due_s + later_s, "fault", fields))


def _wrong(lift: _Lift) -> _Draft:
    """Return an object with number and boot that is not accepted."""
    kind, fields, late_ms = lift.rng.choice(WRONG)
    draft = _Draft(lift.rng.uniform(0, lift.length_s), kind, dict(fields), "quarantine")
    draft.late_ms = late_ms
    return draft


def _spoken(lift: _Lift, start_ms: int) -> Iterator[Publication]:
    """Give the drafts of a lift their numbers and instants, and publish neighbours of one kind as an array at times."""
    lift.drafts.sort(key=lambda draft: draft.due_s)
    gathered: list[tuple[_Draft, Said]] = []
    seqs = {"b1": 0, "b2": 0}
    for draft in lift.drafts:
        is_alone = draft.fate == "will" or lift.rng.random() >= ARRAY_SHARE
        if gathered and (is_alone or draft.kind != gathered[0][0].kind):
            yield _publication(gathered)
            gathered = []
        gathered.append((draft, _said(lift, draft, seqs, start_ms)))
    if gathered:
        yield _publication(gathered)


def _said(lift: _Lift, draft: _Draft, seqs: dict[str, int], start_ms: int) -> Said:
    fields = dict(draft.fields)
    if draft.fate != "will":
        is_stepped = lift.step_s is not None and draft.due_s >= lift.step_s
        fields["at"] = start_ms + int(draft.due_s * 1000) - draft.late_ms + (lift.step_ms if is_stepped else 0)
    if draft.numbered:
        boot = lift.boot_at(draft.due_s)
        seqs[boot] += 1
        fields |= {"seq": seqs[boot], "boot": boot}
    is_old = draft.late_ms > 0
    return Said(lift.lift_id, draft.kind, fields, draft.fate, draft.condition, draft.active, is_old)


def _publication(gathered: list[tuple[_Draft, Said]]) -> Publication:
    said = tuple(each for _, each in gathered)
    objects = [each.fields for each in said]
    payload = json.dumps(objects[0] if len(objects) == 1 else objects).encode()
    topic = f"lifts/v1/{said[0].lift_id}/{said[0].kind}"
    return Publication(gathered[-1][0].due_s, topic, payload, said, retain=said[0].kind == "state")


def _twisted(lift: _Lift, own: list[Publication], twists: Twists) -> list[Publication]:
    """Send some again a little later, and some out of order; the last word of a lift stays its last."""
    ending = [publication for publication in own if publication.said[-1].fate == "will"]
    moved = [publication for publication in own if publication.said[-1].fate != "will"]
    if twists.duplicates:
        again = [publication for publication in moved if lift.rng.random() < DUPLICATE_SHARE]
        moved += [_put_off(publication, lift.rng.uniform(0, 2.0), lift.length_s) for publication in again]
    if twists.reordering:
        moved = [_put_off(publication, lift.rng.uniform(0, REORDER_S), lift.length_s) for publication in moved]
    return moved + ending


def _put_off(publication: Publication, later_s: float, length_s: float) -> Publication:
    due_s = min(publication.due_s + later_s, length_s + 0.4)
    return Publication(due_s, publication.topic, publication.payload, publication.said, publication.retain)


def _noise(rng: random.Random, seed: int, length_s: float) -> list[Publication]:
    """Return bytes that are no message: each is told apart from every other by its content."""
    forms = (
        ("lifts/v1/CHAOS-{seed}-03/door", b'{"noise": %d, "floor": 1,'),
        ("lifts/v1/CHAOS-{seed}-04/trip", b"\xff\xfe noise %d"),
        ("lifts/v1/CHAOS-{seed}-05/machine", b'"noise %d"'),
        ("lifts/v1/CHAOS {seed}/door", b'{"noise": %d}'),
        ("lifts/v1/CHAOS-{seed}-06/door/rear", b'{"noise": %d}'),
        ("lifts/v1/CHAOS-{seed}-07/levelling", b'{"noise": %d, "floor": NaN}'),
        ("lifts/v1/CHAOS-{seed}-08/voice", b'{"noise": %d}'),
    )
    noise = []
    for number in range(2 * len(forms)):
        topic, form = forms[number % len(forms)]
        due_s = rng.uniform(0, length_s)
        noise.append(Publication(due_s, topic.format(seed=seed), form % number, ()))
    return noise
