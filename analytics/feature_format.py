"""How the daily values of a lift are kept: one day as bytes, a few hundred for a low building and 2 KiB for a tall one.

Format 1, little-endian: one byte with the number of the format; three counts of two bytes each: records of doors, of
levels, of the lift; those records as `features` declares them; then, where there were faults, a MessagePack map of code
and count. Whoever changes the records gives the format a new number, and every day is computed anew.
"""

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from analytics.features import DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD, DayValues, FleetValues, Ints, Records

FORMAT = 1
_RECORDS = {"doors": DOOR_RECORD, "levels": LEVEL_RECORD, "lift": LIFT_RECORD}
_COUNTS = np.dtype([("format", "u1"), *((name, "<u2") for name in _RECORDS)])
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
        head = np.array((FORMAT, *map(len, some)), dtype=_COUNTS)
        rows[day] = head.tobytes() + b"".join(part.tobytes() for part in some) + tail
    return rows


def unpacked(rows: Iterable[tuple[str, int, bytes]]) -> FleetValues:
    """Return what rows of lift, number of the day and bytes hold; those of another format are left out."""
    kept = [row for row in rows if row[2][0] == FORMAT]
    numbers: dict[str, int] = {}
    of_rows = np.array([numbers.setdefault(lift_id, len(numbers)) for lift_id, _, _ in kept], dtype=np.int64)
    whole = b"".join([row for _, _, row in kept])
    ends = np.cumsum([len(row) for _, _, row in kept], dtype=np.int64)
    begins = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]]) if kept else ends
    counts = _at(whole, begins, _COUNTS)
    at = begins + _COUNTS.itemsize
    parts: list[tuple[Records, Ints]] = []
    for name, record in _RECORDS.items():
        count = counts[name].astype(np.int64)
        row = np.repeat(np.arange(len(kept)), count)
        within = np.arange(len(row)) - (np.cumsum(count) - count)[row]
        parts.append((_at(whole, at[row] + within * record.itemsize, record), of_rows[row]))
        at = at + count * record.itemsize
    faults: list[tuple[int, int, Mapping[str, int]]] = [
        (int(of_rows[row]), kept[row][1], _FAULTS.decode(whole[at[row] : ends[row]]))
        for row in np.flatnonzero(at < ends).tolist()
    ]
    (doors, of_doors), (levels, of_levels), (lift, of_lift) = parts
    return FleetValues(list(numbers), doors, levels, lift, of_doors, of_levels, of_lift, faults)


def _at(whole: bytes, begins: Ints, record: np.dtype[np.void]) -> Records:
    """Return the records that begin at these bytes."""
    if not len(begins):
        return np.zeros(0, dtype=record)
    # Every byte as if one began there: of plain bytes, because records are copied field by field, which takes longer.
    every = np.ndarray(len(whole) - record.itemsize + 1, dtype=f"V{record.itemsize}", buffer=whole, strides=(1,))
    return every[begins].view(record)
