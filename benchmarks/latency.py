"""How soon an operator sees an entrapment while the whole fleet speaks: `python -m benchmarks.latency`.

10,000 lifts send 2,400 messages a second. Some of them say that somebody is trapped; the time runs from the moment
before the message is sent until `GET /api/v1/alerts?lift_id=` shows the alert. Once with the telemetry store up, once
with the store killed.
"""

import argparse
import time
from math import ceil, inf
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks.parts.probes import ASK_EVERY_S, Probes
from benchmarks.parts.programs import Program, workspace
from benchmarks.parts.publisher import Fleet, Progress, rate_between
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.service import Service
from benchmarks.parts.tables import machine, show, table
from benchmarks.parts.traffic import Traffic
from benchmarks.parts.warm_up import meet_every_series


class Phase(Struct, frozen=True):
    """What was seen in one state of the telemetry store."""

    name: str
    seen_s: list[float | None]
    first: Progress
    last: Progress
    cpu_share: float


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    show(f"{machine()}\n")
    with workspace() as folder:
        phases = _measure(folder, options)
    rows = [_row(phase) for phase in phases]
    show(
        f"{options.lifts} lifts, {options.rate} messages/s, {options.probes_per_s:g} entrapments/s for "
        f"{options.seconds:g} s; the API is asked every {ASK_EVERY_S * 1e3:.0f} ms\n"
    )
    head = ["telemetry store", "entrapments", "unseen", "median ms", "p99 ms", "max ms", "messages/s", "CPU"]
    show(table(head, rows))
    show("\nReach: p99 250 ms\n")


def _measure(folder: Path, options: argparse.Namespace) -> list[Phase]:
    broker, sink = Mosquitto(folder), Sink(folder)
    traffic = Traffic(options.lifts)
    service = Service(folder / "service", broker.url, traffic.lift_ids, store_url=sink.store_url)
    program = service.start()
    program.until(service.answers, "the service to answer")
    meet_every_series(traffic, broker, sink)
    probes = Probes(broker.port, service.port, options.lifts)
    with Fleet(broker.port, options.lifts, options.rate) as fleet:
        phases = [_phase("up", fleet, probes, program, options)]
        sink.kill()
        phases.append(_phase("down", fleet, probes, program, options))
    probes.close()
    program.stop()
    return phases


def _phase(name: str, fleet: Fleet, probes: Probes, program: Program, options: argparse.Namespace) -> Phase:
    time.sleep(options.settle_s)
    first, cpu_s, begun_s = fleet.progress(), program.cpu_s(), time.monotonic()
    took = probes.run(options.seconds, options.probes_per_s)
    cpu_share = (program.cpu_s() - cpu_s) / (time.monotonic() - begun_s)
    return Phase(name, took, first, fleet.progress(), cpu_share)


def _row(phase: Phase) -> list[str]:
    # Whoever was never seen took longest.
    seconds = sorted(inf if each is None else each for each in phase.seen_s)
    figures = [median(seconds), seconds[ceil(0.99 * len(seconds)) - 1], seconds[-1]]
    return [
        phase.name,
        str(len(seconds)),
        str(seconds.count(inf)),
        *("never" if each == inf else f"{each * 1e3:.0f}" for each in figures),
        f"{rate_between(phase.first, phase.last):,.0f}",
        f"{phase.cpu_share:.0%}",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--lifts", type=int, default=10_000, help="of the fleet (%(default)s)")
    parser.add_argument("--rate", type=int, default=2_400, help="messages a second of all lifts (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="that each state lasts (%(default)s)")
    parser.add_argument("--settle-s", type=float, default=15, help="before each state is measured (%(default)s)")
    parser.add_argument("--probes-per-s", type=float, default=5, help="entrapments a second (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
