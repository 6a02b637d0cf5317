"""What the embedded store has returned from survives kill -9, at whatever moment it strikes."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.messages import Kind
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
BATCH = 50
CHILD = f"""
import sys
from pathlib import Path
from ingest.messages import Kind, Message, Trip
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore

store = EmbeddedTelemetryStore(Path(sys.argv[1]))
first = int(sys.argv[2])
while True:
    store.write([
        Message("A-1", Kind.TRIP, ms, ms, Trip(at=ms, seq=seq, from_floor=0, to_floor=1, duration_ms=1.0))
        for seq in range(first, first + {BATCH})
        for ms in [1_767_600_000_000 + seq]
    ])
    first += {BATCH}
    print("durable", first, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_kill_9_loses_nothing_that_was_acknowledged_and_leaves_no_half_batch(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "telemetry.sqlite"
    durable = 0
    for _ in range(3):
        durable = _write_until_killed(path, durable, acknowledged)

        store = EmbeddedTelemetryStore(path)
        found = store.messages("A-1", Kind.TRIP, *ALWAYS, limit=1_000_000)
        store.close()

        assert [message.body.seq for message in found] == list(range(len(found)))
        assert len(found) >= durable
        assert len(found) % BATCH == 0


def _write_until_killed(path: Path, first: int, acknowledged: int) -> int:
    """Run a writer from `first` on, kill it after so many acknowledged batches; return how many messages it said."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(first)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(acknowledged)]
        child.kill()
        said += child.stdout.readlines()
    whole = [line for line in said if line.endswith(b"\n")]
    assert len(whole) >= acknowledged
    return int(whole[-1].split()[1])
