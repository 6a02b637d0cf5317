from datetime import timedelta

import pytest
from msgspec import structs
from sqlalchemy.engine import Engine

from alerts.alert import AlertState
from alerts.work_orders import OrderKind
from analytics.findings import Finding, FindingKind
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault, finding


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine, lift_ids=["A1", "B2"])


def test_a_new_finding_is_an_alert_in_its_own_words_and_an_order(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    alert, order = room.alert(), room.order()
    assert (alert.kind, alert.code, alert.priority) == ("repeated-fault", "lift-shaft-device-fault", 3)
    assert (alert.message, alert.raised_at, alert.received_at) == ("3 times in 7 days (AS-02)", at(-3_600), NOON)
    assert (order.kind, order.cause, order.arrive_by) == (OrderKind.REPAIR, "lift-shaft-device-fault", None)
    assert alert.work_order_id == order.id


def test_the_evidence_holds_the_figures_and_what_they_rest_on(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    assert room.alert().evidence == [
        {
            "kind": "repeated-fault",
            "code": "lift-shaft-device-fault",
            "found_at": "2026-03-02T11:00:00Z",
            "value": 3.0,
            "limit": 3.0,
        },
        {"raised_at": "2026-03-02T11:00:00+00:00"},
    ]


@pytest.mark.parametrize("kind", FindingKind)
def test_each_kind_opens_what_its_rule_says(room: Room, kind: FindingKind) -> None:
    room.desk.apply([finding(kind, code=None)], NOON)
    alert, rule = room.alert(), RULES.rule(kind).at(None)
    assert (alert.kind, alert.priority, alert.source) == (kind, rule.priority, rule.source)
    assert [order.kind for order in room.orders()] == [rule.opens_order] * (rule.opens_order is not None)


def wearing(days_left: float | None) -> Finding:
    worn = finding(FindingKind.DRIFT, code=None, reason="the landing door closes more slowly")
    return structs.replace(worn, component="landing-door", floor=3, days_left=days_left)


@pytest.mark.parametrize(("days_left", "orders"), [(None, 0), (15.1, 0), (15, 1), (-2, 1)])
def test_a_part_that_wears_opens_its_order_when_the_next_visit_may_come_too_late(
    room: Room, days_left: float | None, orders: int
) -> None:
    room.desk.apply([wearing(days_left)], NOON)
    assert [order.kind for order in room.orders()] == [OrderKind.PREDICTED_FAULT] * orders
    assert len(room.alerts()) == 1


def test_a_part_whose_time_becomes_short_opens_one_order_and_none_after_it_was_mended(room: Room) -> None:
    for day, days_left in enumerate([40, 16, 14, 13, 12]):
        room.desk.apply([wearing(days_left)], at(86_400 * day))
    order = room.order()
    assert (order.cause, order.opened_at) == ("landing-door-floor-3", at(2 * 86_400))
    assert room.alert().work_order_id == order.id
    room.finish(order, at_s=5 * 86_400, cause_code="door-shoe")
    room.desk.apply([wearing(11)], at(6 * 86_400))
    assert len(room.orders()) == 1
    room.desk.apply([], at(7 * 86_400))
    room.desk.apply([wearing(3)], at(60 * 86_400))
    assert room.orders()[0].recurrence_of == order.id


def test_the_same_assessment_again_changes_nothing(room: Room) -> None:
    room.desk.apply([finding(), finding(FindingKind.MAINTENANCE_OVERDUE, code=None)], NOON)
    before = room.alerts(), room.orders()
    for _ in range(2):
        room.another_desk().apply([finding(FindingKind.MAINTENANCE_OVERDUE, code=None), finding()], NOON)
    assert (room.alerts(), room.orders()) == before


def test_a_finding_that_stands_keeps_its_words_up_to_date_without_noise(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    room.desk.acknowledge(room.alert().id, "Olga", at(60))
    room.desk.apply([finding(reason="4 times in 7 days (AS-02)", value=4)], at(3_600))
    alert = room.alert()
    assert (alert.message, alert.evidence[0]["value"]) == ("4 times in 7 days (AS-02)", 4)
    assert (alert.state, alert.received_at) == (AlertState.ACTIVE_ACKNOWLEDGED, NOON)
    actions = [entry.action for entry in room.journal.alert_history(alert.id)]
    assert actions == ["raised", "acknowledged"]
    assert len(room.orders()) == 1


def test_a_finding_that_is_gone_clears_its_alert_and_leaves_the_order(room: Room) -> None:
    room.desk.apply([finding(), finding(lift_id="B2")], NOON)
    room.desk.apply([finding(lift_id="B2")], at(3_600))
    assert [alert.lift_id for alert in room.alerts(state="open")] == ["B2"]
    cleared = room.alert(lift_id="A1")
    assert cleared.cleared_at == at(3_600)
    last = room.journal.alert_history(cleared.id)[-1]
    assert (last.actor, last.action) == ("liftwatch", "cleared")
    assert "no longer finds it" in (last.note or "")
    assert len(room.undone()) == 2


def test_an_assessment_clears_no_alert_that_a_lift_raised(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    room.desk.apply([], at(60))
    assert room.alert().state.is_open


def test_an_older_assessment_than_the_newest_changes_nothing(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    room.desk.apply([], at(-1))
    room.desk.apply([finding(lift_id="B2")], at(-1))
    assert [(alert.lift_id, alert.state.is_open) for alert in room.alerts()] == [("A1", True)]


def test_an_alert_cleared_by_hand_comes_back_with_the_next_assessment_and_opens_no_second_order(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    room.desk.clear(room.alert().id, "Olga", at(60), "we know")
    room.desk.apply([finding()], at(3_600))
    assert len(room.alerts()) == 2
    assert len(room.orders()) == 1


def test_a_stopped_lift_and_its_repeated_fault_share_one_order(room: Room) -> None:
    room.desk.observe([fault("lift-shaft-device-fault")])
    room.desk.apply([finding()], at(60))
    assert len(room.alerts(state="open")) == 2
    assert room.order().alert_ids == sorted(alert.id for alert in room.alerts())


def test_a_lift_that_stops_starts_the_clock_of_the_order_that_a_finding_opened(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    assert room.order().arrive_by is None
    room.desk.observe([fault("lift-shaft-device-fault", at_s=600)])
    assert room.order().arrive_by == at(600 + 3_600)
    assert room.journal.work_order_history(room.order().id)[-1].action == "clock-started"


def test_a_clock_is_not_started_for_somebody_who_is_there_already(room: Room) -> None:
    room.desk.apply([finding()], NOON)
    room.desk.transition(room.order().id, "on-site", "Ines", at(300))
    room.desk.observe([fault("lift-shaft-device-fault", at_s=600)])
    assert room.order().arrive_by is None


def test_a_rescue_does_not_wait_behind_a_repair_for_repeated_entrapments(room: Room) -> None:
    room.desk.apply([finding(code="entrapment")], NOON)
    room.desk.observe([fault("entrapment", at_s=60)])
    assert [order.kind for order in room.undone()] == [OrderKind.RESCUE, OrderKind.REPAIR]
    assert room.orders(kind="rescue")[0].arrive_by == at(60) + timedelta(minutes=30)


def test_a_repeat_repair_names_the_order_that_did_not_hold(room: Room) -> None:
    room.desk.observe([fault("lift-shaft-device-fault"), fault("lift-shaft-device-fault", "cleared", at_s=5)])
    first = room.finish(room.order(), at_s=60, cause_code="lift-shaft-device-fault")
    room.desk.apply([finding(FindingKind.REPEAT_REPAIR)], at(86_400))
    alert = room.alert(kind="repeat-repair")
    assert alert.evidence[-1] == {"earlier_work_order": first.number, "done_at": "2026-03-02T12:01:00+00:00"}
    assert alert.work_order_id is None


def test_maintenance_that_was_done_ends_order_and_alert(room: Room) -> None:
    overdue = finding(FindingKind.MAINTENANCE_OVERDUE, code=None)
    room.desk.apply([overdue], NOON)
    room.finish(room.order(), at_s=60)
    (recorded,) = room.register.visits(at(10**6))
    assert (recorded.visit.kind, recorded.visit.cause_code) == ("maintenance", None)
    room.desk.apply([], at(3_600))
    assert room.alerts(state="open") == []


def test_two_findings_of_one_cause_are_one_alert(room: Room) -> None:
    room.desk.apply([finding(), structs.replace(finding(), floor=3)], NOON)
    assert len(room.alerts()) == len(room.orders()) == 1


def test_a_code_that_only_an_imported_history_knows_is_a_cause_like_any_other(room: Room) -> None:
    room.desk.apply([finding(code="Стоп / " + "x" * 190)], NOON)
    assert room.alert().cause == room.order().cause == "Стоп / " + "x" * 190


def test_what_is_reported_only_rings_nothing_and_ends_what_rang_before(room: Room) -> None:
    quiet = structs.replace(finding(), report_only=True)
    room.desk.apply([quiet], NOON)
    assert room.alerts() == []
    room.desk.apply([finding()], at(60))
    room.desk.apply([quiet], at(120))
    alert = room.alert()
    assert alert.state is AlertState.CLEARED_UNACKNOWLEDGED
    assert "wrong too often" in (room.journal.alert_history(alert.id)[-1].note or "")
    room.desk.apply([finding()], at(180))
    assert len(room.alerts()) == 2, "good enough again"
