"""The fleet assessed as of an instant: what the register and the store held then, turned into findings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct, structs

from analytics.daily import Daily
from analytics.due import (
    BarredTrips,
    DutyRecord,
    barred_from,
    barred_use,
    certification_as_of,
    due_finding,
    passed_as_visits,
    utc_date,
)
from analytics.failure_findings import REPEAT_DAYS, often_failing, repeat_breakdowns, worsening
from analytics.failure_reader import FailureHistory, FailureReader, occurrences_as_of
from analytics.finding_history import FindingHistory
from analytics.findings import Finding, FindingKind
from analytics.occurrences import Occurrence
from analytics.quality_reader import QualityReader
from analytics.records import RecordReader, begin_of, needed_visits
from analytics.recurrence import repeat_repairs, repeated_faults
from analytics.regimes import REGIMES, Regime, duties_of
from analytics.reporting import Reports, reporting_findings
from analytics.risk_book import FleetRisk, RiskBook
from analytics.risk_findings import breakdowns_likely
from analytics.settings import AssessmentSettings
from analytics.usage_reader import UsageReader
from ingest.clock import from_ms, to_ms
from ingest.fleet import Inspection, Visit, VisitKind
from ingest.fleet_register import FleetRegister, RegisteredLift, UnknownLiftError
from ingest.messages import Kind
from ingest.telemetry_store import TelemetryStore

__all__ = ["Assessment", "AssessmentSettings", "Reports", "Sources"]

# Read before the window begins, so that a fault that is only said again inside it is not taken for a new one.
_SAID_BEFORE = timedelta(days=1)


class _Known(Struct):
    """What the register and the store hold of the lifts that are assessed, nothing of it later than the instant."""

    lifts: list[RegisteredLift]
    visits: list[Visit]
    inspections: dict[str, list[Inspection]]
    occurrences: list[Occurrence]


class Sources(Struct, frozen=True, kw_only=True):
    """What an assessment asks besides register and store.

    `failures` reads whole years of breakdowns, `usage` what counters showed, `daily` what daily values tell; `regimes`
    say what lifts are owed, `risks` what is likely to break down, and `quality` knows which kinds of finding have been
    wrong too often to ring, and `told` what has been told before. None: its own reader, the shipped regimes, or (of
    `daily`, `risks`, `quality` and `told`) nobody is asked.
    """

    failures: FailureReader | None = None
    usage: UsageReader | None = None
    daily: Daily | None = None
    quality: QualityReader | None = None
    told: FindingHistory | None = None
    regimes: Mapping[str, Regime] | None = None
    risks: RiskBook | None = None


class Assessment:
    """Assesses lifts as of any instant. The same data give the same findings, whatever it remembers."""

    def __init__(
        self,
        register: FleetRegister,
        store: TelemetryStore,
        settings: AssessmentSettings | None = None,
        reports: Reports | None = None,
        sources: Sources | None = None,
    ) -> None:
        """Read from `register`, `store` and `sources` and, of how lifts report, `reports`; judge by `settings`."""
        sources = sources or Sources()
        self._register = register
        self._store = store
        self._settings = settings or AssessmentSettings()
        self._reports = reports or Reports()
        self._failures = sources.failures or FailureReader(register, store)
        self._records = RecordReader(register)
        self._usage = sources.usage or UsageReader(store)
        self._daily = sources.daily
        self._quality = sources.quality
        self._risks, self._told = sources.risks, sources.told
        self._regimes = sources.regimes or REGIMES
        self._of_year: tuple[FailureHistory, list[Finding]] | None = None
        self._of_risk: tuple[FleetRisk, dict[str, datetime], list[Finding]] | None = None

    def assess(self, as_of: datetime, lift_ids: Sequence[str] | None = None) -> list[Finding]:
        """Return the findings of the lifts (all where None) as of an instant, ordered by lift, kind and key.

        Nothing that happened after `as_of` counts, and what was open then is open, whatever is known by now. What
        happened before and was told later does count.

        Raises:
            UnknownLiftError: `lift_ids` names a lift that is not registered.
            StoreUnavailableError: the store cannot answer now.
        """
        known = self._read(as_of, lift_ids)
        findings = repeated_faults(known.occurrences, as_of, self._settings)
        findings += repeat_repairs(known.occurrences, known.visits, as_of, self._settings)
        findings += repeat_breakdowns(known.occurrences, as_of, self._settings)
        findings += self._due(known, as_of)
        assessed = {item.lift.lift_id for item in known.lifts}
        findings += self._usage.findings(assessed, known.visits, as_of)
        fleet_size = len(assessed) if lift_ids is None else len(self._register.profiles_of_lifts())
        if self._daily is not None:
            findings += self._daily.findings(as_of, lift_ids, known.visits if lift_ids is None else None)
        # After the daily values: the risk sees how worn the parts look, which is made of what was read for them.
        findings += self._beside_the_fleet(assessed, as_of, known.lifts if lift_ids is None else None)
        findings += reporting_findings(self._reports, assessed, as_of, self._settings, fleet_size=fleet_size)
        findings = self._quality.marked(findings, as_of) if self._quality is not None else findings
        return sorted(findings, key=lambda item: (item.lift_id, item.kind.value, item.key or ""))

    def is_provisional(self, as_of: datetime) -> bool:
        """Tell whether forecasts of breakdowns as of an instant rest on older models while theirs are being fitted.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        return self._risks is not None and self._risks.risk(as_of).is_provisional

    def _read(self, as_of: datetime, lift_ids: Sequence[str] | None) -> _Known:
        since = as_of - self._window()
        until = from_ms(to_ms(as_of) + 1)  # the store's windows leave out their end
        if lift_ids is None:
            outages = self._register.outages(since, as_of)
            faults = self._store.faults(since, until)
            visits, inspections = self._records.visits(as_of), self._records.inspections(as_of)
            lifts = self._register.lifts()
        else:
            lifts, visits, inspections, outages, faults = [], [], [], [], []
            for lift_id in sorted(set(lift_ids)):
                lifts.append(self._find(lift_id))
                own = [item.visit for item in self._register.visits(as_of, lift_id=lift_id)]
                visits += needed_visits(own, begin_of(as_of))
                inspections += [item.inspection for item in self._register.inspections(lift_id=lift_id)]
                outages += self._register.outages(since, as_of, lift_id=lift_id)
                faults += self._store.faults(since, until, lift_id)
        return _Known(lifts, visits, _by_lift(inspections), occurrences_as_of(faults, outages, as_of))

    def _window(self) -> timedelta:
        days = max(self._settings.repeated_fault_days, 2 * self._settings.repeat_repair_days, REPEAT_DAYS)
        return timedelta(days=days) + _SAID_BEFORE

    def _beside_the_fleet(
        self, assessed: set[str], as_of: datetime, fleet: Sequence[RegisteredLift] | None
    ) -> list[Finding]:
        """Return what only the whole fleet's year can tell, of the lifts that are assessed."""
        history = self._failures.history(as_of, fleet)
        known = self._of_year
        if known is None or known[0] is not history:  # else nothing has changed since the last time
            found = often_failing(history.failures, as_of) + worsening(history.failures, as_of)
            known = self._of_year = history, found
        found = [*known[1], *self._likely(as_of)]
        return [structs.replace(finding, as_of=as_of) for finding in found if finding.lift_id in assessed]

    def _likely(self, as_of: datetime) -> list[Finding]:
        if self._risks is None:
            return []
        risk, known = self._risks.risk(as_of), self._of_risk
        standing = {} if self._told is None else self._told.standing(FindingKind.BREAKDOWN_LIKELY, as_of)
        if known is None or known[0] is not risk or known[1] != standing:  # reasons are weighed once a day
            known = self._of_risk = risk, standing, breakdowns_likely(risk, as_of, standing)
        return known[2]

    def _find(self, lift_id: str) -> RegisteredLift:
        found = self._register.find(lift_id)
        if found is None:
            message = f"not registered: {lift_id}"
            raise UnknownLiftError(message)
        return found

    def _due(self, known: _Known, as_of: datetime) -> list[Finding]:
        last_visits, visits = _last_visits(known.visits), _visits_by_lift(known.visits)
        findings: list[Finding | None] = []
        for registered in known.lifts:
            lift = registered.lift
            inspections = known.inspections[lift.lift_id]
            record = DutyRecord(
                lift_id=lift.lift_id,
                counts_from=_counts_from(registered),
                last_visits=last_visits[lift.lift_id],
                certification=certification_as_of(lift, inspections, as_of),
                visits=visits[lift.lift_id] + passed_as_visits(inspections, as_of),
                commissioned_on=lift.commissioned_on,
            )
            for duty in duties_of(lift, self._regimes):
                findings.append(due_finding(duty, record, as_of, self._settings))
                trips = self._trips_since(lift.lift_id, barred_from(duty, record, as_of), as_of)
                findings.append(barred_use(duty, record, trips, as_of) if trips else None)
        return [item for item in findings if item is not None]

    def _trips_since(self, lift_id: str, since: datetime | None, as_of: datetime) -> BarredTrips | None:
        if since is None:
            return None
        until = from_ms(to_ms(as_of) + 1)
        last_at = self._store.last_trip_at(lift_id, since, until)
        if last_at is None:
            return None
        first = self._store.messages(lift_id, Kind.TRIP, since, until, limit=1)
        return BarredTrips(first[0].measured_at if first else last_at, last_at)


def _by_lift(inspections: Sequence[Inspection]) -> dict[str, list[Inspection]]:
    by_lift: dict[str, list[Inspection]] = defaultdict(list)
    for item in inspections:
        by_lift[item.lift_id].append(item)
    return by_lift


def _visits_by_lift(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    by_lift: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_lift[visit.lift_id].append(visit)
    return by_lift


def _last_visits(visits: Sequence[Visit]) -> dict[str, dict[VisitKind, Visit]]:
    last: dict[str, dict[VisitKind, Visit]] = defaultdict(dict)
    for visit in visits:
        before = last[visit.lift_id].get(visit.kind)
        if before is None or before.done_at < visit.done_at:
            last[visit.lift_id][visit.kind] = visit
    return last


def _counts_from(registered: RegisteredLift) -> date:
    """Return the day from which duties count: nobody owed visits before the lift ran, or before we knew of it."""
    lift = registered.lift
    known = (lift.commissioned_on, lift.observed_from, utc_date(registered.registered_at))
    return max(day for day in known if day is not None)
