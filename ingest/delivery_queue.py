"""Deliveries between the thread that reads them from the broker and those that work on them; bounded twice."""

import threading
from collections import deque

from ingest.broker import Delivery

# An array of 500 objects takes some 60 times its bytes once it is decoded.
TAKE_BYTES_MAX = 4 * 1024 * 1024


class DeliveryQueue:
    """First in, first out. Deliveries come by the chunk, as they were read, so that a lock is taken once for many.

    The bounds are told to the one that puts (`wait_for_room`) and not enforced on it: what it has read already must go
    somewhere, so one chunk may stand above them.
    """

    def __init__(self, count_max: int, bytes_max: int) -> None:
        """Have room until there are `count_max` deliveries or `bytes_max` bytes."""
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._chunks: deque[tuple[list[Delivery], int]] = deque()
        self._count = 0
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Return how many deliveries wait."""
        return self._count

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._bytes

    def put(self, deliveries: list[Delivery], size: int) -> None:
        """Append a chunk of `size` bytes, with or without room."""
        with self._changed:
            self._chunks.append((deliveries, size))
            self._count += len(deliveries)
            self._bytes += size
            self._changed.notify_all()

    def wait_for_room(self, wait_s: float) -> bool:
        """Return whether there is room, after at most `wait_s` seconds."""
        with self._changed:
            return self._has_room() or (self._changed.wait(wait_s) and self._has_room())

    def take(self, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries, oldest first, and no more chunks once there are `TAKE_BYTES_MAX` bytes.

        Waits at most `wait_s` seconds for the first.
        """
        taken: list[Delivery] = []
        size = 0
        with self._changed:
            if not self._chunks:
                self._changed.wait(wait_s)
            while self._chunks and len(taken) < most and size < TAKE_BYTES_MAX:
                chunk, chunk_size = self._first(most - len(taken))
                taken += chunk
                size += chunk_size
            self._count -= len(taken)
            self._bytes -= size
            self._changed.notify_all()
        return taken

    def wake(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop what the broker will deliver again: all that has to be acknowledged."""
        with self._changed:
            kept = [delivery for chunk, _ in self._chunks for delivery in chunk if delivery.qos == 0]
            self._chunks.clear()
            self._count = self._bytes = 0
            if kept:
                self.put(kept, _bytes_of(kept))
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._count < self._count_max and self._bytes < self._bytes_max

    def _first(self, most: int) -> tuple[list[Delivery], int]:
        chunk, size = self._chunks.popleft()
        if len(chunk) <= most:
            return chunk, size
        head, rest = chunk[:most], chunk[most:]
        head_size = _bytes_of(head)
        self._chunks.appendleft((rest, size - head_size))
        return head, head_size


def _bytes_of(deliveries: list[Delivery]) -> int:
    return sum(len(delivery.payload) for delivery in deliveries)
