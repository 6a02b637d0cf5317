"""Transactions, and how everything that a request writes becomes one of them.

While a request is answered once for all (`alerts.request_keys`), whatever its thread writes or reads goes by that one
connection: a second one would not see what was written, and threads that each hold one and wait for another would wait
for ever.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from sqlalchemy.engine import Connection, Engine

from ingest import database

_joined: ContextVar[Connection | None] = ContextVar("joined", default=None)


def joined() -> Connection | None:
    """Return the connection that everything in this thread goes by; None: each transaction has its own."""
    return _joined.get()


@contextmanager
def joining(connection: Connection) -> Iterator[None]:
    """Let everything that this thread does go by `connection`."""
    token = _joined.set(connection)
    try:
        yield
    finally:
        _joined.reset(token)


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """Give a connection whose writes are one transaction, that of the request where there is one."""
    outer = _joined.get()
    return engine.begin() if outer is None else nullcontext(outer)


def reading(engine: Engine) -> AbstractContextManager[Connection]:
    """Give a connection for reads alone, that of the request where there is one."""
    outer = _joined.get()
    return database.reading(engine) if outer is None else nullcontext(outer)
