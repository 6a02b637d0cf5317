"""The queue between reading and working: bounded in count and bytes, in order, taken in any portion."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.broker import Delivery
from ingest.delivery_queue import TAKE_BYTES_MAX, DeliveryQueue

SIZE = 100


def chunk(numbers: range, *, qos: int = 1, size: int = SIZE) -> tuple[list[Delivery], int]:
    deliveries = [Delivery(1, number, qos, "t", bytes(size), 0) for number in numbers]
    return deliveries, size * len(deliveries)


def mids(deliveries: list[Delivery]) -> list[int]:
    return [delivery.mid for delivery in deliveries]


@given(sizes=st.lists(st.integers(1, 20), max_size=10), portions=st.lists(st.integers(1, 25), min_size=1, max_size=30))
def test_whatever_is_put_and_taken_in_portions_comes_out_once_and_in_order(
    sizes: list[int], portions: list[int]
) -> None:
    queue = DeliveryQueue(1_000, 1_000_000)
    total = 0
    for size in sizes:
        queue.put(*chunk(range(total, total + size)))
        total += size
    taken: list[int] = []
    for portion in portions:
        got = mids(queue.take(portion, 0))
        assert len(got) == min(portion, total - len(taken))
        taken += got
        assert (len(queue), queue.size) == (total - len(taken), SIZE * (total - len(taken)))
    assert taken == list(range(len(taken)))


def test_room_ends_with_the_count() -> None:
    queue = DeliveryQueue(10, 1_000_000)
    queue.put(*chunk(range(9)))
    assert queue.wait_for_room(0)
    queue.put(*chunk(range(9, 12)))
    assert not queue.wait_for_room(0)
    queue.take(3, 0)
    assert queue.wait_for_room(0)


def test_room_ends_with_the_bytes() -> None:
    queue = DeliveryQueue(10, 5 * SIZE)
    queue.put(*chunk(range(5)))
    assert not queue.wait_for_room(0)
    queue.take(1, 0)
    assert queue.wait_for_room(0)


def test_one_portion_is_bounded_in_bytes() -> None:
    queue = DeliveryQueue(1_000, 1_000_000_000)
    for number in range(9):
        queue.put(*chunk(range(number, number + 1), size=TAKE_BYTES_MAX // 4))
    assert mids(queue.take(1_000, 0)) == [0, 1, 2, 3]


@pytest.mark.parametrize("act", ["take", "wake"])
def test_who_waits_for_room_is_woken(act: str) -> None:
    queue = DeliveryQueue(1, 1_000)
    queue.put(*chunk(range(1)))
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(queue.wait_for_room(60)))
    waiter.start()
    while waiter.is_alive():  # until it waits nobody can be woken
        if act == "wake":
            queue.wake()
        else:
            queue.take(1, 0)
        waiter.join(0.01)
    assert answers == [act == "take"]


def test_who_waits_for_a_delivery_is_woken_by_it() -> None:
    queue = DeliveryQueue(10, 1_000)
    taken: list[Delivery] = []
    waiter = threading.Thread(target=lambda: taken.extend(queue.take(5, 60)))
    waiter.start()
    queue.put(*chunk(range(1)))
    waiter.join()
    assert mids(taken) == [0]


def test_what_the_broker_delivers_again_is_forgotten_the_rest_is_kept() -> None:
    queue = DeliveryQueue(10, 1_000)
    queue.put(*chunk(range(3)))
    queue.put(*chunk(range(3, 5), qos=0))
    queue.forget()
    assert (len(queue), queue.size) == (2, 2 * SIZE)
    assert mids(queue.take(10, 0)) == [3, 4]
    queue.forget()
    assert queue.take(10, 0) == []
