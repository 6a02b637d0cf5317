"""The simulator as a program against a real broker: what arrives is what the lifts said, all of it, in order."""

import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ingest.clock import from_ms, to_ms
from ingest.messages import Body, FaultReport, Kind, State
from ingest.wire import TOPIC_FILTER, decode, parse_topic, topic_of
from simulator.faults import ENTRAPMENT
from simulator.fleet import LiftSpec, make_fleet
from simulator.lift import messages
from simulator.traffic import DAY_MS, HOUR_MS
from tests.servers import Mosquitto

ROOT = Path(__file__).parent.parent.parent
SEED = 7
FLEET = make_fleet(SEED, 3)
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
START_MS = to_ms(START)
WAIT_S_MAX = 40.0


class Subscriber:
    """A durable session on everything that lifts say, as the service has one."""

    def __init__(self, broker: Mosquitto, client_id: str) -> None:
        self.payloads: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(TOPIC_FILTER, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S_MAX)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.payloads.append((message.topic, bytes(message.payload), message.retain))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def bodies(self, lift_id: str) -> list[tuple[Kind, Body]]:
        """Return what a lift said, in the order of arrival, without the retained copies of an earlier time."""
        said: list[tuple[Kind, Body]] = []
        for topic, payload, retained in list(self.payloads):
            parsed = parse_topic(topic)
            assert isinstance(parsed, tuple)
            if parsed[0] == lift_id and not retained:
                decoded = decode(parsed[1], payload)
                assert decoded.refusals == []
                said += [(parsed[1], body) for body in decoded.bodies]
        return said

    def spoken(self, lift_id: str) -> list[tuple[Kind, Body]]:
        """Return what a lift said of itself: not its greetings and farewells, not its last will."""
        of_lift = {message.body for message in messages(_spec(lift_id), START_MS - DAY_MS, START_MS + 2 * DAY_MS)}
        plain = [(kind, structs.replace(body, seq=None, boot=None)) for kind, body in self.bodies(lift_id)]
        return [(kind, body) for kind, body in plain if body in of_lift]


def _spec(lift_id: str) -> LiftSpec:
    return next(spec for spec in FLEET if spec.lift_id == lift_id)


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    with closing(Subscriber(mosquitto, "test-subscriber")) as opened:
        yield opened


@contextmanager
def simulator(broker: Mosquitto, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the simulator; it is killed where the test did not end it."""
    command = [
        sys.executable,
        "-m",
        "simulator",
        "--broker",
        broker.url,
        "--seed",
        str(SEED),
        "--lifts",
        str(len(FLEET)),
    ]
    process = subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[bytes]) -> str:
    """Ask the simulator to stop, and return what it had to say."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=WAIT_S_MAX)
    assert process.returncode == 0, said.decode()
    return said.decode()


def eventually(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S_MAX
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come to pass in time"
        time.sleep(0.05)


def retained_states(broker: Mosquitto) -> dict[str, bytes]:
    """Return, by lift, the retained payload of its state."""
    with closing(Subscriber(broker, f"test-retained-{time.monotonic_ns()}")) as fresh:
        eventually(lambda: len(fresh.payloads) >= len(FLEET))
        return {topic: payload for topic, payload, retained in fresh.payloads if retained}


def window(spec: LiftSpec, since_ms: int, until_ms: int) -> list[tuple[Kind, Body]]:
    return [(message.kind, message.body) for message in messages(spec, since_ms, until_ms)]


def by_kind(said: list[tuple[Kind, Body]]) -> dict[Kind, list[Body]]:
    sorted_out: dict[Kind, list[Body]] = defaultdict(list)
    for kind, body in said:
        sorted_out[kind].append(body)
    return sorted_out


def test_history_arrives_complete_and_in_order_and_is_numbered_without_a_gap(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    with simulator(mosquitto, "--start", START.isoformat(), "--history-days", "1.5", "--once") as process:
        process.communicate(timeout=WAIT_S_MAX)
        assert process.returncode == 0
    expected = {spec.lift_id: window(spec, START_MS - 36 * HOUR_MS, START_MS) for spec in FLEET}
    # Beside its history a lift says how it stands when it comes and that it goes.
    eventually(lambda: all(len(subscriber.bodies(lift_id)) == len(said) + 2 for lift_id, said in expected.items()))
    for lift_id, said in expected.items():
        arrived = subscriber.bodies(lift_id)
        assert [body.seq for _, body in sorted(arrived, key=lambda pair: pair[1].seq or 0)] == list(range(len(arrived)))
        assert len({body.boot for _, body in arrived}) == 1
        history = [(kind, structs.replace(body, seq=None, boot=None)) for kind, body in arrived[1:-1]]
        assert by_kind(history) == by_kind(said)


def test_the_state_is_retained_and_a_stop_in_order_says_goodbye(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with simulator(mosquitto) as process:
        eventually(lambda: all(subscriber.bodies(spec.lift_id) for spec in FLEET))
        standing = retained_states(mosquitto)
        end(process)
    assert len(standing) == len(FLEET)
    for payload in standing.values():
        state = msgspec.json.decode(payload, type=State)
        assert state.connected is True
        assert state.service_mode is not None
    for payload in retained_states(mosquitto).values():
        farewell = msgspec.json.decode(payload, type=State)
        assert farewell.connected is False
        assert isinstance(farewell.at, int)


def test_a_simulator_that_is_killed_leaves_its_last_wills(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with simulator(mosquitto) as process:
        eventually(lambda: all(subscriber.bodies(spec.lift_id) for spec in FLEET))
        process.kill()
        process.wait()
    wills = {topic_of(spec.lift_id, Kind.STATE): b'{"connected":false}' for spec in FLEET}
    eventually(lambda: retained_states(mosquitto) == wills)


def test_a_broker_that_goes_and_comes_back_costs_no_message(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    def count() -> int:
        return sum(len(subscriber.bodies(spec.lift_id)) for spec in FLEET)

    with simulator(mosquitto, "--start", START.isoformat(), "--speed", "1200") as process:
        eventually(lambda: count() > 200)
        mosquitto.stop()
        before = count()
        mosquitto.start()
        eventually(lambda: count() > before + 200)
        standing = [msgspec.json.decode(payload, type=State) for payload in retained_states(mosquitto).values()]
        end(process)
    assert all(state.connected for state in standing)
    farewells = [State(connected=False) for _ in FLEET]
    eventually(lambda: [_last_state(subscriber, spec.lift_id) for spec in FLEET] == farewells)
    for spec in FLEET:
        numbers = {body.seq for _, body in subscriber.bodies(spec.lift_id) if body.seq is not None}
        assert numbers == set(range(len(numbers)))
        said = {body for _, body in subscriber.spoken(spec.lift_id)}
        last_ms = max(body.at for body in said if isinstance(body.at, int))
        assert said == {body for _, body in window(spec, START_MS, last_ms + 1)}


def _last_state(subscriber: Subscriber, lift_id: str) -> State | None:
    kind, body = subscriber.bodies(lift_id)[-1]
    return State(connected=body.connected) if kind is Kind.STATE and isinstance(body, State) else None


def test_what_was_missed_between_two_runs_is_published_once(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    options = ("--resume", str(tmp_path / "resume.json"), "--history-days", "0.5", "--speed", "600")
    first_ms = START_MS - 12 * HOUR_MS
    with simulator(mosquitto, *options, "--start", START.isoformat()) as process:
        eventually(lambda: any(_at_ms(body) > START_MS for _, body in subscriber.spoken(FLEET[0].lift_id)))
        end(process)
    later = START_MS + 6 * HOUR_MS
    with simulator(mosquitto, *options, "--start", from_ms(later).isoformat()) as process:
        for spec in FLEET:
            eventually(lambda spec=spec: any(_at_ms(body) > later for _, body in subscriber.spoken(spec.lift_id)))  # type: ignore[misc]
        end(process)
    for spec in FLEET:
        said = sorted(subscriber.spoken(spec.lift_id), key=_clock)
        assert said == sorted(window(spec, first_ms, _at_ms(said[-1][1]) + 1), key=_clock)


def test_a_script_that_a_stop_cut_short_is_played_to_its_end_by_the_next_run(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    def entrapments() -> list[tuple[str | None, str]]:
        said = [body for spec in FLEET for _, body in subscriber.bodies(spec.lift_id)]
        reports = [body for body in said if isinstance(body, FaultReport) and body.code == ENTRAPMENT]
        return [(report.fault_id, report.phase) for report in reports]

    options = ("--resume", str(tmp_path / "resume.json"), "--speed", "60")
    with simulator(mosquitto, *options, "--start", START.isoformat(), "--demo-script") as process:
        eventually(lambda: len(entrapments()) == 1)
        end(process)
    with simulator(mosquitto, *options) as process:
        eventually(lambda: len(entrapments()) == 2)
        end(process)
    fault_id, phase = entrapments()[0]
    assert phase == "raised"
    assert entrapments()[1] == (fault_id, "cleared")


def _at_ms(body: Body) -> int:
    return body.at if isinstance(body.at, int) else 0


def _clock(said: tuple[Kind, Body]) -> tuple[int, str]:
    return _at_ms(said[1]), said[0]


def test_a_wrong_address_is_said_and_a_stop_is_obeyed_all_the_same(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with simulator(mosquitto) as process:
        assert process.stderr is not None
        assert b"no broker at" in process.stderr.readline()
        end(process)


def test_a_history_without_a_broker_is_not_called_published(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with simulator(mosquitto, "--history-days", "1", "--once", "--until-s", "1") as process:
        process.communicate(timeout=WAIT_S_MAX)
        assert process.returncode == 1


def test_a_rough_fleet_writes_down_what_it_sent_and_what_was_lost(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    options = ("--start", START.isoformat(), "--speed", "3600", "--traffic", "1", "--rough", "--truth", str(tmp_path))
    with simulator(mosquitto, *options) as process:
        eventually(lambda: len(subscriber.payloads) > 6_000)  # of which one in 500 is lost: some have been
        end(process)
    sent, lost = _numbers(tmp_path / "sent.csv", tmp_path / "disturbed.csv")
    assert lost
    eventually(lambda: _arrived(subscriber) == sent - lost)
    what = {line.split(",")[2] for line in (tmp_path / "disturbed.csv").read_text().splitlines()[1:]}
    assert what >= {"duplicate", "late", "garbage"}


def _numbers(sent: Path, disturbed: Path) -> tuple[set[tuple[str, str, int]], set[tuple[str, str, int]]]:
    numbers = set()
    for line in sent.read_text().splitlines()[1:]:
        lift_id, boot, first, last, count = line.split(",")
        assert int(count) == int(last) - int(first) + 1
        numbers |= {(lift_id, boot, seq) for seq in range(int(first), int(last) + 1)}
    rows = [line.split(",") for line in disturbed.read_text().splitlines()[1:]]
    return numbers, {(lift_id, boot, int(seq)) for lift_id, _, _, boot, seq in rows if seq}


def _arrived(subscriber: Subscriber) -> set[tuple[str, str, int]]:
    found = set()
    for topic, payload, _ in list(subscriber.payloads):
        parsed = parse_topic(topic)
        assert isinstance(parsed, tuple)
        found |= {
            (parsed[0], body.boot, body.seq)
            for body in decode(parsed[1], payload).bodies
            if body.boot is not None and body.seq is not None
        }
    return found


def test_a_parent_that_ended_before_the_simulator_began_ends_it_all_the_same(mosquitto: Mosquitto) -> None:
    with simulator(mosquitto, "--stop-with-parent", "--parent-pid", "1") as process:
        assert process.wait(WAIT_S_MAX) == 0
