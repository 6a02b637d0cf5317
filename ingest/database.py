"""The SQL database of register and journal: opened here, migrated here; each room owns its own tables.

SQLite for one box, PostgreSQL for more; both are held to the same contract suites. A room declares its tables on
`metadata` and brings the migrations that make them, in its folder `migrations/`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.types import TypeDecorator

BUSY_TIMEOUT_MS = 15_000
# The database does not answer, is restarting, full or locked: the same call may succeed later.
DATABASE_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError)
# A connection that is cut in silence is noticed within 15 s, not after the minutes that TCP takes by itself.
_POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "tcp_user_timeout": 15_000,
}
# What was to be written, secrets of receivers and names of people among it, never stands in an error or a log.
_DISCRETE: dict[str, Any] = {"hide_parameters": True}
_MIGRATION_LOCK = 0x4C494654  # "LIFT"

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC, on SQLite too, which knows no offsets.

    Raises:
        ValueError: on writing an instant without offset.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Turn an aware instant into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"an instant without offset: {value.isoformat()}"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def open_engine(url: str) -> Engine:
    """Return an engine for a `sqlite:///path` or `postgresql+psycopg://` URL.

    SQLite is opened with a write-ahead log, foreign keys, full synchronisation (what is committed survives a power
    cut) and transactions that take the write lock at once, so that a read followed by a write cannot be overtaken.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True, connect_args=_POSTGRESQL_TIMEOUTS, **_DISCRETE)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, **_DISCRETE)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_immediate
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection for reads alone: on SQLite it never waits for a writer."""
    with engine.connect().execution_options(read_only=True) as connection:
        yield connection


def insert_new(connection: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT on which `on_conflict_do_nothing` and `on_conflict_do_update` work, for either engine."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def migrate(engine: Engine, folders: list[Path]) -> None:
    """Bring the database to the newest schema of the rooms whose migration folders are given."""
    _with_alembic(engine, folders, lambda config: command.upgrade(config, "heads"))


def _with_alembic(engine: Engine, folders: list[Path], action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder) for folder in folders))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Two services that start at once: the second waits, and finds nothing left to do.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        action(config)
