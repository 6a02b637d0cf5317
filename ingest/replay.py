"""Replay: what waits in quarantine goes through intake again, as it came, against today's register and profiles.

It is old news, whatever its age: it counts in statistics and in the ledger, nobody is woken by it. Each row is replayed
once. It is in hand while it is worked on, so that of two replays at once each takes its own; it is kept first and
marked afterwards, so that a crash in between only makes the same thing happen again, which no store notices.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from msgspec import Struct, structs

from ingest.clock import Clock, to_ms
from ingest.database import DATABASE_AWAY
from ingest.fleet_register import FleetRegister
from ingest.intake import UNKNOWN_LIFT, Intake
from ingest.messages import Message
from ingest.quarantine import Quarantine, Quarantined, QuarantinedMessage, Selection, Settled, refused_later
from ingest.telemetry_store import StoreRefusedError
from ingest.wire import Reason, Refusal

ROWS_AT_A_TIME = 100
# How long a replay that was killed keeps its rows from the next one; a store answers, or fails, far sooner.
IN_HAND = timedelta(minutes=2)
UNREPLAYABLE_COUNTED_MAX = 10_000

Keep = Callable[[Sequence[Message]], None]
# Is told what was kept, and what was refused again.
Note = Callable[[Sequence[Message], Sequence[Quarantined]], None]


class ReplayReport(Struct, kw_only=True):
    """What became of the rows of a replay (in a dry run: what would).

    Attributes:
        rows: how many were taken in hand.
        replayed: how many of them are done; of these `messages` were kept.
        refused: how many wait on, because nothing of them was accepted.
        rest: objects that were refused out of rows that are done; they wait as rows of their own.
        unreplayable: rows of the selection that never can be replayed, because not all that came is kept.
        next_id: where there may be more: the number above which to go on.
    """

    rows: int = 0
    replayed: int = 0
    messages: int = 0
    refused: int = 0
    rest: int = 0
    unreplayable: int = 0
    next_id: int | None = None

    def summary(self, *, dry_run: bool) -> str:
        """Return one line for a person."""
        would = "would be " if dry_run else ""
        line = f"{self.replayed} {would}replayed ({self.messages} messages), {self.refused} {would}refused again"
        if self.rest:
            line += f", {self.rest} objects of those replayed {would}refused again"
        if self.unreplayable:
            line += f"; {self.unreplayable} cannot be replayed, not all that came is kept"
        return line + ("; more wait" if self.next_id is not None else "")


class _Piece(Struct):
    """A row, and what intake makes of it now."""

    row: QuarantinedMessage
    accepted: list[Message]
    refused: list[Quarantined]

    @property
    def is_done(self) -> bool:
        return bool(self.accepted) or not self.refused

    def outcome(self) -> Settled:
        if self.is_done:
            return Settled(self.row.id)
        first, more = self.refused[0], len(self.refused) - 1
        words = f"{first.detail} (and {more} more of its objects)" if more else first.detail
        return Settled(self.row.id, Refusal(first.payload, first.reason, words))


def _nobody(_kept: Sequence[Message], _refused: Sequence[Quarantined]) -> None:
    """Tell nobody."""


class Replay:
    """Brings quarantined messages to the store that today's intake accepts."""

    def __init__(
        self,
        quarantine: Quarantine,
        intake: Intake,
        register: FleetRegister,
        clock: Clock,
        *,
        keep: Keep,
        note: Note = _nobody,
    ) -> None:
        """Give what is accepted to `keep`, which makes it durable as `TelemetryStore.write` does, and tell `note`."""
        self._quarantine, self._intake, self._register, self._clock = quarantine, intake, register, clock
        self._keep, self._note = keep, note

    def run(self, which: Selection, *, limit: int, after_id: int = 0, dry_run: bool = False) -> ReplayReport:
        """Replay at most `limit` rows that wait, above `after_id`, lowest number first.

        Raises:
            StoreUnavailableError: nothing more can be kept now; what was replayed before stays so, the rest waits.
        """
        # What arrives meanwhile, and what this replay itself leaves over, is for the next one.
        which = structs.replace(which, replayed=False, id_max=self._quarantine.newest_id())
        report = ReplayReport(unreplayable=self._quarantine.count_unreplayable(which, at_most=UNREPLAYABLE_COUNTED_MAX))
        profiles = self._register.profiles_of_lifts()
        while report.rows < limit:
            some = min(ROWS_AT_A_TIME, limit - report.rows)
            rows = self._rows(which, some, after_id, dry_run=dry_run)
            if not rows:
                return report
            after_id = rows[-1].id
            pieces = [self._judged(row, profiles) for row in rows]
            report.rows += len(rows)
            report.replayed += sum(piece.is_done for piece in pieces) if dry_run else self._finish(pieces)
            _count(pieces, report)
        if self._quarantine.replayable(which, limit=1, after_id=after_id):
            report.next_id = after_id
        return report

    def _rows(self, which: Selection, limit: int, after_id: int, *, dry_run: bool) -> Sequence[QuarantinedMessage]:
        if dry_run:
            return self._quarantine.replayable(which, limit=limit, after_id=after_id)
        now = self._clock.now()
        return self._quarantine.claim(which, limit=limit, after_id=after_id, now=now, until=now + IN_HAND)

    def _judged(self, row: QuarantinedMessage, profiles: dict[str, str | None]) -> _Piece:
        received_ms = to_ms(row.received_at)
        taken = self._intake.take(row.topic, row.payload, received_ms, lambda name: profiles.get(name, UNKNOWN_LIFT))
        return _Piece(row, [_old_news(message) for message in taken.accepted], taken.quarantined)

    def _finish(self, pieces: Sequence[_Piece]) -> int:
        """Keep what was accepted, then say so; return how many rows are done that were not before."""
        with self._given_back([piece.row.id for piece in pieces]):
            self._write([(piece, message) for piece in pieces for message in piece.accepted])
            kept = [message for piece in pieces for message in piece.accepted]
            refused = [item for piece in pieces for item in piece.refused]
            if kept or refused:
                self._note(kept, refused)
            self._quarantine.add(item for piece in pieces if piece.is_done for item in piece.refused)
            return self._quarantine.settle([piece.outcome() for piece in pieces], self._clock.now())

    def _write(self, some: Sequence[tuple[_Piece, Message]]) -> None:
        """Keep the messages; what the store refuses goes over to the refused of its row, so that the rest is kept."""
        if not some:
            return
        try:
            self._keep([message for _, message in some])
        except StoreRefusedError as error:
            if len(some) == 1:
                piece, message = some[0]
                piece.accepted = [other for other in piece.accepted if other is not message]
                piece.refused.append(refused_later(message, Reason.STORE_REFUSED, str(error)))
                return
            middle = len(some) // 2
            self._write(some[:middle])
            self._write(some[middle:])

    @contextmanager
    def _given_back(self, numbers: Sequence[int]) -> Iterator[None]:
        """Give rows back when they cannot be finished now, so that nobody has to wait for them."""
        try:
            yield
        except BaseException:
            with suppress(*DATABASE_AWAY):
                self._quarantine.release(numbers)
            raise


def _old_news(message: Message) -> Message:
    return message if message.late else structs.replace(message, late=True)


def _count(pieces: Sequence[_Piece], report: ReplayReport) -> None:
    for piece in pieces:
        report.messages += len(piece.accepted)
        if piece.is_done:
            report.rest += len(piece.refused)
        else:
            report.refused += 1
