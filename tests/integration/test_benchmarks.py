"""The benchmarks run, small: what nobody runs is broken on the day when a figure is asked for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parts.mqtt import MqttClient, left_in_session, make_session
from benchmarks.parts.sockets import bytes_read
from benchmarks.parts.traffic import Traffic
from tests.servers import Mosquitto, find_program
from tests.service import until

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = ("mosquitto", "mosquitto_sub", "victoria-metrics")
SMALL = {
    "ingest": "--messages 400 --readings 400 --lifts 20 --rounds 1 --without-node-red",
    "latency": "--lifts 50 --rate 100 --seconds 1 --settle-s 0.5",
    "outage": "--lifts 50 --rate 100 --minutes 0.05 --settle-s 1",
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_shows_its_table_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    for program in PROGRAMS:
        find_program(program)
    command = [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name].split()]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert "|--" in done.stdout
    assert "note:" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_that_is_ended_ends_its_programs(tmp_path: Path) -> None:
    find_program("victoria-metrics")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.outage", "--lifts", "20", "--rate", "100"]
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: _children(running.pid), "its first child")
    children = _children(running.pid)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)

    assert running.returncode == 128 + signal.SIGTERM
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def test_the_bare_client_fills_a_session_and_counts_what_is_left_in_it(mosquitto: Mosquitto) -> None:
    make_session(mosquitto.port, "somebody")
    client = MqttClient(mosquitto.port, "publisher")
    client.send(Traffic(10).singles(1_200, 1_767_600_000_000, 1_767_600_000_000))
    client.wait_acknowledged()
    client.close()

    assert client.sent == client.acknowledged == 1_200
    assert left_in_session(mosquitto.port, "somebody") == 1_200
    assert left_in_session(mosquitto.port, "somebody") == 0


def test_the_kernel_tells_how_much_a_server_has_read(mosquitto: Mosquitto) -> None:
    client = MqttClient(mosquitto.port, "publisher")
    (connected,) = bytes_read(mosquitto.port).values()
    publication = Traffic(1).single(1_767_600_000_000)
    client.send([publication])
    client.wait_acknowledged()
    (later,) = bytes_read(mosquitto.port).values()
    client.close()

    # Fixed header of three bytes, length of the topic, packet identifier.
    assert later - connected == 3 + 2 + len(publication.topic) + 2 + len(publication.payload)
    until(lambda: not bytes_read(mosquitto.port), "the connection to be gone")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
