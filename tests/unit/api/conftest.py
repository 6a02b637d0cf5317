"""Fixtures of the HTTP side."""

import pytest
from sqlalchemy.engine import Engine

from tests.unit.api.parts import Client, World, world_on


@pytest.fixture
def world(sqlite_engine: Engine) -> World:
    """A service on an empty, migrated SQLite database and a telemetry store in memory."""
    return world_on(sqlite_engine)


@pytest.fixture
def client(world: World) -> Client:
    """A client on this machine, of a service without a token."""
    return world.client
