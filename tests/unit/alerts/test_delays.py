"""How long a condition still has to stand: never longer than the delay, never when it keeps coming back."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from alerts.delays import TIMES_MAX, left_ms

DELAY_MS = 1_200_000
MIN_MS = 60_000


def changes(*spans_min: int, now_min: int = 1_000) -> list[tuple[int, bool]]:
    """Changes that end with a beginning `now_min` after the start; spans go back in time: gap, pulse, gap, ..."""
    back = accumulate(spans_min, initial=0)
    return [((now_min - ago) * MIN_MS, number % 2 == 0) for number, ago in enumerate(back)][::-1]


def test_the_first_time_it_has_to_stand_the_whole_delay() -> None:
    assert left_ms(changes(), DELAY_MS) == left_ms([], DELAY_MS) == DELAY_MS


def test_what_it_stood_shortly_before_counts() -> None:
    assert left_ms(changes(5, 15), DELAY_MS) == 5 * MIN_MS


def test_what_it_stood_more_than_twice_the_delay_ago_does_not() -> None:
    assert left_ms(changes(40, 15), DELAY_MS) == DELAY_MS
    assert left_ms(changes(30, 15), DELAY_MS) == 10 * MIN_MS


def test_the_fifth_time_within_an_hour_waits_no_more() -> None:
    assert left_ms(changes(*[13, 1] * (TIMES_MAX - 1)), DELAY_MS) == 0
    assert left_ms(changes(*[15, 1] * (TIMES_MAX - 1)), DELAY_MS) > 0


@given(st.lists(st.integers(0, 90), max_size=19).filter(lambda spans: len(spans) % 2 == 0), st.integers(1, 3_600_000))
def test_it_never_waits_longer_than_the_delay_and_never_less_than_nothing(spans: list[int], delay_ms: int) -> None:
    assert 0 <= left_ms(changes(*spans), delay_ms) <= delay_ms


@given(st.lists(st.integers(0, 90), max_size=16).filter(lambda spans: len(spans) % 2 == 0), st.integers(0, 30))
def test_having_stood_longer_never_makes_it_wait_longer(spans: list[int], more: int) -> None:
    longer = [span + more if number % 2 and number == len(spans) - 1 else span for number, span in enumerate(spans)]
    assert left_ms(changes(*longer), DELAY_MS) <= left_ms(changes(*spans), DELAY_MS)
