"""`liftwatch serve` as it is shipped, with its own data folder."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.parts.programs import ROOT, Program, free_port, get

CLIENT_ID = "liftwatch-ingest"
_SAMPLE = re.compile(r"^(liftwatch_[a-z_]+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Service:
    """The service; `start` and `stop` keep its data."""

    def __init__(self, folder: Path, mqtt_url: str, lift_ids: Sequence[str], **settings: str) -> None:
        """Prepare a data folder in which the lifts are registered; `settings` are keys of the settings."""
        self._folder = folder
        self.data = folder / "data"
        self.port = free_port()
        folder.mkdir(parents=True)
        given = {
            "data_dir": str(self.data),
            "mqtt_url": mqtt_url,
            "mqtt_client_id": CLIENT_ID,
            "api_bind": f"127.0.0.1:{self.port}",
            # VictoriaMetrics answers none of the questions of an assessment.
            "assess_every_s": "86400",
            **settings,
        }
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("LIFTWATCH_")}
        self._environment |= {f"LIFTWATCH_{name.upper()}": value for name, value in given.items()}
        self._register(lift_ids)

    def start(self) -> Program:
        """Start it; it drains the broker as soon as it is connected."""
        command = [sys.executable, "-m", "api.cli", "serve"]
        return Program(command, self._folder / "service.log", self._environment)

    def answers(self) -> bool:
        """Tell whether its API is served."""
        return get(self.port, "/healthz")[0] == 200

    def metrics(self) -> dict[str, float]:
        """Return what it counts of itself, samples with one name added up."""
        sums: dict[str, float] = {}
        for name, value in _SAMPLE.findall(get(self.port, "/metrics")[1].decode()):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def quarantined(self) -> int:
        """Return how many messages it has not accepted since it began, which a benchmark sends none of."""
        return int(self.metrics().get("liftwatch_messages_quarantined_total", 0))

    def _register(self, lift_ids: Sequence[str]) -> None:
        history = self._folder / "history"
        history.mkdir()
        with (history / "lifts.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["lift_id"], *([lift_id] for lift_id in lift_ids)])
        command = [sys.executable, "-m", "api.cli", "import", str(history)]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"liftwatch import: {done.stderr[-2_000:]}"
            raise RuntimeError(message)
