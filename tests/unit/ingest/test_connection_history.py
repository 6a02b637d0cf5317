"""What a row of connections tells: patience between them, and a name that two programs use."""

import pytest

from ingest.connection_history import RETRY_S_MAX, RETRY_S_MIN, UNDISTURBED_S, ConnectionHistory

NAME = "liftwatch-ingest"


def connection(history: ConnectionHistory, begins_s: float, lasts_s: float, *, taken_over: bool = False) -> float:
    history.begins(begins_s)
    history.ends(begins_s + lasts_s, taken_over=taken_over)
    return begins_s + lasts_s


def test_failed_attempts_are_made_ever_more_slowly_but_often_enough_to_be_back_in_30_s() -> None:
    history = ConnectionHistory(NAME)
    waits = []
    for attempt in range(8):
        history.ends(attempt)
        waits.append(history.retry_s())
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == RETRY_S_MAX


def test_after_a_connection_that_held_the_first_attempt_is_quick() -> None:
    history = ConnectionHistory(NAME)
    for attempt in range(8):
        history.ends(attempt)
    connection(history, 10, 3_600)
    assert history.retry_s() == RETRY_S_MIN
    assert history.trouble(4_000) is None


def test_attempts_that_fail_are_no_sign_of_a_second_program() -> None:
    history = ConnectionHistory(NAME)
    for attempt in range(20):
        history.ends(attempt)
    assert history.trouble(30) is None


def test_a_name_that_the_broker_says_is_used_elsewhere_is_named_at_once_and_attempts_are_slow() -> None:
    history = ConnectionHistory(NAME)
    over_s = connection(history, 0, 600, taken_over=True)
    assert history.trouble(over_s) == f"client id {NAME} is used by another program"
    assert history.retry_s() == RETRY_S_MAX


def test_the_trouble_stays_until_a_connection_has_held() -> None:
    history = ConnectionHistory(NAME)
    now_s = connection(history, 0, 1, taken_over=True) + 10
    for _ in range(5):
        history.begins(now_s)
        assert history.trouble(now_s + UNDISTURBED_S - 1) is not None
        history.ends(now_s + UNDISTURBED_S - 1)
        assert history.trouble(now_s + UNDISTURBED_S + 5) is not None
        now_s += UNDISTURBED_S + 10
    history.begins(now_s)
    assert history.trouble(now_s + UNDISTURBED_S) is None
    history.ends(now_s + UNDISTURBED_S)
    assert history.trouble(now_s + UNDISTURBED_S) is None
    assert history.retry_s() == RETRY_S_MIN


def test_a_broker_that_cannot_say_so_is_understood_after_three_connections_that_broke() -> None:
    history = ConnectionHistory(NAME)
    over_s = connection(history, 0, 2)
    over_s = connection(history, over_s + 1, 30)
    assert history.trouble(over_s) is None
    over_s = connection(history, over_s + 1, 2)
    assert NAME in (history.trouble(over_s) or "")
    assert "3 times" in (history.trouble(over_s) or "")


@pytest.mark.parametrize("lasts_s", [UNDISTURBED_S, 10 * UNDISTURBED_S])
def test_connections_that_hold_between_two_breaks_are_no_sign(lasts_s: float) -> None:
    history = ConnectionHistory(NAME)
    over_s = 0.0
    for _ in range(10):
        over_s = connection(history, over_s + 1, 2)
        over_s = connection(history, over_s + 1, lasts_s)
    assert history.trouble(over_s) is None


def test_a_refusal_is_no_sign_of_a_second_program() -> None:
    history = ConnectionHistory(NAME)
    for attempt in range(10):
        history.begins(attempt)
        history.ends(attempt + 0.5, refused=True)
    assert history.trouble(20) is None
    assert history.retry_s() == RETRY_S_MAX
