"""The quality of findings as of a day, from what was told and what came of it; and which kinds ring no longer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from msgspec import Struct, structs

from analytics.failure_reader import FailureHistory, FailureReader
from analytics.failures import FleetFailures, midnight_before
from analytics.finding_history import FindingHistory
from analytics.findings import Finding
from analytics.outcomes import EXPECTED, Answers
from analytics.quality import Exposure, KindQuality, QualitySettings, quality_of, window_of
from ingest.fleet_register import FleetRegister

_DAY = timedelta(days=1)


class Quality(Struct, frozen=True, kw_only=True):
    """The quality of each kind as of `until`, of findings told since `since`."""

    since: datetime
    until: datetime
    settings: QualitySettings
    kinds: list[KindQuality]


class QualityReader:
    """Judges what was told in the year before the midnight that an instant follows."""

    def __init__(
        self,
        history: FindingHistory,
        register: FleetRegister,
        failures: FailureReader,
        settings: QualitySettings | None = None,
    ) -> None:
        """Read what was told from `history`, what came of it from `register` and `failures`."""
        self._history = history
        self._register = register
        self._failures = failures
        self._settings = settings or QualitySettings()
        self._known: tuple[tuple[object, ...], FailureHistory, Quality] | None = None
        self._lock = Lock()

    def quality(self, as_of: datetime) -> Quality:
        """Return the quality of each kind as of an instant; the same data give the same answer, whenever asked.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        until = midnight_before(as_of)
        failures = self._failures.history(as_of)
        with self._lock:
            key = (until, self._history.count(until), self._register.visit_count(until))
            # `failures` is the same object as long as nothing of it has changed.
            if self._known is None or self._known[0] != key or self._known[1] is not failures:
                self._known = (key, failures, self._judged(until, failures))
            return self._known[2]

    def _judged(self, until: datetime, failures: FailureHistory) -> Quality:
        since, days = window_of(until, self._history.began_at())
        told = [item for item in self._history.told(since, until) if item.kind in EXPECTED]
        visits = [item.visit for item in self._register.visits(until)] if told else []
        answers = Answers(visits, failures.occurrences, until)
        watched = _watched(failures.failures)
        shares: dict[tuple[object, ...], float | None] = {}
        for item in told:
            what = item.kind, item.component, item.code
            if what not in shares:
                shares[what] = answers.by_chance(item, watched)
        by_chance = [shares[item.kind, item.component, item.code] for item in told]
        exposure = Exposure(len(failures.failures.lift_ids), days)
        kinds = quality_of([answers.judge(item) for item in told], by_chance, exposure, self._settings)
        return Quality(since=since, until=until, settings=self._settings, kinds=kinds)

    def marked(self, findings: Sequence[Finding], as_of: datetime) -> list[Finding]:
        """Return the findings, those of a kind that is no longer good enough marked: they say so, and ring nothing."""
        weak = {each.kind: each for each in self.quality(as_of).kinds if each.report_only}
        if not weak:
            return list(findings)
        return [
            structs.replace(item, report_only=True, reason=f"{item.reason} ({_words(weak[item.kind.value])})")
            if item.kind.value in weak
            else item
            for item in findings
        ]


def _watched(failures: FleetFailures) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return the stretches of the year in which each lift was at risk."""
    return {
        lift_id: [(failures.since + begin * _DAY, failures.since + end * _DAY) for begin, end in spans]
        for lift_id, spans in zip(failures.lift_ids, failures.spans, strict=True)
    }


def _words(quality: KindQuality) -> str:
    return f"report only: of {quality.judged} such findings in a year {quality.true} came true"
