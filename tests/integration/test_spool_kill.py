"""What the spool has returned from holds, at whatever moment kill -9 strikes: nothing lost, nothing back again."""

import subprocess
import sys
from pathlib import Path

import pytest

from ingest.spool import Spool

BATCH = 50
CHILD = f"""
import sys
from pathlib import Path
from ingest.messages import Kind, Message, Trip
from ingest.spool import Spool

spool = Spool(Path(sys.argv[1]), 2**30)
first = int(sys.argv[2])
while True:
    spool.append([
        Message("A-1", Kind.TRIP, seq, seq, Trip(at=seq, seq=seq, from_floor=0, to_floor=1, duration_ms=1.0))
        for seq in range(first, first + {BATCH})
    ])
    first += {BATCH}
    print("kept", first, flush=True)
    if first % {3 * BATCH} == 0:
        batch = spool.oldest({BATCH})
        spool.remove(batch)
        print("gone", batch.messages[-1].body.seq + 1, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 8, 40])
def test_kill_9_loses_nothing_that_was_kept_and_brings_nothing_back(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "spool.sqlite"
    first = 0
    for _ in range(3):
        gone, kept = _spool_until_killed(path, first, lines)

        spool = Spool(path, 2**30)
        batch = spool.oldest(10**9)
        counted = spool.counts().messages
        spool.close()

        assert batch is not None
        numbers = [message.body.seq or 0 for message in batch.messages]
        assert spool.damages() == ()
        assert (numbers[0], counted) == (numbers[-1] - len(numbers) + 1, len(numbers)), "whole, and in order"
        assert gone in (0, numbers[0], numbers[0] - BATCH), "one removal may have been durable and not yet told"
        assert numbers[-1] + 1 in (kept, kept + BATCH)
        first = numbers[-1] + 1


def _spool_until_killed(path: Path, first: int, lines: int) -> tuple[int, int]:
    """Run a spool, kill it after so many lines; return below which number all is gone (0: unknown), and all is kept."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(first)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    told = {"gone": 0, "kept": first}
    told |= {word.decode(): int(number) for word, number in (line.split() for line in said if line.endswith(b"\n"))}
    return told["gone"], told["kept"]
