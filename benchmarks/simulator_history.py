"""How fast years of a fleet are written as history files.

`python -m benchmarks.simulator_history --lifts 1000 --days 365`

The lines go to a sink that counts them (`--keep FOLDER`: into files), so that the generator is measured, not the disk.
"""

import argparse
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ingest.clock import to_ms
from simulator.fleet import make_fleet
from simulator.history import HistoryFiles, Span
from simulator.traffic import DAY_MS
from simulator.truth import Truth

UNTIL_MS = to_ms(datetime(2026, 3, 2, tzinfo=UTC))


class Counted:
    """A sink that only counts."""

    def __init__(self) -> None:
        """Count from 0."""
        self.bytes = 0

    def write(self, line: bytes, /) -> int:
        """Count a line."""
        self.bytes += len(line)
        return len(line)


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=100)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--traffic", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the files here, zipped")
    options = parser.parse_args()
    span = Span(UNTIL_MS - options.days * DAY_MS, UNTIL_MS)
    fleet = make_fleet(options.seed, options.lifts, options.traffic)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        truth = Truth(Path(folder) / "truth")
        files = HistoryFiles(options.keep or Path(folder) / "history", fleet, span)
        if options.keep is None:
            files.write_messages(Counted(), truth, say)
        else:
            files.write(truth, zipped=True, say=say)
        truth.close()
    tell(files, options.lifts, time.monotonic() - began_s, time.process_time() - began_cpu_s)


def tell(files: HistoryFiles, lifts: int, wall_s: float, cpu_s: float) -> None:
    """Print what was measured."""
    written = files.written
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    year_min = cpu_s / written.lift_days * 365_000 / 60
    print(f"lifts {lifts}, lift-days {written.lift_days:,}, messages {written.messages:,}")
    print(f"bytes {written.bytes:,} ({written.bytes / written.messages:.0f} a message)")
    print(f"time {wall_s:.1f} s, CPU {cpu_s:.1f} s, {written.messages / cpu_s:,.0f} messages a second of CPU")
    print(f"peak memory {peak_mb:,.0f} MB")
    print(f"1,000 lifts x 365 days at this rate: {year_min:.1f} minutes of CPU")


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
