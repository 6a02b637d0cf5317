"""Where a trial takes place: real servers, proxies that can fail before them, and supervised service processes."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.request import urlopen

from ingest.database import migrate, open_engine
from tests.chaos.content import POISON_MG
from tests.chaos.mqtt_tap import MqttTap
from tests.chaos.plan import DISK_FULL, POISON, Plan, Topology
from tests.chaos.tiny_disk import TinyDisk
from tests.conftest import MIGRATION_FOLDERS
from tests.influx_gate import InfluxGate
from tests.servers import HOST, Influxd, Mosquitto, Postgresql, new_name
from tests.service import SERVE, Service, until
from tests.tcp_proxy import TcpProxy

GRACE_S = 2
SHARE = "chaos"
START_S_MAX = 60.0
SUPERVISE_EVERY_S = 0.2


class Servers:
    """The servers that all trials of a run share, each started when the first trial asks for it."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`."""
        self._folder = folder
        self._influxd: Influxd | None = None
        self._postgresql: Postgresql | None = None
        self._closing = contextlib.ExitStack()
        self._template = ""
        self._sqlite = folder / "migrated.sqlite"
        _migrated(f"sqlite:///{self._sqlite}")

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing running."""
        self._closing.close()

    def influxd(self) -> Influxd:
        """Return the InfluxDB server."""
        if self._influxd is None:
            folder = self._folder / "influxd"
            folder.mkdir()
            self._influxd = Influxd(folder)
            self._closing.callback(self._influxd.close)
        return self._influxd

    def postgresql(self) -> Postgresql:
        """Return the PostgreSQL server."""
        if self._postgresql is None:
            self._postgresql = Postgresql()
            self._closing.callback(self._postgresql.close)
            self._template = self._closing.enter_context(self._postgresql.database())
            _migrated(self._postgresql.url(self._template))
        return self._postgresql

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Give the name of a migrated, empty PostgreSQL database."""
        server = self.postgresql()
        with server.database(self._template) as name:
            yield name

    def copy_sqlite(self, target: Path) -> None:
        """Put a migrated, empty SQLite database at `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._sqlite, target)


class Supervised:
    """A service process that is started again when it has ended, as a supervisor would."""

    def __init__(self, service: Service) -> None:
        """Watch over `service`, which runs from `start` on."""
        self.service = service
        self.is_wanted = False
        self.has_lived = False
        self.endings: list[str] = []
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start it, without waiting."""
        with self._lock:
            self.has_lived = False
            self.service.launch()
            self.is_wanted = True

    def kill(self) -> None:
        """Kill it, and leave it so until `start`."""
        with self._lock:
            self.is_wanted = False
            self.service.kill()

    def look_after(self) -> None:
        """Start it again if it has ended by itself; once it has lived that is noted as a failure."""
        with self._lock:
            if not self.is_wanted:
                return
            if not self.service.has_ended():
                self.has_lived = self.has_lived or self._lives()
                return
            if self.has_lived:
                self.endings.append("a service process ended by itself")
            self.start()

    def _lives(self) -> bool:
        try:
            with urlopen(f"http://{HOST}:{self.service.port}/healthz", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False


class Stage:
    """One trial's own broker, databases, proxies and processes; everything ends with it."""

    def __init__(self, servers: Servers, folder: Path, plan: Plan, command: tuple[str, ...] = SERVE) -> None:
        """Set up everything for `plan` in `folder`; `command` is what each service process runs."""
        self._closing = contextlib.ExitStack()
        self.folder = folder
        self.disk: TinyDisk | None = None
        self.gate: InfluxGate | None = None
        self.proxies: dict[str, TcpProxy] = {}
        self.servers = servers
        self.topology: Topology = plan.topology
        self.tap = MqttTap()
        try:
            self._set_up(plan, command)
        except BaseException:
            self._closing.close()
            raise

    def __enter__(self) -> Self:
        """Start the processes and wait until they are ready."""
        try:
            for each in self.supervised:
                each.start()
            self._supervisor.start()
            until(self.is_ready, "the first start", START_S_MAX)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing running."""
        self.end_supervision()
        self._closing.close()

    @property
    def services(self) -> list[Service]:
        """Return the service processes; the first of them serves the API."""
        return [each.service for each in self.supervised]

    def is_ready(self) -> bool:
        """Tell whether every process says that it is ready."""
        return all(service.answers() for service in self.services)

    def until_sessions_saved(self) -> None:
        """Wait until the broker has written to disk which sessions it has: in life they are days old, not seconds."""
        saved, now_s = self.folder / "mosquitto" / "mosquitto.db", time.time()
        until(lambda: saved.exists() and saved.stat().st_mtime > now_s, "the broker's file", START_S_MAX)

    def end_supervision(self) -> None:
        """From now on a process that ends stays ended."""
        self._over.set()
        if self._supervisor.is_alive():
            self._supervisor.join()

    def _set_up(self, plan: Plan, command: tuple[str, ...]) -> None:
        data = self.folder / "data"
        if any(fault.name == DISK_FULL for fault in plan.faults):
            self.disk = TinyDisk(data)
            self._closing.callback(self.disk.close)
        (self.folder / "mosquitto").mkdir()
        self.mosquitto = Mosquitto(self.folder / "mosquitto")
        self._closing.callback(self.mosquitto.stop)
        self._add_proxy("broker", self.mosquitto.port, self.tap)
        self.database_url = self._set_up_database(data)
        self.store_url = self._set_up_store(plan, data)
        self.supervised = [Supervised(self._service(number, data, command)) for number in range(plan.topology.workers)]
        for each in self.supervised:
            self._closing.callback(each.service.__exit__)
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def _set_up_database(self, data: Path) -> str:
        """Make the database; return the URL past the proxy."""
        if not self.topology.has_postgresql:
            self.servers.copy_sqlite(data / "liftwatch.sqlite")
            return f"sqlite:///{data / 'liftwatch.sqlite'}"
        server = self.servers.postgresql()
        self._database = self._closing.enter_context(self.servers.database())
        self._add_proxy("PostgreSQL", server.port)
        return server.url(self._database)

    def _set_up_store(self, plan: Plan, data: Path) -> str:
        """Make the telemetry store; return the URL past the proxy."""
        if not self.topology.has_influx:
            return f"sqlite:///{data / 'telemetry.sqlite'}"
        server, bucket = self.servers.influxd(), new_name("bucket")
        server.query(f'CREATE DATABASE "{bucket}"')
        self.gate = InfluxGate(server.port)
        self._closing.callback(self.gate.refuse)
        if any(fault.name == POISON for fault in plan.faults):
            self.gate.poison(str(POISON_MG).encode())
        self._add_proxy("InfluxDB", self.gate.port)
        return f"influxdb+http://{HOST}:{self.gate.port}/{bucket}?org=liftwatch"

    def _add_proxy(self, part: str, port: int, tap: MqttTap | None = None) -> None:
        self.proxies[part] = TcpProxy(port, tap)
        self._closing.callback(self.proxies[part].close)

    def _service(self, number: int, data: Path, command: tuple[str, ...]) -> Service:
        settings = {
            "data_dir": str(data if number == 0 else self.folder / f"data-{number}"),
            "store_url": self._through_proxy(self.store_url, "InfluxDB", self.gate.port if self.gate else 0),
            "auto_register": "1",
            "disconnect_grace_s": str(GRACE_S),
        }
        if self.topology.has_postgresql:
            port = self.servers.postgresql().port
            settings["database_url"] = self._through_proxy(self.database_url, "PostgreSQL", port)
        if self.topology.workers > 1:
            settings |= {"mqtt_share": SHARE, "mqtt_client_id": f"chaos-{number}"}
            command = (*command, "--role", "all" if number == 0 else "ingest")
        folder = self.folder / f"service-{number}"
        folder.mkdir()
        return Service(folder, f"mqtt://{HOST}:{self.proxies['broker'].port}", command, **settings)

    def _through_proxy(self, url: str, part: str, port: int) -> str:
        return url.replace(f":{port}/", f":{self.proxies[part].port}/") if part in self.proxies else url

    def _supervise(self) -> None:
        while not self._over.wait(SUPERVISE_EVERY_S):
            for each in self.supervised:
                each.look_after()


def _migrated(url: str) -> None:
    engine = open_engine(url)
    try:
        migrate(engine, MIGRATION_FOLDERS)
    finally:
        engine.dispose()
