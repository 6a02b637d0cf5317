"""The files of a history, read: each line as what it holds, or as what is wrong with it. Line by line, bounded."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Generic, Protocol, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct, structs

from ingest import wire
from ingest.fleet import Lift, Outage, Visit

# A payload at its largest, each byte of it escaped, and the topic.
LINE_BYTES_MAX = 8 * wire.PAYLOAD_BYTES_MAX

_T = TypeVar("_T", bound=Struct)
_V = TypeVar("_V")


class HistoryProblem(Struct, frozen=True):
    """One line that was not taken in (or one column, on the line of the header), and why."""

    file: str
    line: int
    reason: str


class Row(Struct, Generic[_V], frozen=True):
    """What stands in a file, and the line that it begins on."""

    line: int
    value: _V


class Table(Struct, Generic[_T], frozen=True):
    """A CSV file: its columns are the fields of `form`; `cells` reads those that are not text."""

    file: str
    form: type[_T]
    required: tuple[str, ...]
    cells: Mapping[str, Callable[[str], object]]


class MessageLine(Struct, frozen=True):
    """One MQTT message as a history holds it. A payload that is a JSON string holds the bytes as text."""

    topic: str
    payload: Raw

    @property
    def content(self) -> bytes:
        """The payload as it came over MQTT."""
        raw = bytes(self.payload)
        return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw


def _date(text: str) -> date:
    return msgspec.convert(text, date)


def _instant(text: str) -> datetime:
    """Read an RFC 3339 instant, or a date: its first instant in UTC."""
    if len(text) == len("2014-06-30"):
        return datetime.combine(_date(text), time(), UTC)
    instant: datetime = msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
    return instant.astimezone(UTC)


def _yes_or_no(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in known:
        message = f"neither true nor false: {text}"
        raise ValueError(message)
    return known[text.lower()]


LIFTS = Table(
    "lifts.csv",
    Lift,
    ("lift_id",),
    {
        "floors": int,
        "commissioned_on": _date,
        "observed_from": _date,
        "observed_to": _date,
        "certificate_expires_on": _date,
        "silence_s_max": int,
        "alarm_tests": _yes_or_no,
    },
)
OUTAGES = Table("faults.csv", Outage, ("lift_id", "kind", "raised_at"), {"raised_at": _instant, "cleared_at": _instant})
VISITS = Table("visits.csv", Visit, ("lift_id", "kind", "done_at"), {"done_at": _instant})


def read_table(path: Path, table: Table[_T]) -> Iterator[Row[_T] | HistoryProblem]:
    """Yield the lines of a CSV file as what they hold, or as what is wrong with them; blank lines are left out.

    A file whose header lacks a required column, or has one twice, gives that problem alone.
    """
    columns: list[str | None] | None = None
    for row in _csv_rows(path):
        if isinstance(row, HistoryProblem):
            yield row
        elif columns is not None:
            yield _read_row(path.name, row, columns, table)
        else:
            columns, problem = _read_header(row.value, table)
            if problem is not None:
                yield HistoryProblem(path.name, row.line, problem)
            if not columns:
                return
    if columns is None:
        yield HistoryProblem(path.name, 1, "no header")


def _read_header(cells: list[str], table: Table[_T]) -> tuple[list[str | None], str | None]:
    """Return the field of each column (None: it is not read) and what is wrong; no columns where nothing is usable."""
    header = [cell.strip() for cell in cells]
    fields = {field.name for field in structs.fields(table.form)}
    faults = {
        "there is no column": [name for name in table.required if name not in header],
        "more than one column": [name for name, times in Counter(header).items() if times > 1],
    }
    for words, names in faults.items():
        if names:
            return [], f"{words} {', '.join(names)}; nothing of this file was read"
    unknown = [name for name in header if name not in fields]
    columns = [name if name in fields else None for name in header]
    return columns, f"columns that are not read: {', '.join(unknown)}" if unknown else None


def _read_row(file: str, row: Row[list[str]], columns: list[str | None], table: Table[_T]) -> Row[_T] | HistoryProblem:
    if len(row.value) != len(columns):
        return HistoryProblem(file, row.line, f"{len(row.value)} cells, the header has {len(columns)}")
    try:
        cells = {name: _storable(cell) for name, cell in zip(columns, row.value, strict=True) if name is not None}
        values = {name: _read_cell(table, name, cell) for name, cell in cells.items() if cell}
        value = msgspec.convert(values, table.form)
    except ValueError as error:
        return HistoryProblem(file, row.line, str(error))
    if isinstance(value, Outage) and value.cleared_at is not None and value.cleared_at < value.raised_at:
        return HistoryProblem(file, row.line, "cleared_at: before raised_at")
    return Row(row.line, value)


def _read_cell(table: Table[_T], name: str, text: str) -> object:
    read = table.cells.get(name)
    try:
        return text if read is None else read(text)
    except (ValueError, OverflowError) as error:
        message = f"{name}: {error}"
        raise ValueError(message) from error


def _storable(cell: str) -> str:
    """Return a cell without the blanks around it.

    Raises:
        ValueError: it holds what no database takes: bytes that are not UTF-8, or NUL.
    """
    if "\x00" in cell:
        message = "holds a NUL character"
        raise ValueError(message)
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        message = f"is not UTF-8: {cell[:20]!r}"
        raise ValueError(message) from error
    return cell.strip()


def _csv_rows(path: Path) -> Iterator[Row[list[str]] | HistoryProblem]:
    """Yield the lines of a CSV file (a quoted cell may hold line breaks: then the first of its lines counts)."""
    with path.open("rb") as file:
        lines = _Lines(file)
        text = (line.decode("utf-8-sig" if lines.number == 1 else "utf-8", "surrogateescape") for line in lines)
        reader = csv.reader(text, strict=True)
        while True:
            first = lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield HistoryProblem(path.name, first, f"{error} (read until line {lines.number})")
                continue
            finally:
                too_long = lines.take_too_long()
            yield from (_too_long(path, number) for number in too_long)
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield Row(first, cells)


def _too_long(path: Path, number: int) -> HistoryProblem:
    return HistoryProblem(path.name, number, f"longer than {LINE_BYTES_MAX} bytes")


class _File(Protocol):
    """A file of bytes, compressed or not."""

    def readline(self, size: int, /) -> bytes: ...


class _Lines:
    """The lines of a file, each of them bounded: one that is too long is left out, and its number kept."""

    def __init__(self, file: _File) -> None:
        self.number = 0
        self._file = file
        self._too_long: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(LINE_BYTES_MAX):
            self.number += 1
            if len(line) < LINE_BYTES_MAX or line.endswith(b"\n"):
                yield line
                continue
            self._too_long.append(self.number)
            while (rest := self._file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            yield b"\n"  # whoever reads must come to see that it is missing

    def take_too_long(self) -> list[int]:
        numbers, self._too_long = self._too_long, []
        return numbers


def read_messages(path: Path) -> Iterator[Row[MessageLine] | HistoryProblem]:
    """Yield the lines of a message file (gzipped where its name ends in `.gz`), or what is wrong with them."""
    decoder = msgspec.json.Decoder(MessageLine)
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        lines = _Lines(file)
        try:
            for line in lines:
                yield from (_too_long(path, number) for number in lines.take_too_long())
                if line.strip():
                    yield _read_message(path.name, lines.number, line, decoder)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            yield HistoryProblem(path.name, lines.number + 1, f"the compressed file is damaged from here on: {error}")


def _read_message(
    file: str, number: int, line: bytes, decoder: msgspec.json.Decoder[MessageLine]
) -> Row[MessageLine] | HistoryProblem:
    try:
        return Row(number, decoder.decode(line))
    except (ValueError, RecursionError) as error:
        return HistoryProblem(file, number, str(error))
