"""What the plain rules would have said in the past: how many alerts, and how many an hour of an operator. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from analytics.failure_findings import REPEAT_DAYS, repeat_breakdowns
from analytics.failures import breakdowns
from analytics.findings import Finding, FindingKind
from analytics.occurrences import Occurrence
from analytics.recurrence import repeat_repairs, repeated_faults
from analytics.settings import AssessmentSettings
from ingest.fleet import Visit

Rule = Callable[[Sequence[Occurrence], Sequence[Visit], datetime, AssessmentSettings], list[Finding]]
RULES: Mapping[FindingKind, Rule] = {
    FindingKind.REPEATED_FAULT: lambda found, _, as_of, settings: repeated_faults(found, as_of, settings),
    FindingKind.REPEAT_REPAIR: repeat_repairs,
    FindingKind.REPEAT_BREAKDOWNS: lambda found, _, as_of, settings: repeat_breakdowns(found, as_of, settings),
}
_AHEAD = timedelta(days=7)
_ORIGINS_MIN = 2


class RulePast(Struct, frozen=True, kw_only=True):
    """What is known of `lifts` lifts until an instant: every fault and every visit."""

    found: Sequence[Occurrence]
    visits: Sequence[Visit]
    lifts: int
    until: datetime


class RuleBacktest(Struct, frozen=True, kw_only=True):
    """What a rule would have raised: alerts are findings that were not there at the origin before.

    What stood at the first origin is no alert: it was raised before. `came_true` is the share of alerts after which the
    lift broke down within 7 days, of those (`judged`) after which the history goes on for so long; None without any.
    """

    rule: str
    origins: int
    lifts: int
    alerts: int
    judged: int
    hours: float
    came_true: float | None

    def line(self) -> str:
        """Return it as a sentence."""
        of = "them" if self.judged == self.alerts else f"the {self.judged:,} that are a week old"
        true = (
            "" if self.came_true is None else f"; after {self.came_true:.0%} of {of} the lift broke down within 7 days"
        )
        months = self.lifts * self.hours / 24.0 / 30.4375
        looks = f"{_count(self.origins, 'assessment')} of {_count(self.lifts, 'lift')}"
        return (
            f"{self.rule}: this rule would have raised {_count(self.alerts, 'alert')}, "
            f"{self.alerts / self.hours:.3f} per operator-hour, {self.alerts / max(months, 1e-9):.3f} per lift-month "
            f"({looks}){true}"
        )


def backtest_rule(
    kind: FindingKind,
    past: RulePast,
    origins: Sequence[datetime],
    settings: AssessmentSettings | None = None,
) -> RuleBacktest:
    """Return what a rule would have said at each of `origins` (in order), knowing what was known then.

    Raises:
        ValueError: there are fewer than two origins, so that nothing can be new at one of them.
    """
    if len(origins) < _ORIGINS_MIN:
        message = f"{len(origins)} of the origins lie in the history; what a rule raises is seen from one to the next"
        raise ValueError(message)
    settings = settings or AssessmentSettings()
    rule, known, alerts = RULES[kind], set[tuple[str, str | None]](), list[tuple[str, datetime]]()
    days = max(settings.repeated_fault_days, 2 * settings.repeat_repair_days, REPEAT_DAYS) + 1
    window = timedelta(days=days)
    for number, origin in enumerate(origins):
        near = [_as_of(item, origin) for item in past.found if origin - window < item.raised_at <= origin]
        told = rule(near, [visit for visit in past.visits if visit.done_at <= origin], origin, settings)
        keys = {(finding.lift_id, finding.key) for finding in told}
        alerts += [(lift_id, origin) for lift_id, _ in keys - known] if number else []
        known = keys
    judged = [(lift_id, at) for lift_id, at in alerts if at + _AHEAD <= past.until]
    stops = _breakdowns(past.found)
    hits = sum(any(at < stop <= at + _AHEAD for stop in stops.get(lift_id, ())) for lift_id, at in judged)
    return RuleBacktest(
        rule=kind.value,
        origins=len(origins),
        lifts=past.lifts,
        alerts=len(alerts),
        judged=len(judged),
        hours=(origins[-1] - origins[0]) / timedelta(hours=1),
        came_true=hits / len(judged) if judged else None,
    )


def _as_of(item: Occurrence, origin: datetime) -> Occurrence:
    is_open = item.cleared_at is not None and item.cleared_at > origin
    return structs.replace(item, cleared_at=None) if is_open else item


def _breakdowns(found: Iterable[Occurrence]) -> dict[str, list[datetime]]:
    by_lift: dict[str, list[datetime]] = {}
    for item in breakdowns(found):
        by_lift.setdefault(item.lift_id, []).append(item.raised_at)
    return by_lift


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
