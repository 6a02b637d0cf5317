from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind
from analytics.occurrences import Occurrence
from analytics.recurrence import repeat_repairs, repeated_faults
from analytics.settings import AssessmentSettings
from ingest.fleet import OutageKind, Visit, VisitKind

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR = "door-closing-fault"


def fault(day: float, code: str = DOOR, kind: OutageKind = OutageKind.BREAKDOWN, lift_id: str = "L1") -> Occurrence:
    at = START + day * DAY
    return Occurrence(lift_id=lift_id, code=code, raised_at=at, cleared_at=at + DAY / 24, source="message", kind=kind)


def repair(day: float, cause: str | None = DOOR, order: str | None = None, lift_id: str = "L1") -> Visit:
    done_at = START + day * DAY
    return Visit(lift_id=lift_id, kind=VisitKind.REPAIR, done_at=done_at, cause_code=cause, work_order=order)


def repeated(days: list[float], as_of: float) -> list[Finding]:
    return repeated_faults([fault(day) for day in days], START + as_of * DAY)


def returned(faults: list[float], repairs: list[float], as_of: float) -> list[Finding]:
    return repeat_repairs([fault(day) for day in faults], [repair(day) for day in repairs], START + as_of * DAY)


def test_three_times_in_seven_days_is_a_repeated_fault() -> None:
    (finding,) = repeated([1, 3, 6], as_of=7)
    assert (finding.lift_id, finding.kind, finding.code) == ("L1", FindingKind.REPEATED_FAULT, DOOR)
    assert (finding.component, finding.key) == ("door", DOOR)
    assert (finding.value, finding.limit) == (3, 3)
    assert finding.found_at == START + 6 * DAY


def test_two_times_are_not_enough() -> None:
    assert repeated([1, 3], as_of=7) == []


def test_it_is_found_when_the_third_one_came_however_many_follow() -> None:
    (finding,) = repeated([1, 2, 3, 4, 5], as_of=6)
    assert (finding.value, finding.found_at) == (5, START + 3 * DAY)


@pytest.mark.parametrize(("as_of", "times"), [(2.99, 0), (3, 3), (7.99, 3), (8, 0)])
def test_the_window_ends_with_the_instant_and_leaves_out_its_start(as_of: float, times: int) -> None:
    assert sum(finding.value for finding in repeated([1, 2, 3], as_of)) == times


def test_a_mechanic_reads_what_came_how_often_and_by_which_rule() -> None:
    (finding,) = repeated([1, 3, 6], as_of=7)
    assert finding.reason == (
        "Door closing fault 3 times in 7 days, the last at 2026-03-07 00:00 UTC "
        "(Liftwatch's rule: 3 times in 7 days is a repeated fault)"
    )
    assert finding.evidence[0] == {
        "kind": "fault",
        "raised_at": "2026-03-02T00:00:00Z",
        "cleared_at": "2026-03-02T01:00:00Z",
        "floor": None,
        "fault_id": None,
        "source": "message",
    }


@pytest.mark.parametrize(
    ("floors", "where", "only"),
    [
        ([7, 7, 7], " in 7 days, all at floor 7, the last", 7),
        ([7, 2, 7], " in 7 days, 2 of them at floor 7, the last", None),
        ([7, None, 7], " in 7 days, 2 of them at floor 7, the last", None),
        ([-1, 2, 7], " in 7 days, at 3 different floors, the last", None),
        ([7, None, None], " in 7 days, the last", None),
        ([0, 0, 0], ", all at floor 0,", 0),
    ],
)
def test_a_mechanic_reads_at_which_landing_it_came(floors: list[int | None], where: str, only: int | None) -> None:
    faults = [structs.replace(fault(day), floor=floor) for day, floor in enumerate(floors, start=1)]
    (finding,) = repeated_faults(faults, START + 5 * DAY)
    assert where in finding.reason
    assert (finding.floor, finding.key) == (only, DOOR), "one cause, one alert, wherever it comes"
    assert [item["floor"] for item in finding.evidence] == floors


def test_what_ended_after_the_instant_was_open_then() -> None:
    (finding,) = repeated([1, 2, 3], as_of=3)
    assert [item["cleared_at"] is None for item in finding.evidence] == [False, False, True]


def test_other_lifts_and_other_codes_do_not_add_up() -> None:
    mixed = [fault(1), fault(2), fault(3, code="overspeed"), fault(4, lift_id="L2")]
    assert repeated_faults(mixed, START + 5 * DAY) == []


@pytest.mark.parametrize("kind", [OutageKind.PLANNED, OutageKind.EXTERNAL, OutageKind.OTHER])
def test_what_is_not_the_fault_of_the_lift_does_not_count(kind: OutageKind) -> None:
    assert repeated_faults([fault(1), fault(2), fault(3, kind=kind)], START + 5 * DAY) == []


def test_the_owner_sets_how_often_and_in_how_many_days() -> None:
    settings = AssessmentSettings(repeated_fault_count_min=2, repeated_fault_days=1)
    (finding,) = repeated_faults([fault(1), fault(3.1), fault(3.5)], START + 4 * DAY, settings)
    assert "2 times in 1 day is a repeated fault" in finding.reason
    assert (finding.value, finding.limit) == (2, 2)


@pytest.mark.parametrize(
    "values",
    [
        {"repeated_fault_count_min": 0},
        {"repeated_fault_days": 0},
        {"repeat_repair_days": 0},
        {"visit_due_soon_days": -1},
    ],
)
def test_limits_that_find_everything_or_nothing_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        AssessmentSettings(**values)


def test_evidence_is_bounded_and_keeps_the_newest() -> None:
    (finding,) = repeated([day / 100 for day in range(200)], as_of=2)
    assert (finding.value, len(finding.evidence)) == (200, EVIDENCE_MAX)
    assert finding.evidence[-1]["raised_at"] == "2026-03-02T23:45:36Z"


def test_a_fault_that_returns_after_its_repair_is_a_repeat_repair() -> None:
    (finding,) = returned([12], repairs=[2], as_of=13)
    assert (finding.kind, finding.code, finding.component) == (FindingKind.REPEAT_REPAIR, DOOR, "door")
    assert (finding.value, finding.limit, finding.found_at) == (10, 30, START + 12 * DAY)
    assert [item["kind"] for item in finding.evidence] == ["repair", "fault"]
    assert finding.reason == (
        "Door closing fault came again 10.0 days after the repair of 2026-03-03 00:00 UTC "
        "(AS-02, SD-17; a repair has to hold 30 days here)"
    )


@pytest.mark.parametrize(
    ("hours", "words"), [(0.3, "less than an hour"), (1.2, "1 hour"), (23.9, "23 hours"), (24, "1.0 days")]
)
def test_a_return_on_the_day_of_the_repair_is_told_in_hours(hours: float, words: str) -> None:
    (finding,) = returned([2 + hours / 24], repairs=[2], as_of=13)
    assert f" came again {words} after the repair of " in finding.reason


@pytest.mark.parametrize(("day", "count"), [(2, 0), (2.001, 1), (32, 1), (32.001, 0)])
def test_a_repair_has_to_hold_thirty_days(day: float, count: int) -> None:
    assert len(returned([day], repairs=[2], as_of=day + 0.5)) == count


def test_a_fault_before_the_repair_is_what_was_repaired() -> None:
    assert returned([1], repairs=[2], as_of=3) == []


def test_a_fault_of_another_code_says_nothing_about_the_repair() -> None:
    assert repeat_repairs([fault(5, "overspeed")], [repair(2)], START + 6 * DAY) == []


def test_an_external_fault_says_nothing_about_the_repair() -> None:
    assert repeat_repairs([fault(5, kind=OutageKind.EXTERNAL)], [repair(2)], START + 6 * DAY) == []


@pytest.mark.parametrize(("as_of", "count"), [(41.99, 1), (42, 0)])
def test_it_holds_for_thirty_days_after_the_last_return(as_of: float, count: int) -> None:
    assert len(returned([5, 12], repairs=[2], as_of=as_of)) == count


def test_the_next_repair_of_that_cause_answers_it() -> None:
    assert len(returned([12], repairs=[2], as_of=13)) == 1
    assert returned([12], repairs=[2, 13], as_of=13) == []


def test_a_repair_of_another_cause_does_not_answer_it() -> None:
    visits = [repair(2), repair(13, "overspeed")]
    assert len(repeat_repairs([fault(12)], visits, START + 14 * DAY)) == 1


def test_a_return_that_was_answered_stays_answered_when_it_is_older_than_the_window() -> None:
    assert returned([5], repairs=[2, 31], as_of=40) == []


def test_a_second_repair_without_any_message_is_a_repeat_repair() -> None:
    (finding,) = returned([], repairs=[2, 14], as_of=15)
    assert (finding.value, finding.found_at) == (12, START + 14 * DAY)
    assert [item["kind"] for item in finding.evidence] == ["repair", "repair"]
    assert "was repaired again 12.0 days after" in finding.reason
    assert returned([], repairs=[2, 33], as_of=34) == []


def test_two_visits_of_one_work_order_are_one_repair() -> None:
    visits = [repair(2, order="WO-1"), repair(3, order="WO-1")]
    assert repeat_repairs([], visits, START + 4 * DAY) == []
    (finding,) = repeat_repairs([fault(5)], visits, START + 6 * DAY)
    assert (finding.value, finding.evidence[0]["work_order"]) == (2, "WO-1")


def test_repairs_of_the_same_cause_in_a_row_are_counted() -> None:
    (finding,) = returned([3, 6, 9], repairs=[2, 4, 7], as_of=10)
    assert [item.get("repairs_in_a_row") for item in finding.evidence] == [3, 3, 3, None]


def test_a_repair_of_another_cause_begins_the_row_anew() -> None:
    visits = [repair(2), repair(4), repair(5, "overspeed"), repair(7)]
    (finding,) = repeat_repairs([fault(3), fault(6), fault(9)], visits, START + 10 * DAY)
    assert "in a row" not in finding.reason
    assert finding.evidence[0]["done_at"] == "2026-03-08T00:00:00Z"


def test_the_earlier_repair_is_shown_though_another_cause_lies_between() -> None:
    visits = [repair(2), repair(5, "overspeed"), repair(7)]
    (finding,) = repeat_repairs([], visits, START + 8 * DAY)
    assert [item["done_at"] for item in finding.evidence] == ["2026-03-03T00:00:00Z", "2026-03-08T00:00:00Z"]


def test_visits_that_are_no_repairs_or_tell_no_cause_count_for_nothing() -> None:
    maintenance = Visit(lift_id="L1", kind=VisitKind.MAINTENANCE, done_at=START + 2 * DAY, cause_code=DOOR)
    assert repeat_repairs([fault(5)], [maintenance, repair(2, None)], START + 6 * DAY) == []


def test_repairs_at_another_lift_count_for_nothing() -> None:
    assert repeat_repairs([fault(5)], [repair(2, lift_id="L2")], START + 6 * DAY) == []


DAYS = st.lists(st.floats(0, 100).map(lambda day: round(day, 2)), max_size=15, unique=True)


@given(faults=DAYS, repairs=DAYS, as_of=st.floats(0, 100))
def test_what_comes_after_the_instant_changes_no_finding(
    faults: list[float], repairs: list[float], as_of: float
) -> None:
    until = START + as_of * DAY
    all_faults, all_visits = [fault(day) for day in faults], [repair(day) for day in repairs]
    known = [item for item in all_faults if item.raised_at <= until]
    done = [visit for visit in all_visits if visit.done_at <= until]
    assert repeated_faults(all_faults, until) == repeated_faults(known, until)
    assert repeat_repairs(all_faults, all_visits, until) == repeat_repairs(known, done, until)


@given(faults=DAYS, repairs=DAYS, as_of=st.floats(0, 100), data=st.data())
def test_the_order_of_the_record_changes_no_finding(
    faults: list[float], repairs: list[float], as_of: float, data: st.DataObject
) -> None:
    until = START + as_of * DAY
    found, visits = [fault(day) for day in faults], [repair(day) for day in repairs]
    shuffled = data.draw(st.permutations(found))
    assert repeated_faults(shuffled, until) == repeated_faults(found, until)
    again = repeat_repairs(shuffled, data.draw(st.permutations(visits)), until)
    assert again == repeat_repairs(found, visits, until)


@given(faults=DAYS, repairs=DAYS, as_of=st.floats(0, 100))
def test_a_finding_was_complete_within_its_window(faults: list[float], repairs: list[float], as_of: float) -> None:
    until = START + as_of * DAY
    found, visits = [fault(day) for day in faults], [repair(day) for day in repairs]
    for finding in repeated_faults(found, until):
        assert until - 7 * DAY < finding.found_at <= until
    for finding in repeat_repairs(found, visits, until):
        assert 0 < finding.value <= 30
        assert finding.found_at <= until


def test_a_repair_holds_though_the_door_stops_for_minutes_and_that_is_told_when_it_repeats() -> None:
    passing = [structs.replace(fault(day), cleared_at=START + day * DAY + timedelta(minutes=5)) for day in (2, 3, 4)]
    assert repeat_repairs(passing, [repair(1)], START + 5 * DAY) == []
    (finding,) = repeated_faults(passing, START + 5 * DAY)
    assert finding.value == 3
    assert repeat_repairs([*passing, fault(4.5)], [repair(1)], START + 5 * DAY)[0].found_at == START + 4.5 * DAY
