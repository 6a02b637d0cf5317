from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from analytics.finding_history import KEPT, NO_PREDICTIONS, SAME_WITHIN, FindingHistory, note_findings
from analytics.findings import Finding, FindingBook, FindingKind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR, BRAKE = "door-closing-fault", "brake-fault"


def found(lift_id: str = "L1", code: str | None = DOOR, kind: FindingKind = FindingKind.REPEATED_FAULT) -> Finding:
    return Finding(
        lift_id=lift_id,
        kind=kind,
        component="door",
        code=code,
        floor=3,
        as_of=NOON,
        found_at=NOON - DAY,
        value=3,
        limit=3,
        confidence=0.7,
        reason="3 times",
        evidence=[],
    )


class Told:
    """A book that writes its history, assessed by day, and what the history says."""

    def __init__(self, engine: Engine) -> None:
        self.book = FindingBook(engine, note_findings)
        self.history = FindingHistory(engine)

    def assess(self, day: float, *findings: Finding) -> None:
        self.book.replace(findings, NOON + day * DAY)

    def spans(self) -> list[tuple[str, float, float | None]]:
        """Lift, and from which day to which it was told."""
        return [
            (item.lift_id, (item.first_at - NOON) / DAY, (item.ended_at - NOON) / DAY if item.ended_at else None)
            for item in self.history.told(NOON - 10_000 * DAY, NOON + 10_000 * DAY)
        ]


@pytest.fixture
def told(engine: Engine) -> Told:
    return Told(engine)


def test_what_stood_before_an_instant_is_the_same_whoever_asks_and_when(told: Told) -> None:
    likely = found(kind=FindingKind.BREAKDOWN_LIKELY)

    def standing(day: float) -> list[str]:
        return list(told.history.standing(FindingKind.BREAKDOWN_LIKELY, NOON + day * DAY))

    live = []
    for day, findings in enumerate([[likely], [likely, found()], [], [likely], [found()]]):
        live.append(standing(day))
        told.assess(day, *findings)
    assert live == [[], ["L1"], ["L1"], [], ["L1"]]
    assert [standing(day) for day in range(5)] == live
    assert told.history.standing(FindingKind.BREAKDOWN_LIKELY, NOON + DAY) == {"L1": NOON - DAY}


def test_nothing_told_is_no_history(told: Told) -> None:
    assert (told.spans(), told.history.count(NOON + DAY), told.history.began_at()) == ([], 0, None)
    told.assess(0)
    assert told.spans() == []


def test_a_finding_is_one_row_from_the_first_assessment_that_finds_it_to_the_one_that_does_not(told: Told) -> None:
    for day in range(3):
        told.assess(day, found())
    assert told.spans() == [("L1", 0, None)]
    told.assess(3)
    told.assess(4)
    assert told.spans() == [("L1", 0, 3)]


def test_what_was_told_comes_back_as_it_was(told: Told) -> None:
    told.assess(0, found())
    (item,) = told.history.told(NOON, NOON + DAY)
    assert (item.kind, item.component, item.code, item.floor) == ("repeated-fault", "door", DOOR, 3)
    assert (item.confidence, item.first_at, item.ended_at) == (0.7, NOON, None)
    assert told.history.began_at() == NOON


def test_what_is_back_within_a_week_was_never_gone(told: Told) -> None:
    told.assess(0, found())
    told.assess(1)
    told.assess(1 + SAME_WITHIN / DAY - 0.1, found())
    assert told.spans() == [("L1", 0, None)]
    told.assess(20)
    told.assess(20 + SAME_WITHIN / DAY, found())
    assert told.spans() == [("L1", 0, 20), ("L1", 27, None)]


def test_lifts_kinds_and_causes_are_kept_apart(told: Told) -> None:
    told.assess(0, found(), found("L2"), found(code=BRAKE), found(kind=FindingKind.REPEAT_REPAIR))
    told.assess(1, found(code=BRAKE), found("L2"))
    assert sorted(told.spans(), key=str) == [("L1", 0, 1), ("L1", 0, 1), ("L1", 0, None), ("L2", 0, None)]


def test_what_is_due_is_no_prediction_and_not_written_down(told: Told) -> None:
    told.assess(0, *(found(kind=kind) for kind in NO_PREDICTIONS))
    assert told.spans() == []


def test_only_what_was_told_in_the_window_is_read_and_counted(told: Told) -> None:
    for day in range(3):
        told.assess(day, *(found(f"L{number}") for number in range(day + 1)))
    window = told.history.told(NOON + DAY, NOON + 2 * DAY)
    assert [item.lift_id for item in window] == ["L1"]
    assert [told.history.count(NOON + day * DAY) for day in (0, 1, 2, 3)] == [0, 1, 2, 3]


def test_what_ended_long_ago_is_forgotten_and_what_stands_is_not(told: Told) -> None:
    told.assess(0, found("OLD"), found("STANDS"))
    told.assess(1, found("STANDS"))
    later = 2 + KEPT / DAY
    told.assess(later, found("STANDS"), found("NEW"))
    assert told.spans() == [("STANDS", 0, None), ("NEW", later, None)]


def test_thousands_of_findings_are_written_at_once(told: Told) -> None:
    many = [found(f"L{number}") for number in range(1_203)]
    told.assess(0, *many)
    told.assess(1, *many[:3])
    spans = told.spans()
    assert (len(spans), sum(end is None for _, _, end in spans)) == (1_203, 3)


def test_an_assessment_that_cannot_be_kept_leaves_no_history(told: Told) -> None:
    told.assess(0, found("L1"))
    with pytest.raises(Exception, match="without offset"):
        told.book.replace([found("L2")], datetime(2026, 3, 5))  # noqa: DTZ001 - the fault under test
    assert told.spans() == [("L1", 0, None)]
