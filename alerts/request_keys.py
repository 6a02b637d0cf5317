"""Requests that are answered once: the same key gets the same answer, whatever has become of the order meanwhile.

A key is one row, written in the transaction of the change itself: either the change, its key and its answer are there,
or none of them. A second request of the same key waits for the first and gets its answer, in another process too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts.journal import Journal
from alerts.order_tables import request_key
from ingest.database import insert_new

# A client that tries again after a week-end finds its answer.
KEPT = timedelta(hours=72)
# Old keys that one new one takes away at most, so that they go faster than they come.
_FORGOTTEN_A_REQUEST = 50


class KeyReusedError(ValueError):
    """The key was used for another request."""


class Request(Struct, frozen=True):
    """A request by its key; `fingerprint` is a hash of everything that it asks."""

    key: str
    fingerprint: str


class Answer(Struct, frozen=True):
    """What a request was answered: the HTTP status, and the body as JSON."""

    status: int
    body: str


class Once(Struct, frozen=True):
    """One request in the transaction that answers it; `answer` is there where it was answered before."""

    answer: Answer | None
    settle: Callable[[Answer], None]


@contextmanager
def answered_once(journal: Journal, request: Request, now: datetime) -> Iterator[Once]:
    """Make everything that the journal writes within one transaction with the request's key and answer.

    Raises:
        KeyReusedError: the key stands for another request.
    """
    with journal.joining() as connection:
        known = _claim(connection, request, now)

        def settle(answer: Answer) -> None:
            own = request_key.c.key == request.key
            values = {"status": answer.status, "body": answer.body}
            connection.execute(sa.update(request_key).where(own).values(values))

        yield Once(known, settle)


def _claim(connection: Connection, request: Request, now: datetime) -> Answer | None:
    _forget(connection, now - KEPT)
    row = {"key": request.key, "fingerprint": request.fingerprint, "at": now}
    insert = insert_new(connection, request_key).values(row).on_conflict_do_nothing()
    if connection.execute(insert.returning(request_key.c.key)).first() is not None:
        return None
    known = connection.execute(sa.select(request_key).where(request_key.c.key == request.key)).one()
    if known.fingerprint != request.fingerprint:
        message = "the key stands for another request"
        raise KeyReusedError(message)
    return Answer(known.status, known.body)


def _forget(connection: Connection, before: datetime) -> None:
    old = sa.select(request_key.c.key).where(request_key.c.at < before).limit(_FORGOTTEN_A_REQUEST)
    held = old.with_for_update(skip_locked=True)
    connection.execute(sa.delete(request_key).where(request_key.c.key.in_(held.scalar_subquery())))
