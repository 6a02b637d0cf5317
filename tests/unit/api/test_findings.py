from datetime import timedelta

import pytest

from analytics.findings import Finding, FindingKind
from ingest.fleet import Visit, VisitKind
from tests.unit.api.parts import NOON, Client, World

FIELDS = [
    "lift_id",
    "kind",
    "channel",
    "component",
    "code",
    "floor",
    "as_of",
    "found_at",
    "value",
    "limit",
    "days_left",
    "confidence",
    "reason",
    "evidence",
    "report_only",
]


@pytest.fixture
def neglected(world: World) -> World:
    """Three lifts that follow CN-2012 and were last visited 20, 21 and 22 days ago."""
    for number in (1, 2, 3):
        world.register(f"L{number}", regime="CN-2012")
        done_at = NOON - timedelta(days=19 + number)
        world.service.register.add_visits([Visit(lift_id=f"L{number}", kind=VisitKind.MAINTENANCE, done_at=done_at)])
    return world


def assess(world: World) -> list[Finding]:
    findings = world.service.assessment.assess(NOON)
    world.service.findings.replace(findings, NOON)
    return findings


def test_before_the_first_assessment_there_are_none(client: Client) -> None:
    answer = client.get("/api/v1/findings").json()
    assert answer.pop("source") == "latest-assessment"
    assert answer == {"items": [], "next": None, "assessed_at": None, "provisional": None}


def test_the_newest_assessment_is_shown(neglected: World) -> None:
    findings = assess(neglected)
    answer = neglected.client.get("/api/v1/findings").json()
    assert answer["assessed_at"] == "2026-03-02T12:00:00Z"
    assert [(item["lift_id"], item["kind"]) for item in answer["items"]] == [
        (f.lift_id, f.kind.value) for f in findings
    ]
    overdue = next(item for item in answer["items"] if item["kind"] == "maintenance-overdue")
    assert set(overdue) == set(FIELDS)
    assert "MP-01" in overdue["reason"]
    assert overdue["evidence"]


def test_findings_as_of_an_instant_are_assessed_for_the_request(neglected: World) -> None:
    answer = neglected.client.get("/api/v1/findings", as_of="2026-03-02T20:00:00+08:00").json()
    assert (answer["source"], answer["assessed_at"]) == ("assessed-for-this-request", "2026-03-02T12:00:00Z")
    assert answer["items"] == [item for item in answer["items"] if item["as_of"] == "2026-03-02T12:00:00Z"]
    assess(neglected)
    assert answer["items"] == neglected.client.get("/api/v1/findings").json()["items"]
    earlier = neglected.client.get("/api/v1/findings", as_of="2026-02-10T12:00:00Z", kind="maintenance-overdue")
    assert earlier.json()["items"] == []


@pytest.mark.parametrize("as_of", [{}, {"as_of": "2026-03-02T12:00:00Z"}])
def test_findings_are_filtered_and_come_in_pages(neglected: World, as_of: dict[str, str]) -> None:
    assess(neglected)
    client = neglected.client
    pages = client.pages("/api/v1/findings", 2, kind="maintenance-overdue", **as_of)
    assert [[item["lift_id"] for item in page] for page in pages] == [["L1", "L2"], ["L3"]]
    (page,) = client.pages("/api/v1/findings", 500, lift_id="L2", **as_of)
    assert {item["lift_id"] for item in page} == {"L2"}
    assert FindingKind.MAINTENANCE_OVERDUE in {item["kind"] for item in page}
    assert client.get("/api/v1/findings", lift_id="L9", **as_of).json()["items"] == []
