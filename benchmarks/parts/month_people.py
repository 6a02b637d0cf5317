"""The people of a simulated month: an operator who takes note of alerts, and those who let passengers out."""

import heapq
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

from alerts.alert import Alert, AlertState, IllegalTransitionError
from alerts.entrapment import EntrapmentCase, Stage
from api.composition import Parts
from ingest.clock import from_ms, to_ms
from simulator.life import Life

# Seconds until an alert is acknowledged, by priority: from, to. An assumption.
ACKNOWLEDGES_S = {1: (20, 120), 2: (60, 900), 3: (300, 14_400), 4: (3_600, 86_400)}
_LOOKS_AT_MAX = 2_000

Action = Callable[[], object]


class Centre:
    """Plans what people will do about what they see, and does it when its time has come."""

    def __init__(self, parts: Parts, lives: Mapping[str, Life], seed: int) -> None:
        """Know from the lives when somebody will be there and when people are out."""
        self._parts, self._lives = parts, lives
        self._random = Random(seed)
        self._planned: list[tuple[datetime, int, Action]] = []
        self._seen_alerts: set[int] = set()
        self._seen_cases: set[int] = set()
        self._number = 0

    def act(self, now: datetime) -> None:
        """Look at what is new, and do what is due."""
        for state in (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.CLEARED_UNACKNOWLEDGED):
            for alert in self._parts.journal.alerts(limit=_LOOKS_AT_MAX, state=state.value):
                self._see_alert(alert, now)
        for case in self._parts.cases.cases(limit=_LOOKS_AT_MAX, is_open=True):
            self._see_case(case, now)
        while self._planned and self._planned[0][0] <= now:
            _, _, action = heapq.heappop(self._planned)
            with suppress(IllegalTransitionError):  # somebody, or the lift itself, was quicker
                action()

    def _plan(self, at: datetime, action: Action) -> None:
        self._number += 1
        heapq.heappush(self._planned, (at, self._number, action))

    def _see_alert(self, alert: Alert, now: datetime) -> None:
        if alert.id in self._seen_alerts:
            return
        self._seen_alerts.add(alert.id)
        at = max(now, alert.received_at + timedelta(seconds=self._random.uniform(*ACKNOWLEDGES_S[alert.priority])))
        self._plan(at, lambda: self._parts.desk.acknowledge(alert.id, "Olga", at))

    def _see_case(self, case: EntrapmentCase, now: datetime) -> None:
        if case.id in self._seen_cases:
            return
        self._seen_cases.add(case.id)
        arrived, freed = self._rescue_of(case, now)
        steps = ((now + timedelta(minutes=2), Stage.DISPATCHED), (arrived, Stage.ARRIVED), (freed, Stage.RELEASED))
        for at, stage in (*steps, (freed + timedelta(minutes=10), Stage.CLOSED)):
            self._plan(at, self._reaches(case.id, stage, at))

    def _reaches(self, case_id: int, stage: Stage, at: datetime) -> Action:
        people = ("Ines", "Juan") if stage is Stage.DISPATCHED else ()
        return lambda: self._parts.cases.reach(case_id, stage, "Olga", at, people=people)

    def _rescue_of(self, case: EntrapmentCase, now: datetime) -> tuple[datetime, datetime]:
        opened_ms = to_ms(case.opened_at)
        for each in self._lives[case.lift_id].breakdowns:
            if each.freed_ms is None or each.arrived_ms is None:
                continue
            if each.failed_ms <= opened_ms <= each.freed_ms:
                return max(now, from_ms(each.arrived_ms)), max(now, from_ms(each.freed_ms))
        return now + timedelta(minutes=15), now + timedelta(minutes=20)
