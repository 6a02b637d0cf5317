"""Fixtures of the HTTP side."""

from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.engine import Engine

from tests.unit.api.parts import Client, World, world_on


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """What a command sets up for its log is of that test alone: its stream is closed at the end of the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def world(sqlite_engine: Engine) -> World:
    """A service on an empty, migrated SQLite database and a telemetry store in memory."""
    return world_on(sqlite_engine)


@pytest.fixture
def client(world: World) -> Client:
    """A client on this machine, of a service without a token."""
    return world.client
