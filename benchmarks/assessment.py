"""What assessing a fleet costs that has 90 days of stored daily values, and how it grows from 1,000 lifts to 10,000.

`python -m benchmarks.assessment --lifts 1000 --lifts 10000`

Each fleet is filled by one process and assessed by another, so that the memory is that of the assessment. The first
assessment of a day judges all daily values; the next one a minute later what has changed, here nothing. The database is
in a folder for temporary files; it has been written just before, so it is read from memory, not from a disk.
"""

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from analytics.daily import Daily
from api.composition import Parts, open_parts
from api.serve import GC_THRESHOLDS
from api.settings import Settings
from benchmarks.parts.synthetic_days import LANDINGS, UNTIL, fill
from benchmarks.parts.tables import machine, show, table
from ingest.clock import ManualClock


class Measured(Struct, frozen=True):
    """What assessing one fleet took: seconds of the clock and of CPU, findings, and the most memory.

    `series_cpu_s` is the part of it that reads daily values and makes series of them.
    """

    series_cpu_s: float
    first_s: float
    first_cpu_s: float
    again_s: float
    findings: int
    peak_mb: float


def main() -> None:
    """Fill, assess, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, action="append", help="how many; may be given again (1000 and 10000)")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = options.lifts or [1_000, 10_000]
    if options.fill:
        parts = opened(options.fill)
        fill(parts, sizes[0], options.days, UNTIL)
        parts.close()
    elif options.measure:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as the service has it
        show(msgspec.json.encode(measured(opened(options.measure))).decode())
    else:
        tell(options.days, {lifts: _apart(lifts, options.days) for lifts in sizes})


def opened(folder: Path) -> Parts:
    """Open the service's own parts, all that it judges by included, on a folder."""
    return open_parts(Settings(data_dir=folder), ManualClock(UNTIL))


def measured(parts: Parts) -> Measured:
    """Assess the whole fleet twice, a minute apart."""
    visits = [item.visit for item in parts.register.visits(UNTIL)]
    begun_cpu_s = time.process_time()
    Daily(parts.features, parts.store, parts.register, [lambda _: []]).findings(UNTIL, visits=visits)
    series_cpu_s = time.process_time() - begun_cpu_s
    del visits
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    findings = parts.assessment.assess(UNTIL)
    first_s, first_cpu_s = time.monotonic() - begun_s, time.process_time() - begun_cpu_s
    begun_s = time.monotonic()
    parts.assessment.assess(UNTIL + timedelta(minutes=1))
    again_s = time.monotonic() - begun_s
    parts.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(series_cpu_s, first_s, first_cpu_s, again_s, len(findings), peak_mb)


def tell(days: int, of_sizes: dict[int, Measured]) -> None:
    """Print the table."""
    show(f"{machine()}; {days} days of lifts of {LANDINGS} landings")
    head = (
        "lifts",
        "first of a day, s",
        "CPU, s",
        "of it series, s",
        "a minute later, s",
        "peak memory, MB",
        "findings",
    )
    rows = [
        (
            f"{lifts:,}",
            f"{each.first_s:.1f}",
            f"{each.first_cpu_s:.1f}",
            f"{each.series_cpu_s:.1f}",
            f"{each.again_s:.1f}",
            f"{each.peak_mb:,.0f}",
            f"{each.findings:,}",
        )
        for lifts, each in of_sizes.items()
    ]
    show(table(head, rows))


def _apart(lifts: int, days: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        for what in ("--fill", "--measure"):
            command = [sys.executable, "-m", "benchmarks.assessment", what, folder]
            command += ["--lifts", str(lifts), "--days", str(days)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Measured)


if __name__ == "__main__":
    main()
