"""What one process publishes live: `python -m benchmarks.simulator_publishing --lifts 10000 --seconds 60`.

Starts a mosquitto of its own, connects every lift, waits until nobody is late, then measures for some seconds: what the
fleet said, how late, and how much of one core that took. It runs at its real rate; the hour of `--start` decides which.
"""

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from random import Random

from ingest.clock import SystemClock, to_ms
from ingest.wire import parse_broker_url
from simulator.fleet import make_fleet
from simulator.pace import Pace
from simulator.publisher import Publisher
from simulator.run import Plan, Simulation

FILES_BESIDES = 200


class Counted:
    """Counts what the fleet says, and how late it is said."""

    def __init__(self, pace: Pace) -> None:
        """Count from 0."""
        self._pace = pace
        self.said_count = 0
        self.late_ms_max = 0

    def said(self, lift_id: str, boot: str, seq: int, made_ms: int) -> None:
        """Count a message."""
        del lift_id, boot, seq
        self.said_count += 1
        self.late_ms_max = max(self.late_ms_max, self._pace.now_ms() - made_ms)

    def disturbed(self, lift_id: str, what: str, made_ms: int, boot: str = "", seq: int | None = None) -> None:
        """Nothing is disturbed on a clean line."""


class Phases:
    """Warms up until everybody is connected and nobody is late, then measures for some seconds."""

    def __init__(self, publisher: Publisher, log: Counted, lifts: int, seconds: float) -> None:
        """Begin to warm up."""
        self._publisher, self._log, self._lifts, self._seconds = publisher, log, lifts, seconds
        self._began_s = self._look_at_s = time.monotonic()
        self._measured: tuple[float, float, int] | None = None
        self.result: tuple[float, float, int, int] | None = None
        self.warm_up_s = 0.0

    def is_over(self) -> bool:
        """Tell whether the time is up."""
        now_s = time.monotonic()
        if self._measured is None:
            self._warm_up(now_s)
            return False
        begun_s, cpu_s, said = self._measured
        if now_s - begun_s < self._seconds:
            return False
        self.result = (now_s - begun_s, time.process_time() - cpu_s, self._log.said_count - said, self._log.late_ms_max)
        return True

    def _warm_up(self, now_s: float) -> None:
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + 5.0
        calm = self._log.late_ms_max < 1_000 and self._publisher.connected == self._lifts
        sys.stderr.write(f"{self._publisher.connected} connected, latest {self._log.late_ms_max} ms\n")
        self._log.late_ms_max = 0
        if calm:
            self.warm_up_s = now_s - self._began_s
            self._measured = (now_s, time.process_time(), self._log.said_count)


def main() -> None:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=1_000)
    parser.add_argument("--traffic", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--start", default="2026-03-03T08:00:00+00:00")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, options.lifts + FILES_BESIDES), hard))
    fleet = make_fleet(1, options.lifts, options.traffic)
    pace = Pace(SystemClock(), to_ms(datetime.fromisoformat(options.start)))
    log = Counted(pace)
    with tempfile.TemporaryDirectory() as folder:
        broker, url = start_broker(Path(folder))
        try:
            publisher = Publisher(parse_broker_url(url), [spec.lift_id for spec in fleet], say, Random(1))
            phases = Phases(publisher, log, options.lifts, options.seconds)
            Simulation(fleet, Plan(), pace, publisher, "bench", say, None, log).run(phases.is_over)
        finally:
            broker.terminate()
            broker.wait()
    tell(phases, options.lifts)


def start_broker(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a mosquitto on a free port; return it and its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest none\n")
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed")
    broker = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    return broker, f"mqtt://127.0.0.1:{port}"


def tell(phases: Phases, lifts: int) -> None:
    """Print what was measured."""
    if phases.result is None:
        sys.exit("it was stopped before it could be measured")
    wall_s, cpu_s, said, late_ms = phases.result
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"lifts {lifts}, all connected and on time after {phases.warm_up_s:.0f} s")
    print(f"{said:,} messages in {wall_s:.1f} s: {said / wall_s:,.0f} a second")
    print(f"CPU {cpu_s / wall_s:.0%} of one core, latest message {late_ms} ms after its time")
    print(f"peak memory {peak_mb:,.0f} MB")


def say(text: str) -> None:
    """Tell what a person should know."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
