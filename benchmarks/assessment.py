"""What assessing a fleet costs that has stored daily values, and how it grows from 1,000 lifts to 10,000.

`python -m benchmarks.assessment --fleet 1000x90 --fleet 10000x90 --fleet 1000x400`

All that the service judges by is asked: repeated faults and repairs, what is due by date and by use, lifts that fail
often, drift, anomalies, signs of wear and the risk of a breakdown. Each fleet is filled by one process, its models of
risk are fitted by another (the service does that on a thread that nothing waits for), and it is assessed by a third, so
that the memory is that of the assessment. The first assessment of a day judges all daily values; the next one a minute
later what has changed, here nothing. The database is in a folder for temporary files; it has been written just before,
so it is read from memory, not from a disk.
"""

import argparse
import contextlib
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from analytics.daily import blocks_of
from analytics.daily_series import day_of, series_of
from analytics.stale_days import last_settled_day
from analytics.wear_rows import WINDOW_DAYS
from api.composition import Parts, open_parts
from api.serve import GC_THRESHOLDS
from api.settings import Settings
from benchmarks.parts.synthetic_days import LANDINGS, UNTIL, fill
from benchmarks.parts.tables import machine, show, table
from ingest.clock import ManualClock, to_ms

_STEPS = ("fill", "fit", "measure")


class Measured(Struct, frozen=True):
    """What assessing one fleet took: seconds of the clock and of CPU, findings by kind, and the most memory.

    `series_cpu_s` is what it takes to read daily values and make series of them.
    """

    series_cpu_s: float
    first_s: float
    first_cpu_s: float
    again_s: float
    again_cpu_s: float
    findings: dict[str, int]
    peak_mb: float


class Fitted(Struct, frozen=True):
    """What fitting the models of one fleet took."""

    cpu_s: float
    peak_mb: float


class Fleet(Struct, frozen=True):
    """How many lifts, and how many days of values each has."""

    lifts: int
    days: int

    @classmethod
    def told(cls, text: str) -> "Fleet":
        """Return the fleet of `1000x90`."""
        lifts, _, days = text.partition("x")
        return cls(int(lifts), int(days))


FLEETS = (Fleet(1_000, 90), Fleet(10_000, 90), Fleet(1_000, 400))


def main() -> None:
    """Fill, fit, assess, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleet", type=Fleet.told, action="append", help="lifts x days; may be given again")
    for step in _STEPS:
        parser.add_argument(f"--{step}", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    fleets = options.fleet or FLEETS
    if options.fill:
        with contextlib.closing(opened(options.fill)) as parts:
            fill(parts, fleets[0].lifts, fleets[0].days, UNTIL)
    elif options.fit:
        show(msgspec.json.encode(fitted(opened(options.fit))).decode())
    elif options.measure:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as the service has it
        show(msgspec.json.encode(measured(opened(options.measure))).decode())
    else:
        tell({fleet: _apart(fleet) for fleet in fleets})


def opened(folder: Path) -> Parts:
    """Open the service's own parts, all that it judges by included, on a folder."""
    return open_parts(Settings(data_dir=folder), ManualClock(UNTIL))


def fitted(parts: Parts) -> Fitted:
    """Fit the models of the day."""
    begun_s = time.process_time()
    parts.risks.catch_up(UNTIL)
    parts.close()
    return Fitted(time.process_time() - begun_s, _peak_mb())


def measured(parts: Parts) -> Measured:
    """Assess the whole fleet twice, a minute apart."""
    begun_cpu_s = time.process_time()
    last = last_settled_day(to_ms(UNTIL))
    for block in blocks_of([each.lift for each in parts.register.lifts()]):
        values = parts.features.values([lift.lift_id for lift in block], last - WINDOW_DAYS + 1, last)
        first = int(values.lift["day"].min())
        series_of(values, day_of(first), last - first + 1)
    series_cpu_s = time.process_time() - begun_cpu_s
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    findings = parts.assessment.assess(UNTIL)
    first_s, first_cpu_s = time.monotonic() - begun_s, time.process_time() - begun_cpu_s
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    parts.assessment.assess(UNTIL + timedelta(minutes=1))
    again_s, again_cpu_s = time.monotonic() - begun_s, time.process_time() - begun_cpu_s
    parts.close()
    kinds = dict(Counter(finding.kind.value for finding in findings))
    return Measured(series_cpu_s, first_s, first_cpu_s, again_s, again_cpu_s, kinds, _peak_mb())


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(of_fleets: dict[Fleet, tuple[Fitted, Measured]]) -> None:
    """Print the tables."""
    show(f"{machine()}; lifts of {LANDINGS} landings")
    head = (
        "lifts",
        "days",
        "first of a day, s",
        "CPU, s",
        "of it series, s",
        "a minute later, CPU, s",
        "peak memory, MB",
        "findings",
        "fit of the models, CPU, s",
        "its memory, MB",
    )
    rows = [
        (
            f"{fleet.lifts:,}",
            f"{fleet.days}",
            f"{each.first_s:.1f}",
            f"{each.first_cpu_s:.1f}",
            f"{each.series_cpu_s:.1f}",
            f"{each.again_cpu_s:.1f}",
            f"{each.peak_mb:,.0f}",
            f"{sum(each.findings.values()):,}",
            f"{fit.cpu_s:.1f}",
            f"{fit.peak_mb:,.0f}",
        )
        for fleet, (fit, each) in of_fleets.items()
    ]
    show(table(head, rows))
    for fleet, (_, each) in of_fleets.items():
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(each.findings.items()))
        show(f"{fleet.lifts:,} lifts, {fleet.days} days: {kinds}")


def _apart(fleet: Fleet) -> tuple[Fitted, Measured]:
    told = []
    with tempfile.TemporaryDirectory() as folder:
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.assessment", f"--{step}", folder]
            command += ["--fleet", f"{fleet.lifts}x{fleet.days}"]
            told.append(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return msgspec.json.decode(told[1], type=Fitted), msgspec.json.decode(told[2], type=Measured)


if __name__ == "__main__":
    main()
