"""Flow control: a lift that chatters is held to its quota, and nobody else is."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.flow import WINDOW_S, Flow, Quota
from ingest.messages import Kind

QUOTA = Quota(per_s=2, burst=100, backlog_burst=1_000)


def admitted(flow: Flow, lift_id: str, objects: int, *, late: bool = False) -> int:
    """How many of so many single objects a lift may say at once."""
    return sum(flow.admits(lift_id, Kind.DOOR, int(not late), int(late)) for _ in range(objects))


def started() -> Flow:
    flow = Flow(QUOTA)
    flow.tick(0.0)
    return flow


def test_a_burst_is_taken_and_what_is_beyond_it_is_not() -> None:
    free = int(QUOTA.per_s * WINDOW_S)
    assert admitted(started(), "L1", 10_000) == QUOTA.burst + free


def test_one_that_chatters_takes_nothing_from_the_lift_beside_it() -> None:
    flow = started()
    admitted(flow, "CHATTERS", 10_000)
    assert admitted(flow, "QUIET", 50) == 50


def test_chatter_in_the_readings_costs_no_alarm() -> None:
    flow = started()
    admitted(flow, "L1", 10_000)
    assert flow.admits("L1", Kind.ALARM, 1, 0)
    assert flow.admits("L1", Kind.FAULT, 1, 0)


def test_old_news_has_a_larger_budget_of_its_own() -> None:
    flow = started()
    assert admitted(flow, "L1", 10_000, late=True) == QUOTA.backlog_burst + QUOTA.per_s * WINDOW_S
    assert admitted(flow, "L1", 50) == 50


def test_a_budget_fills_again_with_time() -> None:
    flow = started()
    admitted(flow, "L1", 10_000)
    flow.tick(WINDOW_S)
    free = int(QUOTA.per_s * WINDOW_S)
    assert admitted(flow, "L1", 10_000) == free, "the window that began has its own free part, the burst is owed still"
    flow.tick(WINDOW_S + 1_000)
    assert admitted(flow, "L1", 10_000) == QUOTA.burst + free


def test_a_payload_is_taken_as_a_whole_or_not_at_all() -> None:
    flow = started()
    assert flow.admits("L1", Kind.DOOR, 120, 0)
    assert not flow.admits("L1", Kind.DOOR, 1, 0)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 200)), max_size=60))
def test_in_the_long_run_no_lift_says_more_than_its_quota(steps: list[tuple[float, int]]) -> None:
    flow, now_s, taken = started(), 0.0, 0
    for wait_s, objects in steps:
        now_s += wait_s
        flow.tick(now_s)
        taken += admitted(flow, "L1", objects)
    assert taken <= QUOTA.burst + QUOTA.per_s * (now_s + 2 * WINDOW_S)
