"""The demonstration: real content soon after the first start, a clean stop, and a second start that goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from benchmarks.parts.programs import free_port
from tests.servers import answers
from tests.service import ROOT, Client, until


class Demo:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.client = Client(free_port())
        self.mqtt_port = free_port()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("LIFTWATCH_")}
        self._environment |= {
            "LIFTWATCH_DATA_DIR": str(folder / "data"),
            "LIFTWATCH_API_BIND": f"127.0.0.1:{self.client.port}",
            "LIFTWATCH_MQTT_URL": f"mqtt://127.0.0.1:{self.mqtt_port}",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "demo.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "demo", "--lifts", "8", "--history-days", "10"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(40)
        self._process = None
        return code

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def has_content(self) -> bool:
        paths = ("/api/v1/lifts", "/api/v1/alerts", "/api/v1/work-orders", "/api/v1/findings")
        return self.client.answers() and all(self.client.items(path) for path in paths)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.kill()


def test_the_demonstration_shows_content_and_goes_on_after_a_stop_and_after_a_kill(demo: Demo) -> None:
    demo.start()
    until(demo.has_content, "content")
    with urlopen(f"http://127.0.0.1:{demo.client.port}/", timeout=10) as page:
        text = page.read().decode()
    lift_ids = [lift["lift_id"] for lift in demo.client.items("/api/v1/lifts")]
    assert len(lift_ids) == 8
    assert any(lift_id in text for lift_id in lift_ids)
    until(lambda: demo.client.items("/api/v1/alerts?kind=repeated-fault"), "the history to be assessed")
    until(lambda: demo.client.items("/api/v1/findings?kind=drift"), "the part that wears to be found")
    (drift, *_) = demo.client.items("/api/v1/findings?kind=drift")
    assert drift["days_left"] > 0
    before = {order["id"] for order in demo.client.items("/api/v1/work-orders")}
    assert demo.stop() == 0

    demo.start()
    until(demo.has_content, "content after a clean stop")
    demo.kill()
    until(lambda: not answers(demo.mqtt_port), "the broker to end with the demonstration")
    demo.start()
    until(demo.has_content, "content after kill -9")
    after = {order["id"] for order in demo.client.items("/api/v1/work-orders")}
    assert before <= after
    assert [lift["lift_id"] for lift in demo.client.items("/api/v1/lifts")] == lift_ids
    assert demo.client.items("/api/v1/quarantine") == []
    assert demo.stop() == 0
