"""What tests share: migrated databases, and real servers that start when the first test asks for one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from ingest.database import migrate, open_engine
from tests.influx_gate import InfluxGate
from tests.servers import Influxd, Mosquitto, Postgresql, new_name

ROOT = Path(__file__).parent.parent
MIGRATION_FOLDERS = [
    folder
    for room in ("ingest", "analytics", "alerts")
    if (folder := ROOT / room / "migrations" / "versions").is_dir() and any(folder.glob("*.py"))
]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL server for the whole run."""
    server = Postgresql()
    yield server
    server.close()


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """An InfluxDB server for the whole run."""
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    yield server
    server.close()


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A fresh broker: host, port, url, start(), stop(), kill()."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield broker
    broker.stop()


@pytest.fixture
def postgresql_url(postgresql: Postgresql) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, without any schema."""
    with postgresql.database() as name:
        yield postgresql.url(name)


@pytest.fixture
def influx_gate(influxd: Influxd) -> Iterator[InfluxGate]:
    """The gate before InfluxDB: it can be told to fail, and knows what was asked."""
    gate = InfluxGate(influxd.port)
    yield gate
    gate.refuse()


@pytest.fixture
def influx_store_url(influxd: Influxd, influx_gate: InfluxGate) -> Iterator[str]:
    """The URL of an empty bucket."""
    bucket = new_name("bucket")
    influxd.query(f'CREATE DATABASE "{bucket}"')
    yield f"influxdb+http://127.0.0.1:{influx_gate.port}/{bucket}?org=liftwatch"
    influxd.query(f'DROP DATABASE "{bucket}"')


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied: migrating anew for each test would be most of its time."""
    path = tmp_path_factory.mktemp("migrated") / "liftwatch.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql_database(postgresql: Postgresql) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    with postgresql.database() as name:
        _migrate(postgresql.url(name))
        yield name


@pytest.fixture
def sqlite_engine(migrated_sqlite_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A migrated, empty SQLite database."""
    path = tmp_path / "liftwatch.sqlite"
    shutil.copyfile(migrated_sqlite_file, path)
    yield from _opened(f"sqlite:///{path}")


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A migrated, empty database, on each engine in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_engine")
        return
    server: Postgresql = request.getfixturevalue("postgresql")
    template: str = request.getfixturevalue("migrated_postgresql_database")
    with server.database(template) as name:
        yield from _opened(server.url(name))


def _migrate(url: str) -> None:
    opened = open_engine(url)
    try:
        migrate(opened, MIGRATION_FOLDERS)
    finally:
        opened.dispose()


def open_hastily(url: str) -> Engine:
    """Return an engine that on SQLite does not wait for the disk: no power cut comes while a test runs."""
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return engine


def _opened(url: str) -> Iterator[Engine]:
    opened = open_hastily(url)
    try:
        yield opened
    finally:
        opened.dispose()
