"""What a trial is made of, drawn from its seed: where the data lies, what fails and when, how the lifts speak."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from tests.chaos.content import Twists

LENGTH_S = 6.0
PAUSE_S = 1.0
SECOND_SHARE = 0.5
TWIST_SHARES = (0.4, 0.3, 0.3, 0.4)
BROKER, TELEMETRY, DATABASE, INGEST, DISK = "broker", "InfluxDB", "PostgreSQL", "ingest", "disk"
KILL_BROKER, DISK_FULL, POISON = "kill broker", "disk full", "poison line"
KILL_TWICE = "kill ingest and again while it catches up"
FORGOTTEN = "forgotten broker connection"
ANSWERS = {f"InfluxDB answers {status}": status for status in (429, 500, 503)}


@dataclass(frozen=True)
class Topology:
    """Which stores, and how many processes take from the broker."""

    name: str
    has_influx: bool
    has_postgresql: bool
    workers: int

    @property
    def parts(self) -> set[str]:
        """Return what there is to fail."""
        return (
            {INGEST, BROKER, DISK}
            | {TELEMETRY for _ in "1" if self.has_influx}
            | {DATABASE for _ in "1" if self.has_postgresql}
        )


TOPOLOGIES = (
    Topology("embedded", has_influx=False, has_postgresql=False, workers=1),
    Topology("servers", has_influx=True, has_postgresql=True, workers=1),
    Topology("influx and sqlite", has_influx=True, has_postgresql=False, workers=1),
    Topology("two workers", has_influx=True, has_postgresql=True, workers=2),
)


@dataclass(frozen=True)
class FaultClass:
    """One way to fail: what it happens to, and how long it lasts."""

    name: str
    part: str
    least_s: float
    most_s: float


FAULTS = (
    FaultClass("kill ingest", INGEST, 0.0, 1.5),
    FaultClass(KILL_TWICE, INGEST, 0.0, 1.5),
    FaultClass(KILL_BROKER, BROKER, 0.2, 2.0),
    FaultClass("kill InfluxDB", TELEMETRY, 0.5, 4.0),
    FaultClass("kill PostgreSQL", DATABASE, 0.5, 3.0),
    FaultClass("stop ingest", INGEST, 1.0, 4.0),
    FaultClass("stop broker", BROKER, 1.0, 4.0),
    FaultClass("stop InfluxDB", TELEMETRY, 1.0, 4.0),
    FaultClass("stop PostgreSQL", DATABASE, 1.0, 4.0),
    FaultClass("cut broker", BROKER, 0.0, 3.0),
    FaultClass("cut InfluxDB", TELEMETRY, 0.0, 4.0),
    FaultClass("cut PostgreSQL", DATABASE, 0.0, 3.0),
    FaultClass("half-open broker", BROKER, 1.0, 4.0),
    FaultClass("half-open InfluxDB", TELEMETRY, 1.0, 4.0),
    FaultClass("half-open PostgreSQL", DATABASE, 1.0, 4.0),
    FaultClass(FORGOTTEN, BROKER, 0.5, 1.0),
    *(FaultClass(name, TELEMETRY, 1.0, 4.0) for name in ANSWERS),
    FaultClass(POISON, TELEMETRY, 0.0, 0.0),
    FaultClass(DISK_FULL, DISK, 1.0, 4.0),
)


@dataclass(frozen=True)
class Fault:
    """A failure of a trial: which, when it begins after the start, and how long it lasts."""

    name: str
    begin_s: float
    length_s: float


@dataclass(frozen=True)
class Plan:
    """One trial."""

    seed: int
    topology: Topology
    faults: tuple[Fault, ...]
    twists: Twists

    @property
    def kills_broker(self) -> bool:
        """Tell whether the broker may lose what it has acknowledged."""
        return any(fault.name == KILL_BROKER for fault in self.faults)

    @property
    def is_ordered(self) -> bool:
        """Tell whether the words of a lift reach the service in the order in which it said them."""
        return self.topology.workers == 1 and not self.twists.reordering and not self.kills_broker

    def words(self) -> str:
        """Return it in one line."""
        faults = " + ".join(f"{fault.name} {fault.length_s:.1f} s" for fault in self.faults)
        twists = ", ".join(self.twists.names()) or "plain"
        return f"{self.topology.name}: {faults}; stream: {twists}"


def plan_of(seed: int, without: Collection[str] = ()) -> Plan:
    """Return the trial of a seed. Seeds that follow each other go through every failure in turn.

    `without` names failures that this machine does not allow.
    """
    rng = random.Random(f"plan {seed}")
    allowed = [fault for fault in FAULTS if fault.name not in without]
    first = allowed[seed % len(allowed)]
    topology = rng.choice([each for each in TOPOLOGIES if first.part in each.parts])
    chosen = [first]
    if rng.random() < SECOND_SHARE:
        chosen.append(rng.choice([each for each in allowed if each.part in topology.parts and each is not first]))
    faults = _placed(chosen, rng)
    duplicates, reordering, clock_steps, garbage = (rng.random() < share for share in TWIST_SHARES)
    poison = any(fault.name == POISON for fault in faults)
    twists = Twists(duplicates, reordering, clock_steps, garbage, poison)
    return Plan(seed, topology, faults, twists)


def _placed(chosen: list[FaultClass], rng: random.Random) -> tuple[Fault, ...]:
    """Give each failure its time, in the middle; two that befall the same part come one after the other."""
    faults: list[Fault] = []
    for each in chosen:
        begin_s, length_s = rng.uniform(0.2, 0.6) * LENGTH_S, rng.uniform(each.least_s, each.most_s)
        if faults and each.part == chosen[0].part and POISON not in (each.name, chosen[0].name):
            begin_s = faults[0].begin_s + faults[0].length_s + PAUSE_S
        if each.name == POISON:
            begin_s = length_s = 0.0
        faults.append(Fault(each.name, round(begin_s, 2), round(length_s, 2)))
    return tuple(faults)
