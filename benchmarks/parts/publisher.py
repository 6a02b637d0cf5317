"""A fleet that goes on speaking at a steady rate, in a process of its own so that nobody slows it down.

`Fleet` starts the process and ends it; the process itself is `python -m benchmarks.parts.publisher`. It ends when its
standard input does, so that it never outlives the benchmark.
"""

import argparse
import json
import select
import subprocess
import sys
import threading
import time
from typing import Self

from msgspec import Struct

from benchmarks.parts.mqtt import MqttClient
from benchmarks.parts.programs import ROOT
from benchmarks.parts.traffic import Traffic

TICK_S = 0.01
REPORT_S = 0.5


class Progress(Struct, frozen=True):
    """What was sent until now; `behind_s_max`: by how much it was ever late."""

    seconds: float
    sent: int
    acknowledged: int
    behind_s_max: float

    @property
    def rate(self) -> float:
        """Messages a second that the broker has acknowledged."""
        return self.acknowledged / self.seconds


class Fleet:
    """`lifts` lifts that send `rate` messages a second together, while the context lasts."""

    def __init__(self, port: int, lifts: int, rate: int) -> None:
        """Prepare; the process starts with the context."""
        options = ["--port", str(port), "--lifts", str(lifts), "--rate", str(rate)]
        self._command = [sys.executable, "-m", "benchmarks.parts.publisher", *options]
        self._progress: Progress | None = None
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        """Start to send."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.progress()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop sending."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()

    def progress(self) -> Progress:
        """Return the next report.

        Raises:
            RuntimeError: there is none; the process has ended.
        """
        with self._changed:
            self._progress = None
            self._changed.wait_for(lambda: self._progress is not None, timeout=30)
            if self._progress is None:
                message = "the publisher does not report"
                raise RuntimeError(message)
            return self._progress

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._progress = Progress(**json.loads(line))
                self._changed.notify_all()
        self._process.stdout.close()


def rate_between(first: Progress, last: Progress) -> float:
    """Return how many messages a second were sent and acknowledged between two reports."""
    return (last.acknowledged - first.acknowledged) / (last.seconds - first.seconds)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--port", "--lifts", "--rate"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args()
    _send_until_eof(MqttClient(options.port, "bench-fleet"), Traffic(options.lifts), options.rate)


def _send_until_eof(client: MqttClient, traffic: Traffic, rate: int) -> None:
    begun_s = time.monotonic()
    report_s = behind_s_max = 0.0
    while not select.select([sys.stdin], [], [], TICK_S)[0]:
        elapsed_s = time.monotonic() - begun_s
        due = int(elapsed_s * rate) - client.sent
        behind_s_max = max(behind_s_max, due / rate - TICK_S)
        at_ms = time.time_ns() // 1_000_000
        client.send(traffic.single(at_ms) for _ in range(due))
        client.poll()
        if elapsed_s >= report_s:
            report_s += REPORT_S
            report = {"seconds": elapsed_s, "sent": client.sent, "acknowledged": client.acknowledged}
            print(json.dumps({**report, "behind_s_max": behind_s_max}), flush=True)
    client.wait_acknowledged()
    client.close()


if __name__ == "__main__":
    _main()
