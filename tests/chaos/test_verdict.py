"""The checks can fail: each sort of damage is told, and what is excused is excused for its reason alone."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.content import REPEATED, Said
from tests.chaos.verdict import (
    Found,
    Kept,
    Row,
    Verdict,
    gaps_in,
    judge_alerts,
    judge_ledger,
    judge_messages,
    key_of_said,
)

Shown = dict[str, Any]
LIFT = "L1"
DOOR = Said(LIFT, "door", {"at": 1_000, "seq": 1, "boot": "b", "floor": 2, "opening_ms": 900, "closing_ms": 901})
ROW = Row(LIFT, "door", "b", 1, 1_000, {"floor": 2, "opening_ms": 900.0, "closing_ms": 901.0, "door": "front"})
UNNUMBERED = Said(LIFT, "machine", {"at": 2_000, "motor_c": 40.5})
WRONG = Said(LIFT, "machine", {"at": 3_000, "seq": 2, "boot": "b", "motor_c": -300}, "quarantine")
NOISE = Kept("lifts/v1/L1/door", b"\xff noise")
WILL = Said(LIFT, "state", {"connected": False}, "will")


def judged(said: list[Said], found: Found, **more: Any) -> Verdict:
    verdict = Verdict()
    judge_messages(verdict, said, more.pop("noise", []), found, **more)
    return verdict


def kept(said: Said) -> Kept:
    return Kept(f"lifts/v1/{said.lift_id}/{said.kind}", b'{"seq": 2, "boot": "b", "motor_c": -300}')


def test_what_is_where_it_belongs_is_good() -> None:
    rows = [ROW, Row(LIFT, "machine", None, None, 2_000, {"motor_c": 40.5})]
    verdict = judged([DOOR, UNNUMBERED, WRONG], Found(rows, [kept(WRONG), NOISE]), noise=[NOISE])
    assert verdict.faults() == []
    assert verdict.is_good
    assert verdict.messages == 4


@pytest.mark.parametrize("said", [DOOR, UNNUMBERED, WRONG, WILL])
def test_what_is_nowhere_is_lost(said: Said) -> None:
    assert len(judged([said], Found()).lost) == 1


def test_noise_that_is_nowhere_is_lost() -> None:
    assert len(judged([], Found(), noise=[NOISE]).lost) == 1


def test_what_the_broker_lost_by_itself_is_counted_apart() -> None:
    verdict = judged([DOOR], Found(), excused={key_of_said(DOOR)})
    assert (len(verdict.lost), len(verdict.lost_by_broker)) == (0, 1)
    assert verdict.is_good


def test_one_message_in_two_rows_is_doubled() -> None:
    assert len(judged([DOOR], Found([ROW, replace(ROW, at=1_001)])).doubled) == 1


def test_one_message_in_store_and_quarantine_is_doubled() -> None:
    payload = b'{"seq": 1, "boot": "b"}'
    assert len(judged([DOOR], Found([ROW], [Kept("lifts/v1/L1/door", payload)])).doubled) == 1


def test_two_rows_of_garbage_are_doubled() -> None:
    assert len(judged([WRONG], Found([], [kept(WRONG), kept(WRONG)])).doubled) == 1


def test_a_last_will_may_be_told_twice() -> None:
    row = Row(LIFT, "state", None, None, 5_000, {"connected": False})
    assert judged([WILL], Found([row, replace(row, at=6_000)])).is_good


def test_what_nobody_said_is_strange() -> None:
    verdict = judged([], Found([ROW], [NOISE]))
    assert len(verdict.strange) == 2


def test_a_message_in_quarantine_is_in_the_wrong_place() -> None:
    assert judged([DOOR], Found([], [Kept("lifts/v1/L1/door", b'{"seq": 1, "boot": "b"}')])).strange != []


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, at=999),
        replace(ROW, readings={**ROW.readings, "floor": 3}),
        replace(ROW, readings={**ROW.readings, "nudging": True}),
        replace(ROW, readings={"floor": 2, "opening_ms": 900.0}),
    ],
)
def test_an_altered_message_is_strange(row: Row) -> None:
    assert len(judged([DOOR], Found([row])).strange) == 1


def word(seq: int, *, active: bool, code: str = "overspeed") -> Said:
    phase = "raised" if active else "cleared"
    fields = {"at": seq, "seq": seq, "boot": "b", "code": code, "phase": phase}
    return Said(LIFT, "fault", fields, condition=code, active=active)


def alert(number: int, *, is_open: bool, kind: str = "lift-stopped", code: str | None = "overspeed") -> dict[str, Any]:
    cleared_at = None if is_open else "then"
    about = {"id": number, "lift_id": LIFT, "kind": kind, "code": code}
    return {**about, "cleared_at": cleared_at, "chattering": False}


def order(*alerts: int, kind: str = "repair", cause: str = "overspeed") -> dict[str, Any]:
    return {"lift_id": LIFT, "kind": kind, "cause": cause, "alert_ids": list(alerts)}


def rung(said: list[Said], alerts: list[dict[str, Any]], orders: list[dict[str, Any]], **how: Any) -> list[str]:
    verdict = Verdict()
    judge_alerts(verdict, said, Found(alerts=alerts, orders=orders), **how)
    return verdict.alerts


TWICE = [word(1, active=True), word(2, active=False), word(3, active=True), word(4, active=True)]


def test_each_raise_of_an_ordered_stream_rings_once() -> None:
    alerts = [alert(1, is_open=False), alert(2, is_open=True)]
    assert rung(TWICE, alerts, [order(1, 2)], is_ordered=True) == []


def test_a_raise_that_never_rang_is_told_of_an_ordered_stream_alone() -> None:
    alerts, orders = [alert(2, is_open=True)], [order(2)]
    assert len(rung(TWICE, alerts, orders, is_ordered=True)) == 1
    assert rung(TWICE, alerts, orders, is_ordered=False) == []


@pytest.mark.parametrize("is_ordered", [True, False])
def test_what_stands_at_the_end_has_to_be_open_and_to_have_rung(is_ordered: bool) -> None:
    assert len(rung(TWICE, [], [], is_ordered=is_ordered)) == 1
    closed = [alert(1, is_open=False), alert(2, is_open=False)]
    assert len(rung(TWICE, closed, [order(1, 2)], is_ordered=is_ordered)) == 1
    over = [word(1, active=True), word(2, active=False)]
    assert len(rung(over, [alert(1, is_open=True)], [order(1)], is_ordered=is_ordered)) == 1


@pytest.mark.parametrize("is_ordered", [True, False])
def test_two_alerts_for_one_raise_are_told(is_ordered: bool) -> None:
    alerts = [alert(1, is_open=False), alert(2, is_open=True)]
    assert len(rung([word(1, active=True)], alerts, [order(1, 2)], is_ordered=is_ordered)) == 1


def test_an_alert_that_is_held_for_chattering_may_stand_but_not_twice() -> None:
    said = [*TWICE, word(5, active=False)]
    held = [alert(1, is_open=False), {**alert(2, is_open=True), "chattering": True}]
    assert rung(said, held, [order(1, 2)], is_ordered=True) == []
    assert rung(said, [held[0], alert(2, is_open=True)], [order(1, 2)], is_ordered=True) != []
    assert rung(said, [*held, alert(3, is_open=True)], [order(1, 2, 3)], is_ordered=True) != []


def test_a_fault_that_is_said_three_times_may_be_called_repeated() -> None:
    said = [word(1, active=True), word(2, active=False), word(3, active=True), word(4, active=False)]
    stopped = [alert(1, is_open=False), alert(2, is_open=False)]
    repeated = alert(3, is_open=True, kind="repeated-fault")
    assert rung(said, [*stopped, repeated], [order(1, 2, 3)], is_ordered=True) != []
    again = [*said[:3], word(4, active=True), word(5, active=False)]
    assert rung(again, [*stopped, repeated], [order(1, 2, 3)], is_ordered=True) == []
    assert rung(again, stopped, [order(1, 2)], is_ordered=True) == []


def test_two_orders_for_one_cause_and_an_alert_without_its_order_are_told() -> None:
    said, alerts = [word(1, active=True)], [alert(1, is_open=True)]
    assert len(rung(said, alerts, [order(1), order()], is_ordered=True)) == 1
    assert len(rung(said, alerts, [order()], is_ordered=True)) == 1
    assert len(rung(said, alerts, [], is_ordered=True)) == 1
    assert len(rung([], [], [order()], is_ordered=True)) == 1


def test_an_alert_that_nothing_calls_for_is_told_unless_it_is_about_reporting() -> None:
    late = replace(word(1, active=True), condition="start-failure")
    assert len(rung([late], [alert(1, is_open=True)], [order(1)], is_ordered=True)) == 1
    assert rung([], [alert(1, is_open=True, kind="clock-wrong", code=None)], [], is_ordered=True) == []


def test_an_alarm_opens_no_order_and_an_entrapment_a_rescue() -> None:
    button = Said(LIFT, "alarm", {"at": 1, "seq": 1, "boot": "b", "type": "button"}, condition="alarm", active=True)
    assert rung([button], [alert(1, is_open=True, kind="passenger-alarm", code=None)], [], is_ordered=True) == []
    trapped, rings = (
        [word(1, active=True, code="entrapment")],
        [alert(1, is_open=True, kind="entrapment", code="entrapment")],
    )
    assert rung(trapped, rings, [order(1, kind="rescue", cause="entrapment")], is_ordered=True) == []
    assert len(rung(trapped, rings, [order(1, cause="entrapment")], is_ordered=True)) == 2


def test_a_fault_that_comes_again_and_again_is_one_finding() -> None:
    said = [replace(word(seq, active=True, code=REPEATED), condition=None) for seq in (1, 2, 3)]
    found = alert(1, is_open=True, kind="repeated-fault", code=REPEATED)
    assert rung(said, [found], [order(1, cause=REPEATED)], is_ordered=False) == []
    assert rung(said, [], [], is_ordered=False) != []


def test_a_lift_that_has_gone_rings_once_and_stays_so() -> None:
    silent = alert(1, is_open=True, kind="no-contact", code=None)
    assert rung([WILL], [silent], [], is_ordered=True) == []
    for wrong in ([], [{**silent, "cleared_at": "then"}], [silent, {**silent, "id": 2}]):
        assert len(rung([WILL], wrong, [], is_ordered=True)) == 1


def test_a_lift_that_has_gone_before_the_service_connected_again_may_not_ring_yet() -> None:
    silent = alert(1, is_open=True, kind="no-contact", code=None)
    for right in ([], [silent]):
        assert rung([WILL], right, [], is_ordered=True, returning={LIFT}) == []
    assert len(rung([WILL], [silent, {**silent, "id": 2}], [], is_ordered=True, returning={LIFT})) == 1


def test_a_lift_that_speaks_after_its_last_will_is_not_called_silent_where_messages_overtake_each_other() -> None:
    silent = alert(1, is_open=False, kind="no-contact", code=None)
    assert rung([WILL], [], [], is_ordered=False) == rung([WILL], [silent], [], is_ordered=False) == []
    assert len(rung([WILL], [{**silent, "id": number} for number in range(4)], [], is_ordered=False)) == 1


def test_an_alert_about_the_service_may_not_stay_open() -> None:
    full = {**alert(1, is_open=False, kind="spool-full", code="liftwatch-ingest"), "lift_id": "$service"}
    assert rung([], [full], [], is_ordered=True) == []
    assert len(rung([], [{**full, "cleared_at": None}], [], is_ordered=True)) == 1


def ledger(said: list[Said], boots: list[dict[str, Any]]) -> list[str]:
    verdict = Verdict()
    there = {key_of_said(each) for each in said}
    judge_ledger(verdict, said, there, Found(ledgers={LIFT: {"boots": boots}}))
    return verdict.ledger


def test_the_ledger_has_to_count_what_is_stored_and_to_show_what_is_missing() -> None:
    said = [
        word(1, active=True),
        word(2, active=False),
        word(5, active=True),
        replace(WRONG, fields={"seq": 3, "boot": "b"}),
    ]
    assert ledger(said, [{"boot": "b", "stored": 3, "gaps": [[4, 4]]}]) == []
    assert len(ledger(said, [{"boot": "b", "stored": 3, "gaps": []}])) == 1
    assert len(ledger(said, [{"boot": "b", "stored": 4, "gaps": [[4, 4]]}])) == 1
    assert len(ledger(said, [])) == 1


def test_gaps_lie_between_the_first_and_the_last() -> None:
    assert gaps_in({3, 4, 8, 9, 11}) == [[5, 7], [10, 10]]
