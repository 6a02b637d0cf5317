from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.alert import (
    ALERT_KINDS,
    OPEN_STATES,
    PEOPLE,
    SUPPRESSION_CHANGES,
    AlertChange,
    AlertState,
    IllegalTransitionError,
    Suppression,
    cause_of,
    changed,
    open_key_of,
)

ACTIVE, ACKNOWLEDGED = AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.ACTIVE_ACKNOWLEDGED
CLEARED, OVER = AlertState.CLEARED_UNACKNOWLEDGED, AlertState.CLEARED_ACKNOWLEDGED


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (ACTIVE, AlertChange.ACKNOWLEDGE, ACKNOWLEDGED),
        (ACTIVE, AlertChange.CLEAR, CLEARED),
        (ACKNOWLEDGED, AlertChange.CLEAR, OVER),
        (CLEARED, AlertChange.ACKNOWLEDGE, OVER),
    ],
)
def test_an_alert_is_acknowledged_and_cleared_in_either_order(
    before: AlertState, change: AlertChange, after: AlertState
) -> None:
    assert changed(before, change) is after


@pytest.mark.parametrize(
    ("state", "change"),
    [
        (ACKNOWLEDGED, AlertChange.ACKNOWLEDGE),
        (OVER, AlertChange.ACKNOWLEDGE),
        (CLEARED, AlertChange.CLEAR),
        (OVER, AlertChange.CLEAR),
    ],
)
def test_nothing_is_acknowledged_or_cleared_twice(state: AlertState, change: AlertChange) -> None:
    with pytest.raises(IllegalTransitionError, match=f"{change.value} an alert that is {state.value}"):
        changed(state, change)


@given(st.lists(st.sampled_from([AlertChange.ACKNOWLEDGE, AlertChange.CLEAR])))
def test_whatever_is_tried_each_change_happens_at_most_once(attempts: list[AlertChange]) -> None:
    state, made = ACTIVE, []
    for change in attempts:
        try:
            state = changed(state, change)
        except IllegalTransitionError:
            continue
        made.append(change)
    assert len(made) == len(set(made)) == len(set(attempts))
    assert state.is_open is (AlertChange.CLEAR not in attempts)


@pytest.mark.parametrize("state", [ACTIVE, ACKNOWLEDGED])
def test_what_returns_is_unacknowledged(state: AlertState) -> None:
    assert changed(state, AlertChange.RETURN) is ACTIVE


@pytest.mark.parametrize("state", [CLEARED, OVER])
def test_what_is_cleared_never_comes_back(state: AlertState) -> None:
    for change in AlertChange:
        with suppress(IllegalTransitionError):
            assert not changed(state, change).is_open
    with pytest.raises(IllegalTransitionError, match="cannot return an alert that is cleared"):
        changed(state, AlertChange.RETURN)


def test_every_change_of_silence_has_a_name_and_the_same_twice_is_none() -> None:
    assert set(SUPPRESSION_CHANGES) == {pair for pair in product(Suppression, repeat=2) if pair[0] is not pair[1]}


def test_people_are_never_silent_whatever_else_is() -> None:
    assert {"entrapment", "passenger-alarm", "unregistered-lift-alarm", "lift-unobserved"} == PEOPLE
    assert set(ALERT_KINDS) > PEOPLE


def test_an_alert_is_open_until_it_is_cleared() -> None:
    assert {state for state in AlertState if state.is_open} == OPEN_STATES == {ACTIVE, ACKNOWLEDGED}


def test_no_two_kinds_share_a_name() -> None:
    assert len(ALERT_KINDS) == len(set(ALERT_KINDS))


def test_the_cause_is_the_fault_code_or_else_the_kind() -> None:
    assert cause_of("lift-stopped", "door-closing-fault") == "door-closing-fault"
    assert cause_of("repeated-fault", "door-closing-fault") == "door-closing-fault"
    assert cause_of("no-contact", None) == "no-contact"


def test_only_a_rescue_has_the_cause_entrapment_so_that_a_repair_never_takes_its_place() -> None:
    assert cause_of("entrapment", "entrapment") == "entrapment"
    assert cause_of("repeated-fault", "entrapment") == "repeated-fault"


def test_two_causes_of_one_lift_have_two_keys() -> None:
    keys = {open_key_of(lift, kind, code) for lift in "AB" for kind in ALERT_KINDS for code in (None, "overspeed")}
    assert len(keys) == 2 * len(ALERT_KINDS) * 2
