"""The truth, written down where the service never reads it: a folder of its own, apart from the history.

failures.csv    each failure with its true cause, since when it showed, whether people were trapped, what was noted
wear.csv        each part that wore: from when to when, and what ended it
conditions.csv  the hidden condition: one row a day for each part that is worn
visits.csv      what visits did to a part: fixed, masked, broke
sent.csv        for each run of each controller the numbers of the messages that it sent
disturbed.csv   what did not go out as it should: truncated and unsent (those numbers are lost), duplicates, ...
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from ingest.clock import from_ms
from simulator.fleet import LiftSpec
from simulator.life import Breakdown, Life
from simulator.traffic import DAY_MS

_FAILURES = (
    *("lift_id", "failed_at", "cleared_at", "kind", "cause", "component", "code", "floor", "stops", "precursor_from"),
    *("entrapment", "freed_at", "noted_code", "repair_held", "fault_id"),
)
_WEAR = ("lift_id", "mechanism", "floor", "began_at", "ended_at", "ended_by")
_CONDITIONS = ("lift_id", "day", "mechanism", "floor", "severity")
_VISITS = ("lift_id", "at", "part", "effect")
_SENT = ("lift_id", "boot", "first_seq", "last_seq", "messages")
_DISTURBED = ("lift_id", "made_at", "what", "boot", "seq")


class TruthError(ValueError):
    """A folder that must not hold the truth."""


class Truth:
    """Writes the truth of a fleet into a folder; what was sent is counted, and written when it is closed."""

    def __init__(self, folder: Path, history: Path | None = None) -> None:
        """Open the files.

        Raises:
            TruthError: the folder lies in that of the history, or the other way round: whoever imports would find it.
        """
        if history is not None and _overlap(folder.resolve(), history.resolve()):
            message = f"{folder} and {history}: the truth must lie apart from what the service reads"
            raise TruthError(message)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = ExitStack()
        self._disturbed = self._open("disturbed.csv", _DISTURBED)
        self._sent: dict[tuple[str, str], list[int]] = {}

    def write_lives(self, lives: Iterable[tuple[LiftSpec, Life]], since_ms: int, until_ms: int) -> None:
        """Write what happens to the lifts in a window."""
        with ExitStack() as files:
            failures = self._open("failures.csv", _FAILURES, files)
            wear = self._open("wear.csv", _WEAR, files)
            conditions = self._open("conditions.csv", _CONDITIONS, files)
            visits = self._open("visits.csv", _VISITS, files)
            for spec, life in lives:
                failures.writerows(_failures(spec.lift_id, life, since_ms, until_ms))
                wear.writerows(_wear(spec.lift_id, life, since_ms, until_ms))
                conditions.writerows(_conditions(spec.lift_id, life, since_ms, until_ms))
                effects = (each for each in life.effects if since_ms <= each.at_ms < until_ms)
                visits.writerows((spec.lift_id, _instant(each.at_ms), each.mechanism, each.effect) for each in effects)

    def said(self, lift_id: str, boot: str, seq: int, made_ms: int) -> None:  # noqa: ARG002 - a log may want the instant
        """Count a message that went out."""
        self.said_all(lift_id, boot, seq, seq)

    def said_all(self, lift_id: str, boot: str, first: int, last: int) -> None:
        """Count messages of consecutive numbers that went out."""
        known = self._sent.setdefault((lift_id, boot), [first, last, 0])
        known[0], known[1] = min(known[0], first), max(known[1], last)
        known[2] += last - first + 1

    def disturbed(self, lift_id: str, what: str, made_ms: int, boot: str = "", seq: int | None = None) -> None:
        """Write down what else went out; with a number: that message was lost on the way."""
        self._disturbed.writerow((lift_id, _instant(made_ms), what, boot, "" if seq is None else seq))

    def close(self) -> None:
        """Write what was sent, and let go of the files."""
        with self._files:
            sent = self._open("sent.csv", _SENT)
            sent.writerows((*key, *counts) for key, counts in sorted(self._sent.items()))

    def _open(self, name: str, columns: Sequence[str], files: ExitStack | None = None) -> Any:  # noqa: ANN401 - csv has no type
        path = self._folder / name
        file = (files or self._files).enter_context(path.open("w", newline="", encoding="utf-8"))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        return writer


def _overlap(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _instant(at_ms: int | None) -> str:
    return "" if at_ms is None else from_ms(at_ms).isoformat()


def _failures(lift_id: str, life: Life, since_ms: int, until_ms: int) -> Iterator[tuple[object, ...]]:
    for each in life.breakdowns:
        if since_ms <= each.failed_ms < until_ms:
            yield (lift_id, *_failure(each))


def _failure(each: Breakdown) -> tuple[object, ...]:
    return (
        *(_instant(each.failed_ms), _instant(each.cleared_ms), each.kind, each.cause, each.component, each.code),
        *("" if each.floor is None else each.floor, int(each.stops), _instant(each.precursor_ms)),
        *(
            int(each.freed_ms is not None),
            _instant(each.freed_ms),
            each.noted_code or "",
            int(each.held),
            each.fault_id,
        ),
    )


def _wear(lift_id: str, life: Life, since_ms: int, until_ms: int) -> Iterator[tuple[object, ...]]:
    for wear in life.wears:
        if wear.since_ms < until_ms and wear.until_ms > since_ms:
            floor = "" if wear.floor is None else wear.floor
            yield (lift_id, wear.mechanism, floor, _instant(wear.since_ms), _instant(wear.until_ms), wear.ended_by)


def _conditions(lift_id: str, life: Life, since_ms: int, until_ms: int) -> Iterator[tuple[object, ...]]:
    """Yield how worn each part is at noon of each day."""
    for wear in life.wears:
        floor = "" if wear.floor is None else wear.floor
        first = max(since_ms, wear.since_ms) // DAY_MS
        for day in range(first, min(until_ms, wear.until_ms) // DAY_MS + 1):
            noon_ms = day * DAY_MS + DAY_MS // 2
            if since_ms <= noon_ms < until_ms and wear.since_ms <= noon_ms < wear.until_ms:
                date = (from_ms(0) + timedelta(days=day)).date().isoformat()
                yield (lift_id, date, wear.mechanism, floor, round(wear.severity_at(noon_ms), 4))
