"""What ten minutes without the telemetry store cost, and how soon they are made good: `python -m benchmarks.outage`.

10,000 lifts send 2,400 messages a second and go on. The store is killed, messages go to the spool; the store comes
back, the spool drains. Memory is that of the whole service process (VmRSS), the spool that of its files on disk.
"""

import argparse
import time
from pathlib import Path

from msgspec import Struct

from benchmarks.parts.programs import Program, workspace
from benchmarks.parts.publisher import Fleet, Progress, rate_between
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.service import Service
from benchmarks.parts.tables import machine, show, table
from benchmarks.parts.traffic import Traffic
from benchmarks.parts.warm_up import meet_every_series

SAMPLE_S = 1.0
DRAIN_S_MAX = 3_600.0


class Sample(Struct, frozen=True):
    """How the service stood at one moment."""

    at_s: float
    resident_kib: int
    cpu_s: float
    spooled: int
    spool_bytes: int


class Outage(Struct, frozen=True, kw_only=True):
    """What was seen: samples of each part, the fleet's reports around it, and what the returned store took."""

    before: list[Sample]
    away: list[Sample]
    draining: list[Sample]
    after: list[Sample]
    first: Progress
    last: Progress
    points_drained: int


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    show(f"{machine()}\n")
    with workspace() as folder:
        seen = _measure(folder, options)
    show(f"{options.lifts} lifts, {options.rate} messages/s; the store was away for {options.minutes:g} minutes\n")
    show(table(["", "figure", "reach"], _rows(seen)))
    show()


def _measure(folder: Path, options: argparse.Namespace) -> Outage:
    broker, sink = Mosquitto(folder), Sink(folder)
    traffic = Traffic(options.lifts)
    service = Service(folder / "service", broker.url, traffic.lift_ids, store_url=sink.store_url)
    program = service.start()
    program.until(service.answers, "the service to answer")
    meet_every_series(traffic, broker, sink)
    with Fleet(broker.port, options.lifts, options.rate) as fleet:
        first = fleet.progress()
        before = _watched(service, program, options.settle_s)
        sink.kill()
        away = _watched(service, program, options.minutes * 60)
        sink.start()
        draining = _watched(service, program, DRAIN_S_MAX, until_empty=True)
        points = sink.points()
        after = _watched(service, program, options.settle_s)
        last = fleet.progress()
    program.stop()
    return Outage(
        before=before, away=away, draining=draining, after=after, first=first, last=last, points_drained=points
    )


def _watched(service: Service, program: Program, seconds: float, *, until_empty: bool = False) -> list[Sample]:
    """Take samples for a time, or until the spool is empty."""
    begun_s = time.monotonic()
    samples = [_sample(service, program)]
    while time.monotonic() - begun_s < seconds:
        time.sleep(SAMPLE_S)
        samples.append(_sample(service, program))
        if until_empty and samples[-1].spooled == 0:
            break
    return samples


def _sample(service: Service, program: Program) -> Sample:
    spooled = int(service.metrics().get("liftwatch_spool_messages", 0))
    size = sum(path.stat().st_size for path in service.data.glob("spool*"))
    return Sample(time.monotonic(), program.resident_kib(), program.cpu_s(), spooled, size)


def _rows(seen: Outage) -> list[list[str]]:
    before_mib, after_mib = (samples[-1].resident_kib / 1024 for samples in (seen.before, seen.after))
    peak_mib = max(sample.resident_kib for sample in (*seen.away, *seen.draining)) / 1024
    full = seen.away[-1]
    returned_s, ended_s = seen.draining[0].at_s, seen.draining[-1].at_s
    # The store is asked again after at most 15 s; the spool grows until then.
    begun_s = max(seen.draining, key=lambda sample: sample.spooled).at_s
    drain_s = max(ended_s - begun_s, SAMPLE_S)
    arrival, stored = rate_between(seen.first, seen.last), seen.points_drained / drain_s
    return [
        ["messages/s that arrived, all the time", f"{arrival:,.0f}", ""],
        ["the fleet's publisher was late by at most", f"{seen.last.behind_s_max:.2f} s", ""],
        ["memory before", f"{before_mib:.0f} MiB", ""],
        ["memory at most, while away and while draining", f"{peak_mib:.0f} MiB", ""],
        ["memory grew by at most", f"{peak_mib - before_mib:.0f} MiB", "64 MiB"],
        ["memory after", f"{after_mib:.0f} MiB", ""],
        ["messages in the spool at the end of the outage", f"{full.spooled:,}", ""],
        ["spool on disk", f"{full.spool_bytes / 1024**2:.0f} MiB", ""],
        ["spool bytes a message", f"{full.spool_bytes / max(full.spooled, 1):.0f}", ""],
        ["spool on disk afterwards", f"{seen.after[-1].spool_bytes / 1024**2:.0f} MiB", ""],
        [
            "CPU while up, while away, while draining",
            " / ".join(map(_cpu, (seen.before, seen.away, seen.draining))),
            "",
        ],
        ["seconds from the store's return until the drain began", f"{begun_s - returned_s:.0f}", "15"],
        ["seconds of draining until the spool was empty", f"{drain_s:.0f}", ""],
        ["messages/s stored while draining", f"{stored:,.0f}", ""],
        ["as a multiple of what arrives", f"{stored / arrival:.1f}", "5"],
    ]


def _cpu(samples: list[Sample]) -> str:
    return f"{(samples[-1].cpu_s - samples[0].cpu_s) / (samples[-1].at_s - samples[0].at_s):.0%}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--lifts", type=int, default=10_000, help="of the fleet (%(default)s)")
    parser.add_argument("--rate", type=int, default=2_400, help="messages a second of all lifts (%(default)s)")
    parser.add_argument("--settle-s", type=float, default=30, help="before and after (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="that the store is away (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
