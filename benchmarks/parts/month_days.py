"""The days of a simulated month: daily values, visits and repairs as the service learns of them, and its assessments.

Daily values come straight from the simulator's columns, 90 days before the month too, so that no door and no trip has
to be sent. What is left out: counters, and technicians who are sent because of a finding (lives are what they are).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from alerts.journal import OPEN
from alerts.work_orders import UNDONE_STATES, OrderKind, WorkOrder
from analytics.feature_format import packed
from analytics.outcomes import NO_FAULT
from api.composition import Parts
from benchmarks.simulated_fleet import lift_values
from ingest.clock import from_ms, to_ms
from ingest.messages import Fault, Kind, Message
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.people import MINUTE_MS, Presence
from simulator.register import visit_of
from simulator.traffic import DAY_MS

# Lifts are judged by a year of faults and visits, and by 90 days of daily values.
YEAR_DAYS, VALUES_DAYS = 365, 90
_ORDERS_MAX = 10_000
_ALERTS_MAX = 10_000


class Days:
    """Tells the service each day what it would have learned, and lets it assess."""

    def __init__(self, parts: Parts, fleet: Sequence[LiftSpec], lives: Mapping[str, Life]) -> None:
        """Know the lives."""
        self._parts, self._fleet, self._lives = parts, fleet, lives
        self._held: dict[str, Presence] = {}

    def before(self, start_ms: int) -> None:
        """Tell what was known when the month began: faults and visits of a year, daily values of 90 days."""
        self._tell_faults(start_ms - YEAR_DAYS * DAY_MS, start_ms)
        self._tell_visits(start_ms - YEAR_DAYS * DAY_MS, start_ms)
        self._tell_values(start_ms - VALUES_DAYS * DAY_MS, start_ms)
        # What a first look at a fleet finds all at once belongs to no month.
        self._assess(from_ms(start_ms - MINUTE_MS))

    def over(self, day_ms: int) -> None:
        """Tell the visits and the values of the day that ended at `day_ms`, and assess."""
        self._tell_visits(day_ms - DAY_MS, day_ms)
        self._tell_values(day_ms - DAY_MS, day_ms)
        self._assess(from_ms(day_ms))
        self._finish_orders(from_ms(day_ms))

    def _assess(self, now: datetime) -> None:
        self._parts.desk.apply(self._parts.assessment.assess(now), now)

    def _tell_faults(self, since_ms: int, until_ms: int) -> None:
        for lift_id, life in self._lives.items():
            told = [
                Message(lift_id, Kind.FAULT, at_ms, at_ms, Fault(code=each.code, phase=phase, fault_id=each.fault_id))  # type: ignore[arg-type]
                for each in life.periods
                for at_ms, phase in ((each.raised_ms, "raised"), (each.cleared_ms, "cleared"))
                if since_ms <= at_ms < until_ms
            ]
            self._parts.store.write(told)

    def _tell_visits(self, since_ms: int, until_ms: int) -> None:
        """Tell of visits; a repair at a lift with an order is told by whoever ends the order, so that it is not two."""
        ordered = {order.lift_id: to_ms(order.opened_at) for order in self._undone()}
        told = []
        for lift_id, life in self._lives.items():
            for each in life.presences:
                if not since_ms <= each.end_ms < until_ms:
                    continue
                if each.kind == "repair" and ordered.get(lift_id, until_ms) <= each.end_ms:
                    self._held[lift_id] = each
                else:
                    told.append(visit_of(lift_id, each))
        self._parts.register.add_visits(told)

    def _undone(self) -> list[WorkOrder]:
        orders = self._parts.journal.work_orders(limit=_ORDERS_MAX)
        return [each for each in orders if each.state in UNDONE_STATES and each.kind is not OrderKind.RESCUE]

    def _tell_values(self, since_ms: int, until_ms: int) -> None:
        for spec in self._fleet:
            values = lift_values(spec, self._lives[spec.lift_id], since_ms, until_ms)
            rows = {(spec.lift_id, day): row for day, row in packed(values).items()}
            self._parts.features.keep(rows, [])

    def _finish_orders(self, now: datetime) -> None:
        """Let technicians finish what is no longer wrong; a rescue ends with its case."""
        standing = {alert.id for alert in self._parts.journal.alerts(limit=_ALERTS_MAX, state=OPEN)}
        for order in self._undone():
            if standing & set(order.alert_ids):
                continue
            repair = self._held.pop(order.lift_id, None)
            found = NO_FAULT if repair is None or repair.cause_code is None else repair.cause_code
            for to in ("on-site", "done", "closed"):
                note, cause = ("it is mended", None) if to != "done" else (None, found)
                self._parts.desk.transition(order.id, to, "Ines", now, note=note, cause_code=cause)
