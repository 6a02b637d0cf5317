import json
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerts.alert import AlertKind
from alerts.conditions import Word, evidence_of, key_of, transition_of, word_of
from ingest.faults import CANONICAL
from ingest.messages import Message
from tests.unit.alerts.parts import NOON, alarm, at, door, fault, state


def test_a_fault_that_stops_the_lift_is_a_transition_of_its_own_code() -> None:
    raised = transition_of(fault("door-closing-fault"))
    assert raised is not None
    assert (raised.kind, raised.code, raised.active, raised.key) == (
        AlertKind.LIFT_STOPPED,
        "door-closing-fault",
        True,
        "door-closing-fault",
    )
    cleared = transition_of(fault("door-closing-fault", "cleared"))
    assert cleared is not None
    assert not cleared.active


def test_an_entrapment_is_one_thing_though_the_lift_stands_too() -> None:
    raised = transition_of(fault("entrapment"))
    assert raised is not None
    assert raised.kind is AlertKind.ENTRAPMENT


@pytest.mark.parametrize("code", [code.code for code in CANONICAL.values() if not code.stops_lift])
def test_a_fault_that_leaves_the_lift_running_rings_nothing(code: str) -> None:
    assert transition_of(fault(code)) is None
    assert key_of(fault(code)) is None


@pytest.mark.parametrize("message", [alarm("filtered"), alarm("test"), door(), state(connected=False)])
def test_a_filtered_press_a_test_call_and_plain_readings_ring_nothing(message: Message) -> None:
    assert transition_of(message) is None
    assert key_of(message) is None


def test_the_button_the_answer_and_the_end_are_one_alarm() -> None:
    button, end = transition_of(alarm("button")), transition_of(alarm("end"))
    assert button is not None
    assert end is not None
    assert (button.active, end.active) == (True, False)
    assert len({key_of(alarm("button")), key_of(alarm("answered")), key_of(alarm("end"))}) == 1
    assert transition_of(alarm("answered")) is None


words = st.builds(Word, active=st.booleans(), changed_at=st.integers(0, 3).map(at))
well_numbered = st.lists(st.tuples(st.booleans(), st.integers(-2, 5)), min_size=1, max_size=6).map(
    lambda steps: [
        Word(active=active, changed_at=at(clock_s), boot="b", seq=seq) for seq, (active, clock_s) in enumerate(steps)
    ]
)


def newest(said: list[Word]) -> Word:
    known = said[0]
    for word in said[1:]:
        known = word if word.replaces(known) else known
    return known


@given(st.lists(words, min_size=1, max_size=4))
def test_what_is_known_last_does_not_depend_on_the_order_of_arrival(said: list[Word]) -> None:
    assert len({(newest(list(order)).active, newest(list(order)).changed_at) for order in permutations(said)}) == 1


@given(well_numbered, st.randoms())
def test_a_lift_that_numbers_its_messages_is_understood_though_its_clock_jumps(
    said: list[Word], random: Random
) -> None:
    shuffled = [*said, *said]
    random.shuffle(shuffled)
    assert newest(shuffled) == said[-1]


def test_the_same_word_again_replaces_nothing() -> None:
    for word in (Word(active=True, changed_at=NOON), Word(active=False, changed_at=NOON, boot="b", seq=1)):
        assert not word.replaces(word)


def test_numbers_of_two_boots_are_not_compared() -> None:
    before = Word(active=True, changed_at=at(0), boot="b1", seq=900)
    assert Word(active=False, changed_at=at(1), boot="b2", seq=0).replaces(before)


def test_numbers_without_a_boot_are_not_trusted_for_they_may_have_started_again() -> None:
    before = Word(active=True, changed_at=at(0), seq=900)
    assert Word(active=False, changed_at=at(1), seq=0).replaces(before)


def test_a_clear_of_the_same_second_is_the_later_one() -> None:
    raised, cleared = Word(active=True, changed_at=NOON), Word(active=False, changed_at=NOON)
    assert cleared.replaces(raised)
    assert not raised.replaces(cleared)


def heard(*, active: bool, said_s: float, received_s: float, boot: str | None = None, seq: int | None = None) -> Word:
    return Word(active=active, changed_at=at(said_s), received_at=at(received_s), boot=boot, seq=seq)


def test_a_raise_after_a_clock_that_was_ahead_is_set_right_is_news() -> None:
    cleared = heard(active=False, said_s=480, received_s=0)
    assert heard(active=True, said_s=119, received_s=120).replaces(cleared)
    assert heard(active=True, said_s=1, received_s=1).replaces(cleared)


def test_a_word_from_before_a_clock_was_set_right_that_comes_again_is_no_news() -> None:
    raised, cleared = heard(active=True, said_s=420, received_s=-60), heard(active=False, said_s=480, received_s=0)
    for again_s in (5, 300, 419, 600, 6_000):
        again = heard(active=True, said_s=420, received_s=again_s)
        assert not again.replaces(cleared), again_s
    assert cleared.replaces(raised)


def test_old_news_of_a_clock_that_is_right_does_not_outdo_a_word_from_ahead() -> None:
    cleared = heard(active=False, said_s=480, received_s=0)
    assert not heard(active=True, said_s=-30, received_s=10).replaces(cleared), "measured before the clearing came"
    assert not heard(active=True, said_s=10, received_s=200).replaces(cleared), "not live"


def test_a_second_ahead_is_an_ordinary_clock() -> None:
    cleared = heard(active=False, said_s=2, received_s=0)
    assert not heard(active=True, said_s=1, received_s=5).replaces(cleared)


def test_numbers_of_one_boot_decide_though_a_clock_was_ahead() -> None:
    cleared = heard(active=False, said_s=480, received_s=0, boot="b", seq=8)
    assert not heard(active=True, said_s=1, received_s=1, boot="b", seq=7).replaces(cleared)


def test_a_clock_that_is_known_to_be_wrong_is_corrected_before_words_are_compared() -> None:
    before = fault("overspeed", "cleared", at_s=0, boot="b1")
    after = structs.replace(fault("overspeed", at_s=-7_100, received_s=100), offset_ms=7_200_000)
    assert word_of(after, active=True).replaces(word_of(before, active=False))


def test_the_evidence_is_the_message_with_both_clocks_and_its_readings() -> None:
    said = evidence_of(fault("overspeed", at_s=1, received_s=3, floor=4, seq=17, boot="b", controller_code="E17"))
    assert said == {
        "message": "fault",
        "measured_at": "2026-03-02T12:00:01+00:00",
        "received_at": "2026-03-02T12:00:03+00:00",
        "seq": 17,
        "boot": "b",
        "readings": {"code": "overspeed", "phase": "raised", "floor": 4, "controller_code": "E17"},
    }
    assert json.loads(json.dumps(said)) == said
