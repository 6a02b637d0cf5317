"""How the daily values of a lift are kept: one day as bytes, a few hundred for a low building and 2 KiB for a tall one.

Format 1, little-endian: one byte with the number of the format; three counts of two bytes each: records of doors, of
levels, of the lift; those records as `features` declares them; then, where there were faults, a MessagePack map of code
and count. Whoever changes the records gives the format a new number, and every day is computed anew.
"""

import struct
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from analytics.features import DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD, DayValues

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


def unpacked(rows: Iterable[tuple[int, bytes]]) -> DayValues:
    """Return what the rows of one lift, each with the number of its day, hold; those of another format are left out."""
    pieces: tuple[list[bytes], ...] = ([], [], [])
    faults: dict[int, Mapping[str, int]] = {}
    for day, row in rows:
        if row[0] != FORMAT:
            continue
        at = _HEADER.size
        for piece, record, count in zip(pieces, _RECORDS, _HEADER.unpack_from(row)[1:], strict=True):
            end = at + count * record.itemsize
            piece.append(row[at:end])
            at = end
        if at < len(row):
            faults[day] = _FAULTS.decode(row[at:])
    doors, levels, lift = (
        np.frombuffer(b"".join(piece), dtype=record) for piece, record in zip(pieces, _RECORDS, strict=True)
    )
    return DayValues(doors, levels, lift, faults)
