from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.occurrences import (
    REPEAT_SAME_FAULT,
    Occurrence,
    joined,
    occurrences,
    outage_occurrences,
)
from ingest.clock import to_ms
from ingest.fleet import Outage, OutageKind
from ingest.messages import Alarm, Fault, Kind, Message

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOOR = "door-closing-fault"


def said(
    minute: float,
    phase: Literal["raised", "cleared"] = "raised",
    *,
    fault_id: str | None = None,
    code: str = DOOR,
    lift_id: str = "L1",
    seq: int | None = None,
    floor: int | None = None,
) -> Message:
    at_ms = to_ms(START + minute * MINUTE)
    body = Fault(at=at_ms, seq=seq, code=code, phase=phase, fault_id=fault_id, floor=floor)
    return Message(lift_id, Kind.FAULT, at_ms, at_ms, body)


def spans(found: list[Occurrence]) -> list[tuple[float, float | None]]:
    """Raised and cleared, in minutes since the start."""
    return [
        ((item.raised_at - START) / MINUTE, (item.cleared_at - START) / MINUTE if item.cleared_at else None)
        for item in found
    ]


def test_a_fault_is_one_occurrence_from_raised_to_cleared() -> None:
    assert spans(occurrences([said(0), said(3, "cleared")])) == [(0, 3)]


def test_a_controller_that_repeats_an_active_fault_has_one_fault() -> None:
    repeated = [said(minute) for minute in range(0, 120, 10)]
    assert spans(occurrences([*repeated, said(115, "cleared")])) == [(0, 115)]


@pytest.mark.parametrize(("minutes", "count"), [(15, 1), (15.01, 2)])
def test_a_fault_said_again_within_fifteen_minutes_is_the_same(minutes: float, count: int) -> None:
    assert timedelta(minutes=15) == REPEAT_SAME_FAULT
    assert len(occurrences([said(0), said(minutes)])) == count


def test_a_fault_raised_after_it_was_cleared_is_a_new_one() -> None:
    assert spans(occurrences([said(0), said(1, "cleared"), said(2), said(3, "cleared")])) == [(0, 1), (2, 3)]


def test_faults_of_different_ids_live_side_by_side() -> None:
    messages = [said(0, fault_id="a"), said(1, fault_id="b"), said(20, "cleared", fault_id="a")]
    assert spans(occurrences(messages)) == [(0, 20), (1, None)]


def test_a_raise_that_names_no_fault_continues_the_one_that_was_said_last() -> None:
    messages = [said(0, fault_id="a"), said(10, fault_id="b"), said(20), said(30, fault_id="b")]
    assert [item.fault_id for item in occurrences(messages)] == ["a", "b"]


def test_a_fault_learns_its_id_from_a_later_word() -> None:
    found = occurrences([said(0), said(5, fault_id="a"), said(6, fault_id="b")])
    assert [item.fault_id for item in found] == ["a", "b"]


def test_clearing_without_an_id_ends_every_fault_of_that_code() -> None:
    messages = [said(0, fault_id="a"), said(1, fault_id="b"), said(2), said(3, "cleared")]
    assert spans(occurrences(messages)) == [(0, 3), (1, 3)]


def test_clearing_what_was_never_raised_is_no_fault() -> None:
    assert occurrences([said(0, "cleared")]) == []


def test_lifts_and_codes_do_not_mix() -> None:
    messages = [said(0), said(1, lift_id="L2"), said(2, code="overspeed"), said(3, "cleared", lift_id="L2")]
    found = occurrences(messages)
    assert [(item.lift_id, item.code) for item in found] == [("L1", DOOR), ("L1", "overspeed"), ("L2", DOOR)]
    assert spans(found) == [(0, None), (2, None), (1, 3)]


def test_within_a_millisecond_the_number_of_the_message_decides() -> None:
    cleared_then_raised = [said(0, seq=1), said(1, seq=3), said(1, "cleared", seq=2)]
    assert spans(occurrences(cleared_then_raised)) == [(0, 1), (1, None)]


def test_messages_of_another_kind_are_no_faults() -> None:
    assert occurrences([Message("L1", Kind.ALARM, 0, 0, Alarm(at=0, type="button"))]) == []


def test_a_supply_that_fails_is_kept_apart() -> None:
    (found,) = occurrences([said(0, code="power-supply-fault")])
    assert found.kind is OutageKind.EXTERNAL


MESSAGES = st.lists(
    st.builds(
        said,
        st.integers(0, 60),
        st.sampled_from(["raised", "cleared"]),
        fault_id=st.sampled_from([None, "a", "b"]),
        code=st.sampled_from([DOOR, "overspeed"]),
        lift_id=st.sampled_from(["L1", "L2"]),
        seq=st.one_of(st.none(), st.integers(0, 3)),
    ),
    max_size=12,
)


@given(messages=MESSAGES, data=st.data())
def test_the_order_of_messages_changes_nothing(messages: list[Message], data: st.DataObject) -> None:
    assert occurrences(data.draw(st.permutations(messages))) == occurrences(messages)


@given(messages=MESSAGES, data=st.data())
def test_messages_that_come_twice_change_nothing(messages: list[Message], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(messages))) if messages else []
    assert occurrences([*messages, *again]) == occurrences(messages)


@given(messages=MESSAGES)
def test_every_fault_begins_with_a_raise_and_ends_no_earlier(messages: list[Message]) -> None:
    raised = {(message.lift_id, message.measured_at) for message in messages}
    for item in occurrences(messages):
        assert (item.lift_id, item.raised_at) in raised
        assert item.cleared_at is None or item.cleared_at >= item.raised_at


def outage(
    minute: float,
    kind: OutageKind = OutageKind.BREAKDOWN,
    code: str | None = DOOR,
    cleared: float | None = None,
) -> Outage:
    cleared_at = None if cleared is None else START + cleared * MINUTE
    return Outage(lift_id="L1", kind=kind, code=code, raised_at=START + minute * MINUTE, cleared_at=cleared_at)


def test_each_breakdown_of_an_outage_log_is_one_occurrence() -> None:
    assert spans(outage_occurrences([outage(0, cleared=4), outage(5), outage(5)])) == [(0, 4), (5, None)]


def test_a_breakdown_without_a_code_is_called_breakdown() -> None:
    assert [item.code for item in outage_occurrences([outage(0, code=None)])] == ["breakdown"]


@pytest.mark.parametrize("kind", [OutageKind.PLANNED, OutageKind.EXTERNAL, OutageKind.OTHER])
def test_outages_that_are_no_breakdowns_are_kept_apart(kind: OutageKind) -> None:
    assert [item.kind for item in outage_occurrences([outage(0, kind)])] == [kind]


def test_a_breakdown_of_the_supply_is_external_whoever_wrote_it_down() -> None:
    assert [item.kind for item in outage_occurrences([outage(0, code="power-supply-fault")])] == [OutageKind.EXTERNAL]


@pytest.mark.parametrize(("seconds", "count"), [(-1, 1), (0, 1), (0.999, 1), (1, 1), (1.001, 2), (-1.001, 2)])
def test_telemetry_and_outage_log_within_a_second_are_one(seconds: float, count: int) -> None:
    both = joined(occurrences([said(1, fault_id="a")]), outage_occurrences([outage(1 + seconds / 60)]))
    assert len(both) == count
    assert "a" in [item.fault_id for item in both]


def test_the_outage_log_tells_the_end_that_the_lift_did_not() -> None:
    assert spans(joined(occurrences([said(0)]), outage_occurrences([outage(0, cleared=9)]))) == [(0, 9)]
    lift_told = occurrences([said(0), said(2, "cleared")])
    assert spans(joined(lift_told, outage_occurrences([outage(0, cleared=9)]))) == [(0, 2)]


def test_another_code_at_the_same_instant_is_another_fault() -> None:
    assert len(joined(occurrences([said(0)]), outage_occurrences([outage(0, code="overspeed")]))) == 2


def test_a_fault_came_where_the_lift_said_so_first() -> None:
    (told,) = occurrences([said(0), said(1, floor=7), said(2, floor=3), said(3, "cleared", floor=0)])
    assert told.floor == 7
    assert [item.floor for item in joined([told], outage_occurrences([outage(0)]))] == [7]
