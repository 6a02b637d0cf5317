"""How fast a full queue is drained, durably: `python -m benchmarks.ingest`.

Three tables: one reading a message against mosquitto_sub and Node-RED on the same queue; 20 readings a message
against posting the same lines straight into the store; and the embedded store. Contestants take turns, in an order
that moves on with each round; the figures are medians over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.parts.contestants import Contestant, Liftwatch, MosquittoSub, NodeRed, install_node_red
from benchmarks.parts.drain import Drain, drain
from benchmarks.parts.lines import LINES_PER_BODY, bodies_of, judged, post
from benchmarks.parts.mqtt import MqttClient, make_session
from benchmarks.parts.programs import workspace
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.service import Service
from benchmarks.parts.tables import machine, show, table
from benchmarks.parts.traffic import Publication, Traffic
from ingest.messages import Message
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore

READINGS_PER_MESSAGE = 20
TABLES = ("drain", "arrays", "embedded")
# What was measured in the last five minutes: a backlog, but not so old that it would count as late.
BACKLOG_MS = 300_000


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    if options.node_red is not None:
        install_node_red(options.node_red)
    show(f"{machine()}\n")
    with workspace() as folder:
        bench = Bench(folder, options.lifts)
        if "drain" in options.tables:
            bench.drain_singles(options.messages, options.rounds, options.node_red, options.unbatched)
        if "arrays" in options.tables:
            bench.drain_arrays(options.readings // READINGS_PER_MESSAGE, options.rounds)
        if "embedded" in options.tables:
            bench.embedded(options.messages, options.rounds)


class Bench:
    """Broker, sink, service and a fleet; each method makes one table."""

    def __init__(self, folder: Path, lifts: int) -> None:
        """Start what all tables need, and show the sink every series once: making them is not what is measured."""
        self._folder = folder
        self._traffic = Traffic(lifts)
        self._broker = Mosquitto(folder)
        self._sink = Sink(folder)
        self._service = Service(
            folder / "service", self._broker.url, self._traffic.lift_ids, store_url=self._sink.store_url
        )
        self._liftwatch = Liftwatch(self._service)
        self._drain_once([self._liftwatch], list(self._traffic.everything(_now_ms())), readings=1)

    def drain_singles(self, messages: int, rounds: int, node_red: Path | None, unbatched: int) -> None:
        """One reading a message: Liftwatch, mosquitto_sub and Node-RED."""
        contestants: list[Contestant] = [self._liftwatch, MosquittoSub(self._folder, self._broker)]
        if node_red is not None:
            contestants.append(NodeRed(self._folder, node_red, self._broker, self._sink))
        drains: dict[str, list[Drain]] = {contestant.name: [] for contestant in contestants}
        for number in range(rounds):
            turn = number % len(contestants)
            publications = self._singles(messages)
            for name, done in self._drain_once(
                contestants[turn:] + contestants[:turn], publications, readings=1
            ).items():
                drains[name].append(done)
        if node_red is not None and unbatched:
            single = NodeRed(self._folder, node_red, self._broker, self._sink, batched=False)
            drains[single.name] = [self._drain_once([single], self._singles(unbatched), readings=1)[single.name]]
        size = sum(len(each.payload) for each in publications) / len(publications)
        show(
            f"{messages} messages of one reading, {size:.0f} bytes of JSON on average, QoS 1, "
            f"{len(self._traffic.lift_ids)} lifts, median of {rounds}\n"
        )
        _show_drains(drains, messages, unbatched)

    def drain_arrays(self, messages: int, rounds: int) -> None:
        """20 readings a message: Liftwatch from the broker, and the same lines posted without it."""
        readings = messages * READINGS_PER_MESSAGE
        through: list[Drain] = []
        straight: list[float] = []
        for number in range(rounds):
            publications = self._arrays(messages)
            bodies = bodies_of(judged(publications, _now_ms()))
            if number % 2:
                straight.append(post(bodies, self._sink))
            done = self._drain_once([self._liftwatch], publications, READINGS_PER_MESSAGE)[self._liftwatch.name]
            through.append(done)
            if not number % 2:
                straight.append(post(bodies, self._sink))
        ours, theirs = (median(each.seconds for each in through), median(straight))
        cpu_us = median(each.cpu_s for each in through) / readings * 1e6
        rows = [
            [self._liftwatch.name, f"{ours:.2f}", f"{readings / ours:,.0f}", f"{cpu_us:.1f}"],
            ["the same lines posted straight in", f"{theirs:.2f}", f"{readings / theirs:,.0f}", ""],
        ]
        show(
            f"{messages} messages of {READINGS_PER_MESSAGE} readings, {len(self._traffic.lift_ids)} lifts, "
            f"bodies of {LINES_PER_BODY} lines, one connection, median of {rounds}\n"
        )
        show(table(["", "seconds", "readings/s", "us CPU a reading"], rows))
        show(f"\nLiftwatch / straight in: {theirs / ours:.2f} (reach 0.8)\n")

    def embedded(self, messages: int, rounds: int) -> None:
        """Without a server: the store alone, and the whole service on it."""
        service = Service(self._folder / "embedded", self._broker.url, self._traffic.lift_ids)
        liftwatch = Liftwatch(service, stores=False)
        rows = []
        for readings, publish in ((1, self._singles), (READINGS_PER_MESSAGE, self._arrays)):
            sent = [publish(messages // readings) for _ in range(rounds)]
            batches = [judged(each, _now_ms()) for each in sent]
            store = EmbeddedTelemetryStore(self._folder / f"store-{readings}.sqlite")
            alone = [_timed_writes(store, batch) for batch in batches]
            store.close()
            drains = [self._drain_once([liftwatch], each, readings)[liftwatch.name] for each in sent]
            rows += _embedded_rows(messages // readings * readings, readings, alone, drains)
        show(f"{messages} readings into SQLite, {len(self._traffic.lift_ids)} lifts, median of {rounds}\n")
        show(table(["", "seconds", "readings/s", "us CPU a reading"], rows))
        show("\nReach: 60,000 readings/s\n")

    def _singles(self, count: int) -> list[Publication]:
        return list(self._traffic.singles(count, _now_ms() - BACKLOG_MS, _now_ms()))

    def _arrays(self, count: int) -> list[Publication]:
        return list(self._traffic.arrays(count, READINGS_PER_MESSAGE, _now_ms() - BACKLOG_MS, _now_ms() - 10_000))

    def _drain_once(
        self, contestants: Sequence[Contestant], publications: Sequence[Publication], readings: int
    ) -> dict[str, Drain]:
        """Fill the queues of all contestants with the same messages, then let one after the other drain its own."""
        for contestant in contestants:
            make_session(self._broker.port, contestant.client_id)
        publisher = MqttClient(self._broker.port, "bench-publisher")
        publisher.send(publications)
        publisher.wait_acknowledged()
        publisher.close()
        return {
            contestant.name: _checked(
                contestant,
                drain(contestant, len(publications), len(publications) * readings, self._broker, self._sink),
                len(publications) * readings,
            )
            for contestant in contestants
        }


def _checked(contestant: Contestant, done: Drain, points: int) -> Drain:
    """Say what is not as it should be: a figure of messages that were lost is none."""
    if contestant.stores and done.stored != points:
        show(f"note: {contestant.name} stored {done.stored} of {points}")
    if done.left_in_queue:
        show(f"note: {contestant.name} left {done.left_in_queue} in its queue")
    return done


def _show_drains(drains: dict[str, list[Drain]], messages: int, unbatched: int) -> None:
    rows = []
    rates = {}
    for name, done in drains.items():
        count = unbatched if "unbatched" in name else messages
        seconds, cpu_s = median(each.seconds for each in done), median(each.cpu_s for each in done)
        rates[name] = count / seconds
        rows.append([name, f"{count:,}", f"{seconds:.2f}", f"{rates[name]:,.0f}", f"{cpu_s / count * 1e6:.1f}"])
    show(table(["", "messages", "seconds", "messages/s", "us CPU a message"], rows))
    show()
    reach = {"mosquitto_sub": " (reach 0.3)", "Node-RED": " (reach 2.5)"}
    for name, rate in rates.items():
        if name != Liftwatch.name:
            show(f"{Liftwatch.name} / {name}: {rates[Liftwatch.name] / rate:.2f}{reach.get(name, '')}")
    show("CPU a message of Liftwatch: reach 15 us\n")


def _timed_writes(store: EmbeddedTelemetryStore, messages: list[Message]) -> tuple[float, float]:
    begun_s, cpu_s = time.monotonic(), time.process_time()
    for start in range(0, len(messages), LINES_PER_BODY):
        store.write(messages[start : start + LINES_PER_BODY])
    return time.monotonic() - begun_s, time.process_time() - cpu_s


def _embedded_rows(count: int, readings: int, alone: list[tuple[float, float]], drains: list[Drain]) -> list[list[str]]:
    each = f"{readings} reading{'s' if readings > 1 else ''} a message"
    figures = {
        f"store alone, {each}": (median(s for s, _ in alone), median(cpu_s for _, cpu_s in alone)),
        f"whole service, {each}": (median(d.seconds for d in drains), median(d.cpu_s for d in drains)),
    }
    return [
        [name, f"{seconds:.2f}", f"{count / seconds:,.0f}", f"{cpu_s / count * 1e6:.1f}"]
        for name, (seconds, cpu_s) in figures.items()
    ]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _options() -> argparse.Namespace:
    default = Path(tempfile.gettempdir()) / "liftwatch-bench-node-red"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="in a full queue (%(default)s)")
    parser.add_argument("--readings", type=int, default=500_000, help="in a queue of arrays (%(default)s)")
    parser.add_argument("--lifts", type=int, default=1_000, help="that they come from (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is shown (%(default)s)")
    parser.add_argument(
        "--unbatched", type=int, default=20_000, help="messages for Node-RED without join (%(default)s)"
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="only these")
    parser.add_argument("--node-red", type=Path, default=default, help="folder that it is installed in (%(default)s)")
    parser.add_argument("--without-node-red", dest="node_red", action="store_const", const=None)
    return parser.parse_args()


if __name__ == "__main__":
    main()
