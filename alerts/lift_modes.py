"""Which states a lift reports are worth a transaction: of thousands that say the same as before, none is.

What stands is read from the journal again every second in which states come, because another process may have written;
what this process has written it knows.
"""

from collections.abc import Callable, Iterator, Sequence

from alerts.conditions import DOOR_KEY, IN_SERVICE_KEY, is_in_service, runs_with_open_door
from ingest.messages import Kind, Message, State

REREAD_MS = 1_000
Standing = set[tuple[str, str]]


class LiftModes:
    """Remembers which lifts a person has taken over, and which run with open doors."""

    def __init__(self, read: Callable[[], Standing]) -> None:
        """Ask `read` for lift and key of what stands."""
        self._read = read
        self._standing: Standing = set()
        self._read_ms: int | None = None

    def news(self, messages: Sequence[Message]) -> list[Message]:
        """Return the states of a batch that say something else than what stands."""
        states = [message for message in messages if message.kind is Kind.STATE]
        if not states:
            return []
        self._reread(states[-1].received_ms)
        found, standing = [], set(self._standing)
        for message in states:
            said = list(_said(message))
            if any(stands is not (key in standing) for key, stands in said):
                found.append(message)
            _note(standing, said)
        return found

    def remember(self, news: Sequence[Message]) -> None:
        """Note what has been committed."""
        for message in news:
            _note(self._standing, _said(message))

    def _reread(self, now_ms: int) -> None:
        if self._read_ms is None or abs(now_ms - self._read_ms) >= REREAD_MS:
            self._standing = self._read()
            self._read_ms = now_ms


def _said(message: Message) -> Iterator[tuple[tuple[str, str], bool]]:
    body = message.body
    if isinstance(body, State):
        for key, stands in ((IN_SERVICE_KEY, is_in_service(body)), (DOOR_KEY, runs_with_open_door(body))):
            if stands is not None:
                yield (message.lift_id, key), stands


def _note(
    standing: Standing, said: Sequence[tuple[tuple[str, str], bool]] | Iterator[tuple[tuple[str, str], bool]]
) -> None:
    for key, stands in said:
        if stands:
            standing.add(key)
        else:
            standing.discard(key)
