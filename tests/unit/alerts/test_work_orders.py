from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerts.alert import IllegalTransitionError
from alerts.work_orders import LEGAL_TRANSITIONS, UNDONE_STATES, OrderKind, OrderState, WorkOrder, moved, number_of
from tests.unit.alerts.parts import NOON, at

NEW = WorkOrder(
    id=12,
    number="WO-2026-000012",
    lift_id="A1",
    kind=OrderKind.REPAIR,
    cause="door-closing-fault",
    state=OrderState.OPEN,
    opened_at=NOON,
    arrive_by=at(3_600),
    arrived_at=None,
    done_at=None,
    closed_at=None,
    cause_code=None,
    assigned_to=None,
    alert_ids=[7],
    recurrence_of=None,
    message="Lift A1 stopped: door closing fault",
)
EVERYTHING = {"note": "because", "cause_code": "worn door shoe", "assigned_to": "Ines"}


def walked(*states: str, order: WorkOrder = NEW, **said: Any) -> WorkOrder:
    for minute, state in enumerate(states, start=1):
        order = moved(order, state, at(60 * minute), **{**EVERYTHING, **said})
    return order


def test_an_order_goes_all_the_way() -> None:
    order = walked("assigned", "accepted", "en-route", "on-site", "done", "verified", "closed")
    assert order.state is OrderState.CLOSED
    assert (order.arrived_at, order.done_at, order.closed_at) == (at(240), at(300), at(420))
    assert (order.assigned_to, order.cause_code) == ("Ines", "worn door shoe")


def test_a_centre_that_only_hears_he_is_there_may_say_just_that() -> None:
    assert walked("on-site", "done", "closed").state is OrderState.CLOSED


def test_waiting_for_a_part_keeps_the_first_arrival() -> None:
    order = walked("on-site", "on-hold", "en-route", "on-site")
    assert (order.state, order.arrived_at) == (OrderState.ON_SITE, at(60))


@pytest.mark.parametrize("state", sorted(UNDONE_STATES))
def test_an_order_can_be_cancelled_until_it_is_done(state: OrderState) -> None:
    order = moved(structs.replace(NEW, state=state), "cancelled", NOON, note="the owner's own people came")
    assert (order.state, order.closed_at) == (OrderState.CANCELLED, NOON)


@pytest.mark.parametrize("state", ["done", "verified", "closed", "cancelled"])
def test_what_is_done_is_not_cancelled(state: str) -> None:
    with pytest.raises(IllegalTransitionError, match=f"from {state} to cancelled"):
        moved(structs.replace(NEW, state=OrderState(state)), "cancelled", NOON, note="late thought")


@pytest.mark.parametrize("state", ["open", "assigned", "accepted", "en-route", "on-hold"])
def test_nothing_is_done_by_somebody_who_did_not_arrive(state: str) -> None:
    with pytest.raises(IllegalTransitionError):
        moved(structs.replace(NEW, state=OrderState(state)), "done", NOON, cause_code="x")


@pytest.mark.parametrize("final", ["closed", "cancelled"])
def test_closed_and_cancelled_are_final(final: str) -> None:
    for to in OrderState:
        with pytest.raises(IllegalTransitionError):
            moved(structs.replace(NEW, state=OrderState(final)), to, NOON, **EVERYTHING)


@pytest.mark.parametrize("note", [None, "", "  "])
@pytest.mark.parametrize("to", ["cancelled", "on-hold"])
def test_cancelling_and_holding_need_a_reason(to: str, note: str | None) -> None:
    with pytest.raises(IllegalTransitionError, match="a reason"):
        moved(structs.replace(NEW, state=OrderState.ON_SITE), to, NOON, note=note)


def test_assigning_needs_a_person() -> None:
    with pytest.raises(IllegalTransitionError, match="a person"):
        moved(NEW, "assigned", NOON)


def test_taking_an_assignment_back_forgets_the_person() -> None:
    assert walked("assigned", "open", assigned_to="Ines").assigned_to is None


def test_a_repair_is_not_done_without_its_cause_but_maintenance_is() -> None:
    on_site = structs.replace(NEW, state=OrderState.ON_SITE)
    with pytest.raises(IllegalTransitionError, match="cause"):
        moved(on_site, "done", NOON)
    assert moved(structs.replace(on_site, cause_code="belt"), "done", NOON).cause_code == "belt"
    assert moved(structs.replace(on_site, kind=OrderKind.MAINTENANCE), "done", NOON).done_at == NOON


def test_a_cause_code_that_the_register_could_not_hold_is_refused() -> None:
    on_site = structs.replace(NEW, state=OrderState.ON_SITE)
    assert moved(on_site, "done", NOON, cause_code="c" * 200).cause_code == "c" * 200
    with pytest.raises(IllegalTransitionError, match="at most 200"):
        moved(on_site, "done", NOON, cause_code="c" * 201)


def test_a_state_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(IllegalTransitionError, match="no such state of a work order: lost"):
        moved(NEW, "lost", NOON)


def test_the_table_knows_every_state_and_every_state_can_be_reached() -> None:
    assert set(LEGAL_TRANSITIONS) == set(OrderState)
    reached = set().union(*LEGAL_TRANSITIONS.values(), {OrderState.OPEN})
    assert reached == set(OrderState)


@given(st.lists(st.tuples(st.sampled_from([*OrderState, "lost"]), st.booleans()), max_size=30))
def test_no_sequence_of_transitions_reaches_an_illegal_state(attempts: list[tuple[str, bool]]) -> None:
    order, path = NEW, [NEW.state]
    for second, (to, says_all) in enumerate(attempts):
        try:
            order = moved(order, to, at(second), **(EVERYTHING if says_all else {}))
        except IllegalTransitionError:
            continue
        path.append(order.state)
    assert all(after in LEGAL_TRANSITIONS[before] for before, after in pairwise(path))
    assert (order.arrived_at is not None) is (OrderState.ON_SITE in path)
    assert (order.done_at is not None) is (OrderState.DONE in path)
    assert (order.closed_at is not None) is (path[-1] in {OrderState.CLOSED, OrderState.CANCELLED})
    assert (order.id, order.number, order.opened_at, order.alert_ids) == (12, NEW.number, NOON, [7])


def test_numbers_count_on_and_carry_their_year() -> None:
    assert number_of(12, NOON) == "WO-2026-000012"
