"""No sequence of calls, of two desks on one database, reaches an illegal state, silences people or loses history."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from alerts.alert import PEOPLE, Alert, AlertChange, AlertState, IllegalTransitionError, Suppression, changed
from alerts.journal import HistoryEntry
from alerts.quiet_desk import QuietDesk
from tests.conftest import open_hastily
from tests.unit.alerts.parts import RULES, Room, alarm, at, fault, finding, state

LIFTS = ("A1", "B2")
CODES = ("entrapment", "overspeed", "lift-shaft-device-fault", "car-stopped-outside-landing-zone", "power-supply-fault")
# What stands in the history, and what it did to the state.
MEANING = {
    "acknowledged": AlertChange.ACKNOWLEDGE,
    "cleared": AlertChange.CLEAR,
    "returned": AlertChange.RETURN,
    "restored": AlertChange.RETURN,
}
lifts, codes, hands = st.sampled_from(LIFTS), st.sampled_from(CODES), st.integers(0, 1)
phases, picks = st.sampled_from(("raised", "cleared")), st.integers(0, 50)


class Centre(RuleBasedStateMachine):
    """Two desks, two lifts, one operator, and time that goes on."""

    folder: Path
    template: Path

    def __init__(self) -> None:
        super().__init__()
        path = self.folder / "centre.sqlite"
        for old in self.folder.glob("centre.sqlite*"):
            old.unlink()
        shutil.copyfile(self.template, path)
        self.engine = open_hastily(f"sqlite:///{path}")
        self.room = Room(self.engine, lift_ids=LIFTS)
        self.desks = [self.room.desk, self.room.another_desk()]
        self.quiet = QuietDesk(self.room.journal, RULES)
        self.now_s = 0.0
        self.seen: dict[int, list[HistoryEntry]] = {}

    def teardown(self) -> None:
        self.engine.dispose()

    def pick(self, number: int) -> Alert | None:
        alerts = self.room.alerts()
        return alerts[number % len(alerts)] if alerts else None

    @rule(lift_id=lifts, code=codes, phase=phases, hand=hands)
    def say(self, lift_id: str, code: str, phase: Any, hand: int) -> None:
        self.now_s += 1
        self.desks[hand].observe([fault(code, phase, lift_id=lift_id, at_s=self.now_s)])

    @rule(lift_id=lifts, begins=st.booleans(), hand=hands)
    def call(self, lift_id: str, begins: bool, hand: int) -> None:
        self.now_s += 1
        self.desks[hand].observe([alarm("button" if begins else "end", lift_id=lift_id, at_s=self.now_s)])

    @rule(lift_id=lifts, mode=st.sampled_from(("normal", "inspection")), hand=hands)
    def switch(self, lift_id: str, mode: str, hand: int) -> None:
        self.now_s += 2
        self.desks[hand].observe([state(lift_id=lift_id, service_mode=mode, at_s=self.now_s)])

    @rule(seconds=st.sampled_from((5, 50, 700, 4_000, 50_000)))
    def wait(self, seconds: int) -> None:
        self.now_s += seconds
        for desk in self.desks:
            desk.watch(at(self.now_s), None)

    @rule(lift_ids=st.sets(lifts), hand=hands)
    def assess(self, lift_ids: set[str], hand: int) -> None:
        as_of = at(self.now_s)
        self.desks[hand].apply([finding(lift_id=lift_id, as_of=as_of) for lift_id in sorted(lift_ids)], as_of)

    @precondition(lambda self: self.room.alerts())
    @rule(number=picks, act=st.sampled_from(("acknowledge", "clear", "comment", "shelve", "unshelve")), hand=hands)
    def act(self, number: int, act: str, hand: int) -> None:
        alert, now, desk = self.pick(number), at(self.now_s), self.desks[hand]
        assert alert is not None
        acts: dict[str, Callable[[], object]] = {
            "acknowledge": lambda: desk.acknowledge(alert.id, "Olga", now),
            "clear": lambda: desk.clear(alert.id, "Olga", now, "she knows"),
            "comment": lambda: desk.comment(alert.id, "Olga", now, "hm"),
            "shelve": lambda: self.quiet.shelve(alert.id, 60, "Olga", now, "known"),
            "unshelve": lambda: self.quiet.unshelve(alert.id, "Olga", now),
        }
        with suppress(IllegalTransitionError):
            acts[act]()

    @rule(lift_id=lifts, out=st.booleans())
    def silence(self, lift_id: str, out: bool) -> None:
        now = at(self.now_s)
        with suppress(IllegalTransitionError):
            if out:
                self.quiet.take_out(lift_id, None, None, "Olga", now, "it is rebuilt")
            else:
                self.quiet.check_in(lift_id, now + timedelta(hours=1), "Ines", now, None)

    @rule(number=picks)
    def end(self, number: int) -> None:
        entries = self.quiet.entries(limit=100)
        if entries:
            with suppress(IllegalTransitionError):
                self.quiet.end(entries[number % len(entries)].id, "Olga", at(self.now_s), None)

    @invariant()
    def nothing_rings_twice_and_no_work_is_ordered_twice(self) -> None:
        ringing = [(alert.lift_id, alert.kind, alert.code) for alert in self.room.alerts(state="open")]
        assert len(ringing) == len(set(ringing))
        undone = [(order.lift_id, order.cause) for order in self.room.undone()]
        assert len(undone) == len(set(undone))

    @invariant()
    def people_are_never_silent_and_one_reason_is_enough(self) -> None:
        for alert in self.room.alerts():
            reasons = [alert.shelved_until is not None, alert.suppressed_by is not None, alert.out_of_service]
            assert sum(reasons) <= 1
            assert alert.rang or alert.suppression is not Suppression.NONE
            assert alert.kind not in PEOPLE or not any(reasons)

    @invariant()
    def the_history_only_grows_and_explains_the_state(self) -> None:
        for alert in self.room.alerts():
            history = self.room.journal.alert_history(alert.id)
            known = self.seen.get(alert.id, [])
            assert history[: len(known)] == known
            assert history[0].action == "raised"
            reached = AlertState.ACTIVE_UNACKNOWLEDGED
            for entry in history:
                change = MEANING.get(entry.action)
                if change is None and entry.action == "unshelved" and reached.is_open:
                    change = AlertChange.RETURN
                reached = reached if change is None else changed(reached, change)
            assert reached is alert.state
            self.seen[alert.id] = history


def test_no_sequence_of_calls_reaches_an_illegal_state_or_loses_history(
    migrated_sqlite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Centre, "folder", tmp_path, raising=False)
    monkeypatch.setattr(Centre, "template", migrated_sqlite_file, raising=False)
    few = settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Centre, settings=few)
