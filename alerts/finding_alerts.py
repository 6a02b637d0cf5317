"""From the findings of an assessment to alerts: raised when new, kept up to date, cleared when gone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, Alert, AlertChange, cause_of, open_key_of
from alerts.alert_entries import NewAlert, change_alert, lock_open_keys, open_finding_keys, refresh_alert
from alerts.journal import Journal
from alerts.order_entries import newest_done_order
from alerts.ringing import ring, see_to_order
from alerts.rules import RuleBook
from analytics.findings import Finding, FindingKind
from ingest.database import insert_new

_ONLY_ROW = 1
# Raised, kept up to date or cleared in one transaction: some 0.2 s, in which an alarm waits.
KEYS_AT_ONCE = 25
_QUIET = "findings of this kind have been wrong too often: they are reported only"
# What stands beside the evidence already, or would change with each assessment though nothing has happened.
_NOT_EVIDENCE = frozenset({"lift_id", "as_of", "reason", "evidence", "report_only"})


def apply_findings(journal: Journal, rules: RuleBook, findings: Sequence[Finding], as_of: datetime) -> None:
    """Make the alerts of findings equal to `findings`, the whole fleet's as of `as_of`.

    An assessment older than the newest one that was applied changes nothing. What is reported only rings nothing, and
    ends what rang before. Many short transactions, between which alarms are taken; each looks whether a newer
    assessment has come meanwhile. What a crash leaves undone the next assessment does.
    """
    found: dict[str, Finding] = {}
    quiet = {_key_of(finding) for finding in findings if finding.report_only}
    for finding in findings:
        if not finding.report_only:
            found.setdefault(_key_of(finding), finding)
    with journal.writing() as connection:
        # An older assessment that is being applied is seen here as far as it has come, and comes no further.
        if not _is_newest(connection, as_of):
            return
        keys = sorted(found.keys() | open_finding_keys(connection))
    for start in range(0, len(keys), KEYS_AT_ONCE):
        with journal.writing() as connection:
            if not _is_newest(connection, as_of):
                return
            _apply_some(connection, rules, keys[start : start + KEYS_AT_ONCE], found, quiet, as_of)


def _apply_some(
    connection: Connection,
    rules: RuleBook,
    keys: Sequence[str],
    found: Mapping[str, Finding],
    quiet: Collection[str],
    as_of: datetime,
) -> None:
    known = lock_open_keys(connection, keys)
    note = f"the assessment as of {as_of.isoformat()} no longer finds it"
    for key in keys:
        alert = known.get(key)
        if key in found:
            _raise_or_refresh(connection, rules, found[key], alert, as_of)
        elif alert is not None:
            why = _QUIET if key in quiet else note
            change_alert(connection, alert, AlertChange.CLEAR, as_of, LIFTWATCH, why)


def _key_of(finding: Finding) -> str:
    return open_key_of(finding.lift_id, finding.kind.value, finding.key)


def _is_newest(connection: Connection, as_of: datetime) -> bool:
    """Note `as_of` as applied, unless a newer one was; holds the row, so that a second process waits here."""
    insert = insert_new(connection, tables.applied).values(id=_ONLY_ROW, as_of=as_of)
    is_newer = tables.applied.c.as_of <= insert.excluded.as_of
    own = [tables.applied.c.id]
    statement = insert.on_conflict_do_update(index_elements=own, set_={"as_of": as_of}, where=is_newer)
    return connection.execute(statement.returning(tables.applied.c.id)).first() is not None


def _raise_or_refresh(
    connection: Connection, rules: RuleBook, finding: Finding, known: Alert | None, as_of: datetime
) -> None:
    rule = rules.rule(finding.kind.value, finding.code).at(finding.days_left)
    message = rule.words(lift_id=finding.lift_id, code=finding.code, floor=finding.floor, reason=finding.reason)
    evidence = _evidence_of(connection, finding)
    new = NewAlert(
        lift_id=finding.lift_id,
        kind=finding.kind.value,
        code=finding.key,
        raised_at=finding.found_at,
        received_at=as_of,
        message=message,
        evidence=evidence,
        rule=rule,
    )
    if known is None:
        ring(connection, new)
        return
    refresh_alert(connection, known, message, evidence)
    if known.work_order_id is None and rule.opens_order_within_days is not None:
        # Its time has become short; one whose order was done waits for the readings to come back.
        see_to_order(connection, known.id, new)


def _evidence_of(connection: Connection, finding: Finding) -> list[dict[str, Any]]:
    """Return the finding's figures, what they rest on, and for a repeat repair the order that did not hold."""
    figures = {
        name: value
        for name, value in msgspec.to_builtins(finding).items()
        if name not in _NOT_EVIDENCE and value is not None
    }
    evidence = [figures, *finding.evidence]
    if finding.kind is FindingKind.REPEAT_REPAIR:
        cause = cause_of(finding.kind.value, finding.key)
        earlier = newest_done_order(connection, finding.lift_id, cause)
        if earlier is not None and earlier.done_at is not None:
            evidence.append({"earlier_work_order": earlier.number, "done_at": earlier.done_at.isoformat()})
    return evidence
