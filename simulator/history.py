"""Years of a fleet as history files, which `liftwatch import` and `liftwatch backtest` read. Streaming, block by block.

The file of messages is in the order of time by blocks: some days of each lift, then some more. What is held in memory
is one block of one lift, and the lives of the fleet.
"""

import gzip
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from msgspec import Struct, structs

from ingest.clock import from_ms, monotonic_s
from ingest.fleet import Outage, OutageKind, Visit
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.lift import LiftDay
from simulator.lines import DayLines
from simulator.living import life_of
from simulator.register import LIFT_COLUMNS, lifts, visit_of, write_table
from simulator.traffic import DAY_MS
from simulator.truth import Truth

BLOCK_DAYS = 7
# Above 1 it costs more time than the generation itself.
_GZIP_LEVEL = 1
_TELL_EVERY_S = 5.0


class Sink(Protocol):
    """Where the lines of messages go."""

    def write(self, line: bytes, /) -> int:
        """Write a line."""
        ...


class Span(Struct, frozen=True):
    """The days of a history: from the first to before the last instant, whole days (UTC)."""

    since_ms: int
    until_ms: int


class Written(Struct):
    """What was written."""

    messages: int = 0
    bytes: int = 0
    lift_days: int = 0


class HistoryFiles:
    """Writes the history of a fleet into a folder: the same seed, the same bytes."""

    def __init__(
        self, folder: Path, fleet: Sequence[LiftSpec], span: Span, lives: Mapping[str, Life] | None = None
    ) -> None:
        """Write the days of `span`; `lives` are those of a scenario, by lift; who has none there has his own."""
        self._folder, self._fleet, self._span = folder, fleet, span
        self._lives = lives or {}
        self._next_seq: dict[str, tuple[str, int]] = {}
        self.written = Written()

    def life(self, spec: LiftSpec) -> Life:
        """Return the life of a lift."""
        return self._lives.get(spec.lift_id) or life_of(spec, self._span.until_ms)

    def write(self, truth: Truth | None, *, zipped: bool, say: Callable[[str], None]) -> None:
        """Write all files."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.write_tables()
        if truth is not None:
            lives = ((spec, self.life(spec)) for spec in self._fleet)
            truth.write_lives(lives, self._span.since_ms, self._span.until_ms)
        name = "messages.ndjson.gz" if zipped else "messages.ndjson"
        with _opened(self._folder / name, zipped=zipped) as file:
            self.write_messages(file, truth, say)

    def write_tables(self) -> None:
        """Write lifts, outages and visits."""
        since_ms, until_ms = self._span.since_ms, self._span.until_ms
        days = {"observed_from": from_ms(since_ms).date(), "observed_to": from_ms(until_ms - 1).date()}
        known = [structs.replace(lift, **days) for lift in lifts(self._fleet, from_ms(until_ms))]
        write_table(self._folder / "lifts.csv", LIFT_COLUMNS, known)
        outages = sorted(self._outages(), key=lambda outage: (outage.raised_at, outage.lift_id))
        write_table(self._folder / "faults.csv", Outage.__struct_fields__, outages)
        visits = sorted(self._visits(), key=lambda visit: (visit.done_at, visit.lift_id))
        write_table(self._folder / "visits.csv", Visit.__struct_fields__, visits)

    def write_messages(self, file: Sink, truth: Truth | None, say: Callable[[str], None]) -> None:
        """Write all messages, block by block."""
        began_s, tell_at_s = monotonic_s(), monotonic_s() + _TELL_EVERY_S
        for since_ms in range(self._span.since_ms, self._span.until_ms, BLOCK_DAYS * DAY_MS):
            until_ms = min(since_ms + BLOCK_DAYS * DAY_MS, self._span.until_ms)
            for spec in self._fleet:
                self._write_block(file, spec, since_ms, until_ms, truth)
            if monotonic_s() >= tell_at_s:
                tell_at_s = monotonic_s() + _TELL_EVERY_S
                say(f"{from_ms(until_ms).date()}: {self.written.messages} messages in {monotonic_s() - began_s:.0f} s")
        say(f"{self.written.messages} messages, {self.written.bytes} bytes in {monotonic_s() - began_s:.1f} s")

    def _write_block(self, file: Sink, spec: LiftSpec, since_ms: int, until_ms: int, truth: Truth | None) -> None:
        life = self.life(spec)
        days = [LiftDay(spec, from_ms(day_ms).date(), (), life) for day_ms in range(since_ms, until_ms, DAY_MS)]
        boot, seq = self._next_seq.get(spec.lift_id) or (_boot(since_ms), 0)
        first, last = bisect_right(life.reboots, since_ms), bisect_right(life.reboots, until_ms - 1)
        reboots = [(at_ms, _boot(at_ms)) for at_ms in life.reboots[first:last]]
        lines = DayLines(days, seq, boot, reboots)
        for line in lines.lines():
            file.write(line)
            self.written.bytes += len(line)
        self.written.messages += len(lines)
        self.written.lift_days += len(days)
        runs = lines.runs()
        if truth is not None:
            for name, first_seq, last_seq in runs:
                truth.said_all(spec.lift_id, name, first_seq, last_seq)
        self._next_seq[spec.lift_id] = (lines.numbers.boots[-1], _next_seq(runs, lines.numbers.boots[-1], seq, boot))

    def _outages(self) -> Iterator[Outage]:
        for spec in self._fleet:
            life = self.life(spec)
            for each in life.breakdowns:
                if each.stops and self._is_seen(each.failed_ms):
                    kind = OutageKind(each.kind)
                    yield self._outage(spec.lift_id, kind, each.failed_ms, each.cleared_ms, each.code)
            for planned in life.planned:
                if self._is_seen(planned.begin_ms):
                    yield self._outage(spec.lift_id, OutageKind.PLANNED, planned.begin_ms, planned.end_ms, None)

    def _outage(self, lift_id: str, kind: OutageKind, raised_ms: int, cleared_ms: int, code: str | None) -> Outage:
        cleared_at = from_ms(cleared_ms) if cleared_ms < self._span.until_ms else None
        return Outage(lift_id=lift_id, kind=kind, raised_at=from_ms(raised_ms), code=code, cleared_at=cleared_at)

    def _visits(self) -> Iterator[Visit]:
        for spec in self._fleet:
            for presence in self.life(spec).presences:
                if self._is_seen(presence.end_ms):
                    yield visit_of(spec.lift_id, presence)

    def _is_seen(self, at_ms: int) -> bool:
        return self._span.since_ms <= at_ms < self._span.until_ms


def _boot(at_ms: int) -> str:
    return f"{at_ms // 1000:08x}"


def _next_seq(runs: Sequence[tuple[str, int, int]], boot: str, seq: int, before: str) -> int:
    """Return the number that follows the last one of a run."""
    last = [last_seq for name, _, last_seq in runs if name == boot]
    return last[-1] + 1 if last else seq if boot == before else 0


@contextmanager
def _opened(path: Path, *, zipped: bool) -> Iterator[Sink]:
    """Open a file for writing; a zipped one holds neither name nor time, so that its bytes are the same again."""
    with path.open("wb") as file:
        if not zipped:
            yield file
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            yield packed
