"""How the daily values of a lift are kept: one day as bytes, a few hundred for a low building and 2 KiB for a tall one.

Format 1, little-endian: one byte with the number of the format; three counts of two bytes each: records of doors, of
levels, of the lift; those records as `features` declares them; then, where there were faults, a MessagePack map of code
and count. Whoever changes the records gives the format a new number, and every day is computed anew.
"""

import struct
from collections.abc import Iterable, Mapping
from itertools import accumulate

import msgspec
import numpy as np

from analytics.features import DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD, DayValues, FleetValues

FORMAT = 1
_HEADER = struct.Struct("<BHHH")
_RECORDS = (DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD)
_ENCODER = msgspec.msgpack.Encoder()
_FAULTS = msgspec.msgpack.Decoder(dict[str, int])


def packed(values: DayValues) -> dict[int, bytes]:
    """Return each day of one lift as bytes, by its number."""
    parts = (values.doors, values.levels, values.lift)
    days = np.unique(np.concatenate([part["day"] for part in parts]))
    ordered = [part[np.argsort(part["day"], kind="stable")] for part in parts]
    first = [np.searchsorted(part["day"], days) for part in ordered]
    last = [np.searchsorted(part["day"], days, side="right") for part in ordered]
    rows: dict[int, bytes] = {}
    for number, day in enumerate(days.tolist()):
        some = [part[begin[number] : end[number]] for part, begin, end in zip(ordered, first, last, strict=True)]
        faults = values.faults.get(day)
        tail = _ENCODER.encode(faults) if faults else b""
        rows[day] = _HEADER.pack(FORMAT, *map(len, some)) + b"".join(part.tobytes() for part in some) + tail
    return rows


def unpacked(rows: Iterable[tuple[str, int, bytes]]) -> FleetValues:
    """Return what rows of lift, number of the day and bytes hold; those of another format are left out."""
    numbers: dict[str, int] = {}
    pieces: tuple[list[bytes], ...] = ([], [], [])
    of_rows: list[int] = []
    faults: list[tuple[int, int, Mapping[str, int]]] = []
    known: dict[bytes, tuple[int, int, int]] = {}  # most days of a lift have the same landings
    for lift_id, day, row in rows:
        if row[0] != FORMAT:
            continue
        head = row[: _HEADER.size]
        ends = known.get(head)
        if ends is None:
            ends = known[head] = _ends(head)
        number = numbers.setdefault(lift_id, len(numbers))
        of_rows.append(number)
        pieces[0].append(row[_HEADER.size : ends[0]])
        pieces[1].append(row[ends[0] : ends[1]])
        pieces[2].append(row[ends[1] : ends[2]])
        if len(row) > ends[2]:
            faults.append((number, day, _FAULTS.decode(row[ends[2] :])))
    doors, levels, lift = (
        np.frombuffer(b"".join(piece), dtype=record) for piece, record in zip(pieces, _RECORDS, strict=True)
    )
    of_doors, of_levels, of_lift = (
        np.repeat(np.array(of_rows, dtype=np.int64), [len(each) // record.itemsize for each in piece])
        for piece, record in zip(pieces, _RECORDS, strict=True)
    )
    return FleetValues(list(numbers), doors, levels, lift, of_doors, of_levels, of_lift, faults)


def _ends(head: bytes) -> tuple[int, int, int]:
    _, doors, levels, lift = accumulate(
        (count * record.itemsize for count, record in zip(_HEADER.unpack(head)[1:], _RECORDS, strict=True)),
        initial=_HEADER.size,
    )
    return doors, levels, lift
