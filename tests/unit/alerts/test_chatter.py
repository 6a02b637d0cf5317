import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.chatter import evidence_of, is_chattering


def changes(*at_s: float) -> list[tuple[int, bool]]:
    """Changes at these seconds, the first of which is a beginning."""
    return [(int(second * 1_000), place % 2 == 0) for place, second in enumerate(at_s)]


@pytest.mark.parametrize(
    ("at_s", "chatters"),
    [((0, 20), False), ((0, 20, 60), True), ((0, 20, 61), False), ((0, 100, 110, 120), True), ((), False)],
)
def test_three_changes_within_a_minute_are_chattering(at_s: tuple[float, ...], chatters: bool) -> None:
    assert is_chattering(changes(*at_s)) is chatters


def test_the_delays_that_are_proposed_are_longer_than_what_was_seen() -> None:
    seen = evidence_of(changes(0, 4, 10, 17, 22))
    assert (seen["pulses_s"], seen["gaps_s"]) == ([4, 7], [6, 5])
    assert (seen["proposed_on_delay_s"], seen["proposed_off_delay_s"]) == (10, 10)


def test_a_pause_is_no_part_of_the_chatter() -> None:
    assert evidence_of(changes(0, 4, 4_000, 4_006, 4_010))["proposed_off_delay_s"] == 5


@given(st.lists(st.integers(1, 290), min_size=2, max_size=19))
def test_an_on_delay_as_proposed_would_have_let_nothing_ring(spans_s: list[int]) -> None:
    at_s = [sum(spans_s[:place]) for place in range(len(spans_s) + 1)]
    seen = evidence_of(changes(*at_s))
    assert all(pulse < seen["proposed_on_delay_s"] for pulse in seen["pulses_s"])
    assert all(gap < seen["proposed_off_delay_s"] for gap in seen["gaps_s"])
