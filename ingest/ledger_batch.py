"""What the ledger notes of a batch: its numbers, by lift and boot. Made for each batch, and so made cheaply."""

import zlib
from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from ingest.messages import Message
from ingest.quarantine import Quarantined

# The lifts are folded by parts: a part of a fleet of 10,000 is written, all its batches together, in some 30 ms.
PARTS = 8
_NO_BOOT = ""


class LedgerEntry(Struct, array_like=True, gc=False):
    """What a batch held of one boot of one lift: our clock at the first and the last of it, and its numbers.

    `withdrawn` were noted as stored when they went into the spool, and are in quarantine since the store refused them.
    """

    lift_id: str
    boot: str
    first_received_ms: int
    last_received_ms: int
    stored: list[int]
    quarantined: list[int]
    withdrawn: list[int] = []

    def came(self, received_ms: int) -> None:
        """Note that something of it came at this time."""
        if received_ms > self.last_received_ms:
            self.last_received_ms = received_ms
        elif received_ms < self.first_received_ms:
            self.first_received_ms = received_ms


class LedgerBatch(Struct, array_like=True):
    """The numbers of a batch, and how many messages had none, by lift.

    `is_history`: recorded elsewhere and taken in later. It tells what is there, not what should have come.
    """

    entries: list[LedgerEntry]
    unnumbered: dict[str, int]
    is_history: bool = False

    @classmethod
    def of(
        cls, stored: Sequence[Message], quarantined: Sequence[Quarantined], *, is_history: bool = False
    ) -> "LedgerBatch":
        """Return what is to be noted of messages that are durable, and of what went to quarantine instead."""
        entries: dict[tuple[str, str | None], LedgerEntry] = {}
        unnumbered: defaultdict[str, int] = defaultdict(int)
        for message in stored:
            body = message.body
            if body.seq is None:
                unnumbered[message.lift_id] += 1
                continue
            key, received_ms = (message.lift_id, body.boot), message.received_ms
            entry = entries.get(key)
            if entry is None:
                entries[key] = LedgerEntry(
                    message.lift_id, body.boot or _NO_BOOT, received_ms, received_ms, [body.seq], []
                )
            else:
                entry.stored.append(body.seq)
                if received_ms != entry.last_received_ms:
                    entry.came(received_ms)
        for item in quarantined:
            if item.lift_id is not None:
                for boot, seq in item.numbers():
                    new = LedgerEntry(item.lift_id, boot or _NO_BOOT, item.received_ms, item.received_ms, [], [])
                    entry = entries.setdefault((item.lift_id, boot), new)
                    entry.quarantined.append(seq)
                    entry.came(item.received_ms)
        return cls(list(entries.values()), dict(unnumbered), is_history)

    @classmethod
    def withdrawing(cls, refused: Sequence[Quarantined]) -> "LedgerBatch":
        """Return what is to be noted of messages that were noted as stored, and that the store has refused since."""
        batch = cls.of([], refused)
        for entry in batch.entries:
            entry.withdrawn, entry.quarantined = entry.quarantined, []
        return batch

    def parts(self) -> "dict[int, LedgerBatch]":
        """Return the batch by parts of the fleet."""
        parts = [LedgerBatch([], {}, self.is_history) for _ in range(PARTS)]
        entries_of = [part.entries for part in parts]
        for entry in self.entries:
            entries_of[part_of(entry.lift_id)].append(entry)
        for lift_id, some in self.unnumbered.items():
            parts[part_of(lift_id)].unnumbered[lift_id] = some
        return {number: part for number, part in enumerate(parts) if part.entries or part.unnumbered}


def part_of(lift_id: str) -> int:
    """Return to which part of the fleet a lift belongs, for ever."""
    return zlib.crc32(lift_id.encode()) % PARTS
