"""What became of a finding: did what it warned of come, was it found by the repair, or nothing of the kind. Pure.

A finding is true where, within the days that its kind is given, a repair found its cause in the part that it names, or
that part broke down. It is false where that time has passed without, or where a repair found no fault.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from analytics.failures import part_of
from analytics.finding_history import ToldFinding
from analytics.occurrences import Occurrence, has_passed
from ingest.fleet import OutageKind, Visit, VisitKind

# The cause code of a repair that found nothing wrong.
NO_FAULT = "no-fault-found"


class Expectation(Struct, frozen=True):
    """Within how many days a finding has to come true, and by what: its `part`, or anything at the `lift`.

    A fault that the controller got over by itself is no breakdown: it proves only what speaks of `signs`.
    """

    days: int
    by: Literal["part", "lift"]
    signs: bool = False


# Kinds that are not here are no predictions: a visit that is due is due.
EXPECTED: Mapping[str, Expectation] = {
    "repeated-fault": Expectation(30, "part", signs=True),
    "repeat-repair": Expectation(30, "part"),
    "repeat-breakdowns": Expectation(30, "lift"),
    "often-failing": Expectation(60, "part"),
    "worsening": Expectation(60, "lift"),
    "drift": Expectation(60, "part", signs=True),
    "anomaly": Expectation(30, "lift", signs=True),
    "breakdown-likely": Expectation(30, "lift"),
}
# Under which components faults and causes are told, for parts that findings tell apart more finely.
_DOOR = frozenset({"door", "safety-chain", "landing-door", "car-door"})
_PLACE = frozenset({"levelling", "position"})
_FAMILIES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("door", "landing-door", "car-door", "rear-landing-door", "rear-car-door"), _DOOR),
    **dict.fromkeys(("levelling", "position", "landing-vane", "position-encoder"), _PLACE),
    "machine-room": frozenset({"drive", "controller"}),
    "motor": frozenset({"drive"}),
    "guide-shoes": frozenset({"shaft"}),
    "start-circuit": frozenset({"controller"}),
    "controller-supply": frozenset({"controller", "power-supply"}),
}


class Outcome(StrEnum):
    """What became of a finding."""

    TRUE = "true"
    FALSE = "false"
    OPEN = "open"


class Judged(Struct, frozen=True):
    """A finding and what became of it; `at` is when it came true, or was seen to be false."""

    finding: ToldFinding
    outcome: Outcome
    at: datetime | None


class Answer(Struct, frozen=True, order=True):
    """Something that can prove a finding: a repair's cause, or a fault; `is_sign` is one that passed by itself."""

    at: datetime
    code: str
    is_repair: bool
    is_sign: bool = False


class Answers:
    """The answers of a fleet, by lift and instant."""

    def __init__(self, visits: Iterable[Visit], found: Iterable[Occurrence], until: datetime) -> None:
        """Take repairs with a cause and faults of the lifts themselves, known before `until`."""
        self._by_lift: dict[str, list[Answer]] = defaultdict(list)
        for visit in visits:
            if visit.kind is VisitKind.REPAIR and visit.cause_code and visit.done_at < until:
                self._by_lift[visit.lift_id].append(Answer(visit.done_at, visit.cause_code, is_repair=True))
        for item in found:
            if item.kind is OutageKind.BREAKDOWN and item.raised_at < until:
                answer = Answer(item.raised_at, item.code, is_repair=False, is_sign=has_passed(item))
                self._by_lift[item.lift_id].append(answer)
        for answers in self._by_lift.values():
            answers.sort()
        self._until = until

    def judge(self, finding: ToldFinding) -> Judged:
        """Return what became of a finding of a kind in `EXPECTED`."""
        expected = EXPECTED[finding.kind]
        last_at = finding.first_at + timedelta(days=expected.days)
        answers = self._by_lift.get(finding.lift_id, [])
        for answer in answers[bisect_right(answers, finding.first_at, key=lambda each: each.at) :]:
            if answer.at > last_at:
                break
            if answer.code == NO_FAULT:
                return Judged(finding, Outcome.FALSE, answer.at)
            if proves(answer, finding, expected):
                return Judged(finding, Outcome.TRUE, answer.at)
        if last_at < self._until:
            return Judged(finding, Outcome.FALSE, last_at)
        return Judged(finding, Outcome.OPEN, None)

    def by_chance(
        self, finding: ToldFinding, watched: Mapping[str, Sequence[tuple[datetime, datetime]]]
    ) -> float | None:
        """Return how likely such a finding, told of any lift at any time at which it was `watched`, would be true.

        Only times count from which on the days that its kind is given have passed; None where there are none.
        """
        expected = EXPECTED[finding.kind]
        span = timedelta(days=expected.days)
        last_at = self._until - span
        total = right = timedelta()
        for lift_id, spans in watched.items():
            known = [(begin, min(end, last_at)) for begin, end in spans if begin < last_at]
            total += sum((end - begin for begin, end in known), timedelta())
            for since, until in self._right_when(lift_id, finding, expected) if known else ():
                right += sum((_overlap(since, until, *each) for each in known), timedelta())
        return right / total if total else None

    def _right_when(
        self, lift_id: str, finding: ToldFinding, expected: Expectation
    ) -> Iterator[tuple[datetime, datetime]]:
        """Yield the times at which such a finding of a lift would have been true, each once."""
        span, before = timedelta(days=expected.days), datetime.min.replace(tzinfo=UTC)
        for answer in self._by_lift.get(lift_id, ()):
            is_proof = answer.code != NO_FAULT and proves(answer, finding, expected)
            if is_proof:
                yield max(before, answer.at - span), answer.at
            if is_proof or answer.code == NO_FAULT:
                before = answer.at


def _overlap(since: datetime, until: datetime, begin: datetime, end: datetime) -> timedelta:
    return max(min(until, end) - max(since, begin), timedelta())


def proves(answer: Answer, finding: ToldFinding, expected: Expectation) -> bool:
    """Tell whether a fault or a found cause is what a finding spoke of."""
    if answer.is_sign and not expected.signs:
        return False
    if expected.by == "lift":
        return True
    part = part_of(answer.code)
    if finding.component is None:
        return finding.code is None or part == part_of(finding.code)
    parts = {finding.component, *_FAMILIES.get(finding.component, ())}
    return part in parts or part.startswith(tuple(f"{each}-" for each in sorted(parts)))
