"""Some days of one lift as bytes: the columns printed as JSON by the whole column, not object by object.

A template holds a row of the text, with room for its numbers; each number is written by looking four digits up at once,
and what was not needed of the room, being blank, is left out in the end. No text of the contract that is printed here
holds a blank. The bytes say the same as `wire.encode`, only that 2.40 is not shortened.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from ingest.messages import Kind
from ingest.wire import encode, topic_of
from simulator.chance import Ints
from simulator.cycles import Cycles, joined
from simulator.lift import RELEVEL_TENTH_MM, LiftDay
from simulator.machine import MachineRows

# Well inside the contract's 500 objects and 256 KiB.
OBJECTS_A_LINE = 400
_GROUP = 10_000

Words = NDArray[np.uint32]


def _packed(text: str) -> Words:
    """Return text as numbers of four characters each; its length is a multiple of four."""
    return np.frombuffer(text.encode(), dtype=np.uint32)


def _roomy(text: str) -> str:
    return text + " " * (-len(text) % 4)


# Four characters for each number below 10,000: with leading zeros, with blanks, with blanks for 0 too.
_ZEROS = "".join(f"{number:04d}" for number in range(_GROUP))
_BLANKS = "".join(f"{number:4d}" for number in range(_GROUP))
_DIGITS = _packed(_ZEROS + _BLANKS + "    " + _BLANKS[4:])
# What stands before and behind a point, for each number of tenths and hundredths below 10,000.
_POINTS = {
    1: _packed("".join(_roomy(f".{number % 10}") for number in range(_GROUP))),
    2: _packed("".join(_roomy(f".{number % 100:02d}") for number in range(_GROUP))),
}
_SIGNS = _packed("-       ")


class _Part(Struct, frozen=True):
    """Something printed after `text`: a column of whole numbers, in units of 10^-`decimals`, or one of `words`.

    A number has `groups` of four digits; with a point it has one before it. `full`: none of the digits is missing.
    """

    text: str
    column: Ints
    groups: int = 1
    decimals: int = 0
    signed: bool = False
    full: bool = False
    words: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """How many numbers of four characters it takes."""
        if self.words:
            return -(-max(map(len, self.words)) // 4)
        return self.groups + self.signed + (self.decimals > 0)


class Numbered(Struct, frozen=True):
    """The numbers that the messages of a day have: `boots` are the names of the runs, `boot` says which one it was."""

    seq: Ints
    boot: Ints
    boots: tuple[str, ...]


def numbered(at_ms: Ints, first_seq: int, boot: str, reboots: Sequence[tuple[int, str]]) -> Numbered:
    """Number the messages of a day over all kinds, in the order of the clock; from 0 after each of the `reboots`."""
    order = np.argsort(at_ms, kind="stable")
    rank, run = np.empty(len(at_ms), dtype=np.int64), np.zeros(len(at_ms), dtype=np.int64)
    seq = np.arange(len(at_ms)) + first_seq
    in_order = at_ms[order]
    for number, (reboot_ms, _) in enumerate(reboots, start=1):
        index = int(np.searchsorted(in_order, reboot_ms))
        seq[index:] = np.arange(len(at_ms) - index)
        run[order[index:]] = number
    rank[order] = seq
    return Numbered(rank, run, (boot, *(name for _, name in reboots)))


class DayLines:
    """The lines of `messages.ndjson` for some days of one lift."""

    def __init__(self, days: Sequence[LiftDay], first_seq: int, boot: str, reboots: Sequence[tuple[int, str]]) -> None:
        """Number the messages; `reboots` are those of these days, with the name of the run that begins then."""
        self._spec = days[0].spec
        self._others = [other for day in days for other in day.others()]
        self._made, self._machine = _cycles_of(days), _machine_of(days)
        others_ms = np.array([other.at_ms for other in self._others], dtype=np.int64)
        made = self._made
        columns = (made.arrive_ms, made.levelled_ms, made.end_ms, self._machine.at_ms, others_ms)
        self.at_ms = np.concatenate(columns)
        self.numbers = numbered(self.at_ms, first_seq, boot, reboots)
        self._splits = np.cumsum([0, *(len(column) for column in columns)])

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.at_ms)

    def runs(self) -> list[tuple[str, int, int]]:
        """Return, for each run of the controller that said anything, its name and its first and last number."""
        numbers, found = self.numbers, []
        for number, name in enumerate(numbers.boots):
            seq = numbers.seq[numbers.boot == number]
            if len(seq):
                found.append((name, int(seq.min()), int(seq.max())))
        return found

    def lines(self) -> Iterator[bytes]:
        """Yield the lines: arrays of one kind each."""
        for number, (kind, parts) in enumerate(self._tables()):
            rows = slice(int(self._splits[number]), int(self._splits[number + 1]))
            if rows.start < rows.stop:
                yield from self._printed(kind, [*self._frame(rows), *parts])
        yield from self._other_lines()

    def _frame(self, rows: slice) -> list[_Part]:
        numbers = self.numbers
        return [
            _Part('{"at":', self.at_ms[rows], groups=4, full=True),
            _Part(',"seq":', numbers.seq[rows], groups=3),
            _Part(',"boot":"', numbers.boot[rows], words=numbers.boots),
        ]

    def _tables(self) -> Iterator[tuple[Kind, list[_Part]]]:
        made, machine = self._made, self._machine
        ride_ms, up = made.arrive_ms - made.start_ms, (made.to_floor > made.from_floor).astype(np.int64)
        yield (
            Kind.TRIP,
            [
                _Part('","from_floor":', made.from_floor),
                _Part(',"to_floor":', made.to_floor),
                _Part(',"duration_ms":', ride_ms, groups=2),
                _Part(',"distance_mm":', made.distance_mm, groups=2),
                _Part(',"load_pct":', made.load_pct),
                _Part(',"max_speed_mm_s":', made.max_speed_mm_s, groups=2),
            ],
        )
        relevelled = (np.abs(made.error_tenth_mm) > RELEVEL_TENTH_MM).astype(np.int64)
        yield (
            Kind.LEVELLING,
            [
                _Part('","floor":', made.to_floor),
                _Part(',"direction":"', up, words=("down", "up")),
                _Part('","error_mm":', made.error_tenth_mm, decimals=1, signed=True),
                _Part(',"relevelled":', relevelled, words=("false", "true")),
                _Part(',"load_pct":', made.load_pct),
            ],
        )
        yield (
            Kind.DOOR,
            [
                _Part('","floor":', made.to_floor),
                _Part(',"opening_ms":', made.opening_ms, groups=2),
                _Part(',"dwell_ms":', made.dwell_ms, groups=2),
                _Part(',"closing_ms":', made.closing_ms, groups=2),
                _Part(',"reversals":', made.reversals),
                _Part(',"peak_current_a":', made.current_10ma, decimals=2),
                _Part("", made.nudging.astype(np.int64), words=("", ',"nudging":true')),
            ],
        )
        rows = [
            _Part('","machine_room_c":', machine.room_tenth_c, decimals=1, signed=True),
            _Part(',"motor_c":', machine.motor_tenth_c, decimals=1, signed=True),
        ]
        if machine.has_brake:
            rows.append(_Part(',"brake_release_ms":', machine.brake_release_ms))
            rows.append(_Part(',"brake_apply_ms":', machine.brake_apply_ms))
        yield Kind.MACHINE, [*rows, _Part(',"vibration_mg":', machine.vibration_tenth_mg, decimals=1)]

    def _printed(self, kind: Kind, parts: Sequence[_Part]) -> Iterator[bytes]:
        table = _table(parts)
        for first in range(0, len(table), OBJECTS_A_LINE):
            yield self._line(kind, table[first : first + OBJECTS_A_LINE].tobytes().translate(None, b" "))

    def _line(self, kind: Kind, objects: bytes) -> bytes:
        """Return a line of some objects, each of which ends with a comma."""
        topic = topic_of(self._spec.lift_id, kind).encode()
        return b'{"topic":"' + topic + b'","payload":[' + objects[:-1] + b"]}\n"

    def _other_lines(self) -> Iterator[bytes]:
        texts: dict[Kind, list[bytes]] = defaultdict(list)
        numbers, first = self.numbers, int(self._splits[4])
        for row, other in enumerate(self._others, start=first):
            boot = numbers.boots[int(numbers.boot[row])]
            body = structs.replace(other.body, seq=int(numbers.seq[row]), boot=boot)
            texts[other.kind].append(encode(body) + b",")
        for kind, of_kind in texts.items():
            for begin in range(0, len(of_kind), OBJECTS_A_LINE):
                yield self._line(kind, b"".join(of_kind[begin : begin + OBJECTS_A_LINE]))


def _table(parts: Sequence[_Part]) -> Words:
    """Return the rows as characters, four to a number, with blanks where there was more room than needed."""
    template = "".join(_roomy(part.text) + "    " * part.room for part in parts) + _roomy("},")
    table = np.empty((len(parts[0].column), len(template) // 4), dtype=np.uint32)
    table[:] = _packed(template)
    at = 0
    for part in parts:
        at += len(_roomy(part.text)) // 4
        _print(table[:, at : at + part.room], part)
        at += part.room
    return table


def _print(room: Words, part: _Part) -> None:
    values = part.column
    if part.words:
        words = _packed("".join(word.ljust(4 * part.room) for word in part.words)).reshape(-1, part.room)
        room[:] = words[values]
        return
    if part.signed:
        room[:, 0] = _SIGNS[(values >= 0).astype(np.int64)]
        values, room = np.abs(values), room[:, 1:]
    if part.decimals:
        room[:, 1] = _POINTS[part.decimals][values]
        values = values // 10**part.decimals
    _print_groups(room, values, part)


def _print_groups(room: Words, values: Ints, part: _Part) -> None:
    """Print whole numbers, the last four digits first."""
    for group in range(part.groups - 1, 0, -1):
        rest = values // _GROUP
        digits = values - rest * _GROUP
        if not part.full:
            digits += np.where(rest == 0, _GROUP if group == part.groups - 1 else 2 * _GROUP, 0)
        room[:, group] = _DIGITS[digits]
        values = rest
    blank = _GROUP if part.groups == 1 else 2 * _GROUP
    room[:, 0] = _DIGITS[values + blank]


def _cycles_of(days: Sequence[LiftDay]) -> Cycles:
    """Return the cycles of all days, their instants in ms since 1970."""
    made = joined([day.cycles for day in days])
    shift_ms = np.repeat([day.start_ms for day in days], [len(day.cycles) for day in days])
    names = ("start_ms", "arrive_ms", "levelled_ms", "end_ms")
    return structs.replace(made, **{name: getattr(made, name) + shift_ms for name in names})


def _machine_of(days: Sequence[LiftDay]) -> MachineRows:
    """Return the rows of all days, their instants in ms since 1970."""
    names = MachineRows.__struct_fields__[1:]
    columns = {name: np.concatenate([getattr(day.machine, name) for day in days]) for name in names}
    shift_ms = np.repeat([day.start_ms for day in days], [len(day.machine.at_ms) for day in days])
    columns["at_ms"] = columns["at_ms"] + shift_ms
    return MachineRows(days[0].machine.has_brake, **columns)
