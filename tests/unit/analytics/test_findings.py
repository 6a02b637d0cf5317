from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind, rfc3339

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def found(
    code: str | None = None, evidence: int = 0, component: str | None = None, floor: int | None = None
) -> Finding:
    return Finding(
        lift_id="L1",
        kind=FindingKind.MAINTENANCE_DUE,
        code=code,
        component=component,
        floor=floor,
        as_of=NOON,
        found_at=NOON,
        value=1,
        limit=1,
        reason="",
        evidence=[{"number": number} for number in range(evidence)],
    )


def test_findings_of_one_part_at_one_landing_are_one_alert() -> None:
    assert found("overspeed").key == "overspeed"
    assert found("overspeed", component="brake", floor=2).key == "overspeed"
    assert found(component="brake").key == "brake"
    assert found(component="landing-door", floor=3).key == "landing-door-floor-3"
    assert found().key is None


def test_more_evidence_than_a_person_reads_is_refused() -> None:
    assert len(found(evidence=EVIDENCE_MAX).evidence) == 50
    with pytest.raises(ValueError, match="51 pieces of evidence, at most 50"):
        found(evidence=EVIDENCE_MAX + 1)


def test_a_finding_is_plain_json() -> None:
    plain = msgspec.json.decode(msgspec.json.encode(found("overspeed")))
    assert plain["as_of"] == plain["found_at"] == "2026-03-02T12:00:00Z"
    assert (plain["kind"], plain["days_left"], plain["evidence"]) == ("maintenance-due", None, [])


def test_evidence_writes_instants_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=8)))
    assert rfc3339(there) == "2026-03-02T12:00:00Z"
