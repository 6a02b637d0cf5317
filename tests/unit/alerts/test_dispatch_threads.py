"""The dispatcher's threads: a receiver that hangs keeps nobody else waiting, and the end comes in order."""

import threading
from datetime import datetime

import pytest
from sqlalchemy.engine import Engine

from alerts import dispatch
from alerts.channels import WEBHOOK, Outcome, Outgoing
from alerts.dispatch import Dispatcher
from alerts.notifying import Notifying
from alerts.subscriptions import Wanted
from ingest.clock import SystemClock
from tests.unit.alerts.parts import NOON, RULES, Room, fault


class Receivers:
    """One receiver hangs until it is let go; the other answers at once."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.hangs = threading.Event()
        self.answered = threading.Event()
        self.told: list[str] = []

    def send(self, outgoing: Outgoing, _now: datetime) -> Outcome:
        if outgoing.target == "hangs":
            self.hangs.set()
            self.may_answer.wait(20)
        self.told.append(outgoing.target)
        self.answered.set()
        return Outcome()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "STEP_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_receiver_that_hangs_keeps_nobody_else_waiting(sqlite_engine: Engine) -> None:
    notifying = Notifying(sqlite_engine, frozenset({WEBHOOK}))
    for name in ("hangs", "answers"):
        notifying.subscriptions.add(Wanted(channel=WEBHOOK, name=name, target=name, topics=["alert.raised"]), NOON)
    receivers = Receivers()
    dispatcher = Dispatcher(sqlite_engine, RULES, {WEBHOOK: receivers}, SystemClock())
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        Room(sqlite_engine).desk.observe([fault("power-supply-fault")])
        assert receivers.hangs.wait(20)
        assert receivers.answered.wait(20)
        assert receivers.told == ["answers"]
    finally:
        dispatcher.stop()
        receivers.may_answer.set()
        thread.join()
    assert receivers.told == ["answers", "hangs"]
    assert {each.state for each in notifying.log.page(limit=5)} == {"delivered"}
    assert dispatcher.trouble() is None
    assert dispatcher.counts.notifications_delivered == 2


@pytest.mark.usefixtures("quick")
def test_a_database_that_fails_is_told_and_does_not_end_the_thread(sqlite_engine: Engine) -> None:
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    dispatcher = Dispatcher(sqlite_engine, RULES, {}, SystemClock())
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        for _ in range(1_000):
            if dispatcher.trouble():
                break
            thread.join(0.01)
        assert dispatcher.trouble() == "the database does not answer"
        assert thread.is_alive()
    finally:
        dispatcher.stop()
        thread.join()
