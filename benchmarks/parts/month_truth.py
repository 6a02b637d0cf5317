"""Whether the alerts of priority 1 of a simulated month were right, by what the lives say."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from alerts.alert import Alert, AlertKind
from api.composition import Parts
from ingest.clock import to_ms
from simulator.faults import FaultPeriod
from simulator.life import Breakdown, Life

_LIVE_MS = 10 * 60_000
_PEOPLE = frozenset({AlertKind.ENTRAPMENT.value, AlertKind.PASSENGER_ALARM.value})
_ALERTS_MAX = 100_000


class Truths(Struct, frozen=True):
    """What was true in a window: who was trapped, and which faults stood."""

    trapped: dict[str, list[Breakdown]]
    periods: dict[str, list[FaultPeriod]]

    @classmethod
    def of(cls, lives: Mapping[str, Life], since_ms: int, until_ms: int) -> "Truths":
        """Return the truth of a window, without its last ten minutes."""
        last_ms = until_ms - _LIVE_MS
        trapped = {
            lift_id: [each for each in life.breakdowns if each.freed_ms and since_ms <= each.failed_ms < last_ms]
            for lift_id, life in lives.items()
        }
        return cls(trapped, {lift_id: life.periods for lift_id, life in lives.items()})

    def holds(self, alert: Alert) -> bool:
        """Tell whether an alert of priority 1 said what was so."""
        at_ms = to_ms(alert.raised_at)
        if alert.kind in _PEOPLE:
            found = self.trapped.get(alert.lift_id, [])
            return any(each.failed_ms <= at_ms <= (each.freed_ms or 0) for each in found)
        stood = self.periods.get(alert.lift_id, [])
        return any(each.code == alert.code and each.raised_ms <= at_ms <= each.cleared_ms for each in stood)


def verdict(parts: Parts, truths: Truths) -> Sequence[tuple[str, str]]:
    """Return the rows of the table about priority 1."""
    alerts = [alert for alert in parts.journal.alerts(limit=_ALERTS_MAX, priority=1) if alert.rang]
    wrong = [alert for alert in alerts if not truths.holds(alert)]
    trapped = [(lift_id, each) for lift_id, found in truths.trapped.items() for each in found]
    delays_ms = [delay for lift_id, each in trapped if (delay := _delay_ms(alerts, lift_id, each)) is not None]
    cases = parts.cases.cases(limit=_ALERTS_MAX)
    closed = sum(case.closed_at is not None for case in cases)
    kinds = sorted({f"{alert.kind} {alert.code or ''}".strip() for alert in wrong})
    return [
        ("entrapments in the truth", f"{len(trapped)}"),
        ("of these alarmed as entrapment", f"{len(delays_ms)} ({len(delays_ms) / max(1, len(trapped)):.1%})"),
        ("longest from the failure to the alert, s", f"{max(delays_ms, default=0) / 1000:.1f}"),
        ("alerts of priority 1", f"{len(alerts)}"),
        ("false ones among them", f"{len(wrong)}{': ' + ', '.join(kinds) if kinds else ''}"),
        ("precision of priority 1", f"{1 - len(wrong) / max(1, len(alerts)):.1%}"),
        ("cases, closed by a person", f"{len(cases)}, {closed}"),
    ]


def _delay_ms(alerts: Sequence[Alert], lift_id: str, each: Breakdown) -> int | None:
    found = [
        to_ms(alert.received_at) - each.failed_ms
        for alert in alerts
        if alert.lift_id == lift_id
        and alert.kind == AlertKind.ENTRAPMENT
        and each.failed_ms <= to_ms(alert.raised_at) <= (each.freed_ms or 0)
    ]
    return min(found, default=None)
