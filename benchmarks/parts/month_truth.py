"""Whether the alerts of a simulated month were right, and whether any was missing, by what the lives say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from msgspec import Struct

from alerts.alert import FINDING_KINDS, Alert, AlertKind
from analytics.findings import FindingKind
from api.composition import Parts
from benchmarks.wear_found import SHOWN_BY
from ingest.clock import to_ms
from simulator.faults import FaultPeriod
from simulator.life import Breakdown, Life
from simulator.traffic import DAY_MS
from simulator.wear import Wear

_LIVE_MS = 10 * 60_000
_PEOPLE = frozenset({AlertKind.ENTRAPMENT.value, AlertKind.PASSENGER_ALARM.value})
_ALERTS_MAX = 100_000
# A part that was mended while its evidence came together had worn.
_MENDED_GRACE_MS = 3 * DAY_MS
_URGENT = 2


class Truths(Struct, frozen=True):
    """What was true in a window: who was trapped, and which faults stood."""

    trapped: dict[str, list[Breakdown]]
    periods: dict[str, list[FaultPeriod]]
    stopped: dict[str, list[Breakdown]]
    wears: dict[str, list[Wear]]

    @classmethod
    def of(cls, lives: Mapping[str, Life], since_ms: int, until_ms: int) -> "Truths":
        """Return the truth of a window, without its last ten minutes."""
        last_ms = until_ms - _LIVE_MS
        trapped = {
            lift_id: [each for each in life.breakdowns if each.freed_ms and since_ms <= each.failed_ms < last_ms]
            for lift_id, life in lives.items()
        }
        stopped = {
            lift_id: [each for each in life.breakdowns if each.stops and since_ms <= each.failed_ms < last_ms]
            for lift_id, life in lives.items()
        }
        periods = {lift_id: life.periods for lift_id, life in lives.items()}
        return cls(trapped, periods, stopped, {lift_id: life.wears for lift_id, life in lives.items()})

    def needed(self, alert: Alert) -> bool | None:
        """Tell whether somebody had to be told: a breakdown stood, or the part wore; None where it needs no truth."""
        at_ms = to_ms(alert.raised_at)
        if alert.kind == AlertKind.LIFT_STOPPED:
            found = self.stopped.get(alert.lift_id, [])
            return any(each.code == alert.code and each.failed_ms <= at_ms <= each.cleared_ms for each in found)
        if alert.kind == FindingKind.DRIFT:
            component, floor = (alert.evidence[0].get(name) for name in ("component", "floor"))
            return any(
                component in SHOWN_BY[wear.mechanism]
                and (floor is None or wear.floor in {None, floor})
                and wear.since_ms < at_ms <= wear.until_ms + _MENDED_GRACE_MS
                for wear in self.wears.get(alert.lift_id, [])
            )
        return None

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


def verdict_of_the_rest(parts: Parts, truths: Truths) -> Sequence[tuple[str, str]]:
    """Return the rows of the table about what is not for at once."""
    known = parts.journal.alerts(limit=_ALERTS_MAX)
    alerts = [alert for alert in known if alert.rang]
    urgent = [alert for alert in alerts if alert.priority == _URGENT]
    stops = [alert for alert in urgent if alert.kind == AlertKind.LIFT_STOPPED]
    right = [alert for alert in stops if truths.needed(alert)]
    drifts = [truths.needed(alert) for alert in alerts if alert.kind == FindingKind.DRIFT]
    broken = [(lift_id, each) for lift_id, found in truths.stopped.items() for each in found]
    # A lift of a building without power is told of by the alert about the building.
    rang = {f"alert {alert.id}" for alert in alerts}
    told = [alert for alert in known if alert.rang or alert.suppressed_by in rang]
    waits_s = [wait for lift_id, each in broken if (wait := _wait_s(told, lift_id, each)) is not None]
    orders = parts.journal.work_orders(limit=_ALERTS_MAX)
    kinds = Counter(order.kind.value for order in orders)
    return [
        ("breakdowns that stop a lift, in the truth", f"{len(broken)}"),
        (
            "of these told by an alert that rang, of the lift or its building",
            f"{len(waits_s)} ({len(waits_s) / max(1, len(broken)):.1%})",
        ),
        (
            "from the breakdown to the alert: median, longest, s",
            f"{median(waits_s or [0]):.0f}, {max(waits_s, default=0):.0f}",
        ),
        ("stopped lifts at priority 2, and with a breakdown", f"{len(stops)}, {len(right)}"),
        ("precision of stopped lifts at priority 2", f"{len(right) / max(1, len(stops)):.1%}"),
        ("other alerts of priority 2", f"{len(urgent) - len(stops)}"),
        ("drifts told, and of a part that wore", f"{len(drifts)}, {sum(map(bool, drifts))}"),
        ("findings among the alerts", f"{sum(alert.kind in FINDING_KINDS for alert in alerts)}"),
        ("orders opened", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))),
    ]


def kinds_of(parts: Parts, truths: Truths) -> Sequence[tuple[str, ...]]:
    """Return a row for each kind of alert: how many rang, how many were right where the truth can say, orders."""
    rows = []
    alerts = [alert for alert in parts.journal.alerts(limit=_ALERTS_MAX) if alert.rang]
    for (priority, kind), _ in sorted(Counter((alert.priority, alert.kind) for alert in alerts).items()):
        own = [alert for alert in alerts if (alert.priority, alert.kind) == (priority, kind)]
        told = [needed for alert in own if (needed := truths.needed(alert)) is not None]
        orders = len({alert.work_order_id for alert in own if alert.work_order_id is not None})
        rows.append((kind, f"{priority}", f"{len(own)}", f"{sum(told)}" if told else "-", f"{orders}"))
    return rows


def _wait_s(alerts: Sequence[Alert], lift_id: str, each: Breakdown) -> float | None:
    told = [
        (to_ms(alert.received_at) - each.failed_ms) / 1000
        for alert in alerts
        if alert.lift_id == lift_id
        and alert.code == each.code
        and alert.kind == AlertKind.LIFT_STOPPED
        and each.failed_ms <= to_ms(alert.raised_at) <= each.cleared_ms
    ]
    return min(told, default=None)


def _delay_ms(alerts: Sequence[Alert], lift_id: str, each: Breakdown) -> int | None:
    found = [
        to_ms(alert.received_at) - each.failed_ms
        for alert in alerts
        if alert.lift_id == lift_id
        and alert.kind == AlertKind.ENTRAPMENT
        and each.failed_ms <= to_ms(alert.raised_at) <= (each.freed_ms or 0)
    ]
    return min(found, default=None)
