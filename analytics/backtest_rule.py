"""What the plain rules would have said in the past: how many alerts, and how many an hour of an operator. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from analytics.failure_findings import repeat_breakdowns
from analytics.findings import Finding, FindingKind
from analytics.occurrences import Occurrence
from analytics.recurrence import repeat_repairs, repeated_faults
from analytics.settings import AssessmentSettings
from ingest.fleet import OutageKind, Visit

Rule = Callable[[Sequence[Occurrence], Sequence[Visit], datetime, AssessmentSettings], list[Finding]]
RULES: Mapping[FindingKind, Rule] = {
    FindingKind.REPEATED_FAULT: lambda found, _, as_of, settings: repeated_faults(found, as_of, settings),
    FindingKind.REPEAT_REPAIR: repeat_repairs,
    FindingKind.REPEAT_BREAKDOWNS: lambda found, _, as_of, settings: repeat_breakdowns(found, as_of, settings),
}
_AHEAD = timedelta(days=7)


class RuleBacktest(Struct, frozen=True, kw_only=True):
    """What a rule would have raised: alerts are findings that were not there at the origin before.

    `came_true` is the share of alerts after which the lift broke down within 7 days; None without alerts.
    """

    rule: str
    origins: int
    lifts: int
    alerts: int
    hours: float
    came_true: float | None

    def line(self) -> str:
        """Return it as a sentence."""
        true = (
            "" if self.came_true is None else f"; after {self.came_true:.0%} of them the lift broke down within 7 days"
        )
        months = self.lifts * self.hours / 24.0 / 30.4375
        return (
            f"{self.rule}: this rule would have raised {self.alerts:,} alerts, {self.alerts / self.hours:.3f} per "
            f"operator-hour, {self.alerts / max(months, 1e-9):.3f} per lift-month ({self.origins} assessments of "
            f"{self.lifts} lifts){true}"
        )


def backtest_rule(
    kind: FindingKind,
    found: Sequence[Occurrence],
    visits: Sequence[Visit],
    origins: Sequence[datetime],
    lifts: int,
    settings: AssessmentSettings | None = None,
) -> RuleBacktest:
    """Return what a rule would have said at each of `origins` (at least two, in order), knowing what was known then."""
    settings = settings or AssessmentSettings()
    rule, before, alerts, hits = RULES[kind], set[tuple[str, str | None]](), 0, 0
    window = timedelta(days=max(settings.repeated_fault_days, 2 * settings.repeat_repair_days) + 1)
    breakdowns = _breakdowns(found)
    for origin in origins:
        near = [_as_of(item, origin) for item in found if origin - window < item.raised_at <= origin]
        told = rule(near, [visit for visit in visits if visit.done_at <= origin], origin, settings)
        keys = {(finding.lift_id, finding.key) for finding in told}
        new = keys - before
        alerts += len(new)
        hits += sum(any(origin < at <= origin + _AHEAD for at in breakdowns.get(lift_id, ())) for lift_id, _ in new)
        before = keys
    hours = max((origins[-1] - origins[0]) / timedelta(hours=1), 1.0)
    return RuleBacktest(
        rule=kind.value,
        origins=len(origins),
        lifts=lifts,
        alerts=alerts,
        hours=hours,
        came_true=hits / alerts if alerts else None,
    )


def _as_of(item: Occurrence, origin: datetime) -> Occurrence:
    is_open = item.cleared_at is not None and item.cleared_at > origin
    return structs.replace(item, cleared_at=None) if is_open else item


def _breakdowns(found: Iterable[Occurrence]) -> dict[str, list[datetime]]:
    by_lift: dict[str, list[datetime]] = {}
    for item in found:
        if item.kind is OutageKind.BREAKDOWN:
            by_lift.setdefault(item.lift_id, []).append(item.raised_at)
    return by_lift
