"""The migrations of all rooms together make the tables that the code declares, on every engine."""

from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from ingest.database import metadata, migrate, open_engine
from tests.conftest import MIGRATION_FOLDERS

# Each declares tables on `metadata` when it is imported.
TABLE_MODULES = (
    "ingest.controller_clocks",
    "ingest.fleet_register",
    "ingest.quarantine",
    "ingest.ledger",
    "analytics.feature_book",
    "analytics.finding_history",
    "analytics.findings",
    "alerts.journal",
    "alerts.order_tables",
    "alerts.notification_tables",
    "alerts.shift_tables",
)


@pytest.fixture(scope="module", autouse=True)
def _declared() -> None:
    for module in TABLE_MODULES:
        import_module(module)


def differences(engine: Engine) -> list[object]:
    # Alembic takes the empty text that SQLite has as a default for none at all; PostgreSQL's defaults it reads right.
    options = {"compare_type": True, "compare_server_default": engine.dialect.name == "postgresql"}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        found: list[object] = compare_metadata(context, metadata)
    return found


def schema(engine: Engine) -> dict[str, list[str]]:
    inspector = sa.inspect(engine)
    return {name: [repr(column) for column in inspector.get_columns(name)] for name in inspector.get_table_names()}


def test_the_migrated_database_is_what_the_code_declares(engine: Engine) -> None:
    assert differences(engine) == []


def test_the_comparison_sees_a_column_and_a_table_that_no_migration_made(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE site ADD COLUMN colour VARCHAR(9)"))
        connection.execute(sa.text("DROP TABLE outage"))

    assert len(differences(engine)) >= 2


def test_every_room_brings_its_tables(engine: Engine) -> None:
    rooms = {folder.parent.parent.name for folder in MIGRATION_FOLDERS}

    assert rooms == {"ingest", "analytics", "alerts"}
    assert set(metadata.tables) == set(sa.inspect(engine).get_table_names()) - {"alembic_version"}


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    before = schema(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO site (site_id, name) VALUES ('north', 'North Tower')"))

    migrate(engine, MIGRATION_FOLDERS)
    migrate(engine, MIGRATION_FOLDERS)

    assert schema(engine) == before
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT site_id, name FROM site")).all() == [("north", "North Tower")]


def test_an_empty_postgresql_database_is_migrated(postgresql_url: str) -> None:
    engine = open_engine(postgresql_url)
    migrate(engine, MIGRATION_FOLDERS)

    assert differences(engine) == []
    engine.dispose()


def test_a_sqlite_database_of_one_room_gains_the_tables_of_the_others(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/liftwatch.sqlite")
    migrate(engine, [folder for folder in MIGRATION_FOLDERS if folder.parent.parent.name == "ingest"])
    assert differences(engine)

    migrate(engine, MIGRATION_FOLDERS)

    assert differences(engine) == []
    engine.dispose()
