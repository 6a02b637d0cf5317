"""What stands on both sides of an ingest: mosquitto with what lifts have sent, VictoriaMetrics that takes it."""

import re
from pathlib import Path

from benchmarks.parts.programs import Program, answers, find, free_port, get

BUCKET = ORG = "bench"
_POINTS = re.compile(rb'^vm_protoparser_rows_read_total\{type="influx"\} (\S+)$', re.MULTILINE)


class Mosquitto:
    """A broker that drops nothing (as `deploy/mosquitto.conf`) and keeps its queues in memory.

    Its own saving to disk would be the same for everyone who drains a queue, and is not what is measured.
    """

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.port = free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "persistence false\n"
            "max_queued_messages 0\n"
            "max_inflight_messages 0\n"
            "log_type error\n"
            "log_type warning\n"
        )
        command = [find("mosquitto", "mosquitto"), "-c", str(configuration)]
        self.program = Program(command, folder / "mosquitto.log")
        self.program.until(lambda: answers(self.port), "mosquitto")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"


class Sink:
    """VictoriaMetrics, which takes line protocol at `/api/v2/write` itself and counts the points that it has taken.

    It understands no InfluxQL: what the service asks of its store fails, what it writes does not.
    """

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self._folder = folder
        self._executable = find("victoria-metrics", "victoria-metrics")
        self.port = free_port()
        self.start()

    @property
    def store_url(self) -> str:
        """The setting `store_url` of a service that writes here."""
        return f"influxdb+http://127.0.0.1:{self.port}/{BUCKET}?org={ORG}"

    @property
    def write_path(self) -> str:
        """Where line protocol is posted to."""
        return f"/api/v2/write?org={ORG}&bucket={BUCKET}&precision=ns"

    def start(self) -> None:
        """Start it, also again on the same port and files."""
        command = [
            self._executable,
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self._folder / 'victoria-metrics'}",
            "-retentionPeriod=1y",
            "-loggerLevel=WARN",
            f"-influx.databaseNames={BUCKET}",
        ]
        self.program = Program(command, self._folder / "victoria-metrics.log")
        self.program.until(lambda: get(self.port, "/health")[0] == 200, "VictoriaMetrics")

    def kill(self) -> None:
        """Let it be away."""
        self.program.kill()

    def points(self) -> int:
        """Return how many points (lines) it has taken since it was started."""
        _, body = get(self.port, "/metrics")
        found = _POINTS.search(body)
        return int(float(found[1])) if found else 0
