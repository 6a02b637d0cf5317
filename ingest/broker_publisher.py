"""The port by which we speak over the broker instead of listening, and its form in memory."""

import threading
from typing import Protocol


class PublishError(Exception):
    """The broker has not taken it; the same call may succeed later."""


class Publisher(Protocol):
    """Publishes with QoS 1."""

    def publish(self, topic: str, content: bytes) -> None:
        """Return once the broker has acknowledged; from any thread.

        Raises:
            PublishError: it has not, within some seconds.
        """
        ...

    def stop(self) -> None:
        """Disconnect; the next `publish` connects again."""
        ...


class MemoryPublisher:
    """Keeps what was published."""

    def __init__(self) -> None:
        """Begin empty, and working."""
        self.published: list[tuple[str, bytes]] = []
        self.is_away = False
        self._lock = threading.Lock()

    def publish(self, topic: str, content: bytes) -> None:
        """See `Publisher.publish`."""
        with self._lock:
            if self.is_away:
                raise PublishError
            self.published.append((topic, content))

    def stop(self) -> None:
        """See `Publisher.stop`."""
