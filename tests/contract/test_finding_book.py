from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from analytics.findings import Finding, FindingBook, FindingKind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def found(lift_id: str, kind: FindingKind = FindingKind.REPEATED_FAULT, as_of: datetime = NOON) -> Finding:
    return Finding(
        lift_id=lift_id, kind=kind, as_of=as_of, found_at=NOON, value=3, limit=3, reason="3 times", evidence=[]
    )


@pytest.fixture
def book(engine: Engine) -> FindingBook:
    return FindingBook(engine)


def in_book(book: FindingBook) -> list[str]:
    return [item.finding.lift_id for item in book.findings(limit=100)]


def test_a_new_book_is_empty_and_has_no_assessment(book: FindingBook) -> None:
    assert book.findings(limit=10) == []
    assert book.assessed_at() is None


def test_a_finding_comes_back_as_it_was(book: FindingBook) -> None:
    whole = Finding(
        lift_id="L1",
        kind=FindingKind.REPEAT_REPAIR,
        channel="closing_ms",
        component="door",
        code="door-closing-fault",
        floor=-2,
        as_of=NOON,
        found_at=NOON - timedelta(microseconds=1),
        value=10.125,
        limit=30,
        days_left=-0.5,
        confidence=0.9,
        reason="Tür schließt nicht — 门",
        evidence=[
            {"kind": "repair", "done_at": "2026-03-01T00:00:00Z", "number": 1, "deep": {"is": [None, True, 0.5]}}
        ],
    )
    book.replace([whole, found("L2")], NOON)
    assert [item.finding for item in book.findings(limit=10)] == [whole, found("L2")]
    assert book.assessed_at() == NOON


def test_an_assessment_replaces_the_one_before(book: FindingBook) -> None:
    book.replace([found("L1"), found("L2")], NOON)
    book.replace([found("L3", as_of=LATER)], LATER)
    assert in_book(book) == ["L3"]
    assert book.assessed_at() == LATER


def test_an_assessment_without_findings_is_one_too(book: FindingBook) -> None:
    book.replace([found("L1")], NOON)
    book.replace([], LATER)
    assert in_book(book) == []
    assert book.assessed_at() == LATER


def test_an_assessment_that_cannot_be_kept_leaves_the_one_before(book: FindingBook) -> None:
    book.replace([found("L1")], NOON)
    naive = datetime(2026, 3, 2)  # noqa: DTZ001 - an instant without offset is the fault under test
    with pytest.raises(Exception, match="without offset"):
        book.replace([found("L2"), found("L3", as_of=naive)], LATER)
    assert in_book(book) == ["L1"]
    assert book.assessed_at() == NOON


def test_pages_follow_each_other_without_gap_or_repeat(book: FindingBook) -> None:
    lift_ids = [f"L{number:04}" for number in range(1_203)]
    book.replace([found(lift_id) for lift_id in lift_ids], NOON)
    seen: list[str] = []
    after_id = 0
    while page := book.findings(limit=500, after_id=after_id):
        seen += [item.finding.lift_id for item in page]
        after_id = page[-1].id
    assert seen == lift_ids


def test_a_reader_between_two_pages_misses_nothing_of_a_new_assessment(book: FindingBook) -> None:
    book.replace([found("L1"), found("L2"), found("L3")], NOON)
    cursor = book.findings(limit=2)[-1].id
    book.replace([found("L4"), found("L5")], LATER)
    assert [item.finding.lift_id for item in book.findings(limit=10, after_id=cursor)] == ["L4", "L5"]


def test_numbers_are_not_given_again_after_an_empty_assessment(book: FindingBook) -> None:
    book.replace([found("L1")], NOON)
    first = book.findings(limit=1)[0].id
    book.replace([], LATER)
    book.replace([found("L1")], LATER)
    assert book.findings(limit=1)[0].id > first


def test_findings_are_found_by_lift_and_by_kind(book: FindingBook) -> None:
    due = FindingKind.MAINTENANCE_DUE
    book.replace([found("L1"), found("L1", due), found("L2", due)], NOON)
    kinds = [item.finding.kind for item in book.findings(limit=10, lift_id="L1")]
    assert kinds == [FindingKind.REPEATED_FAULT, due]
    assert [item.finding.lift_id for item in book.findings(limit=10, kind=due)] == ["L1", "L2"]
    assert [item.finding.lift_id for item in book.findings(limit=10, kind=due, lift_id="L2")] == ["L2"]
    assert book.findings(limit=10, lift_id="L9") == []


def test_two_books_on_one_database_show_the_same(engine: Engine) -> None:
    FindingBook(engine).replace([found("L1")], NOON)
    assert in_book(FindingBook(engine)) == ["L1"]
