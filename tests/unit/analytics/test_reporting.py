from datetime import UTC, datetime, timedelta

import pytest

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind
from analytics.reporting import GAP_AGE_MAX, Reports, clocks_wrong, flooding, messages_missing, reporting_findings
from analytics.settings import AssessmentSettings
from ingest.controller_clocks import WrongClock
from ingest.floods import Flood
from ingest.ledger import OpenGap

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def gap(first: int, last: int, *, lift_id: str = "L1", boot: str | None = "b", age: timedelta = 2 * HOUR) -> OpenGap:
    return OpenGap(lift_id=lift_id, boot=boot, first_seq=first, last_seq=last, seen_at=NOON - age)


def missing(*gaps: OpenGap) -> list[Finding]:
    return messages_missing(gaps, NOON, AssessmentSettings())


def wrong_clock(offset_ms: int, lift_id: str = "L1") -> WrongClock:
    return WrongClock(
        lift_id=lift_id,
        boot="b",
        offset_ms=offset_ms,
        messages=8,
        established_at=NOON - HOUR,
        confirmed_at=NOON,
    )


class Known:
    """Everything that can be known of how lifts report, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def open_gaps(self, as_of: datetime, open_for: timedelta, lift_id: str | None = None) -> list[OpenGap]:
        self.asked.append((as_of, open_for, lift_id))
        return [gap(1, 1, lift_id=name) for name in ("L1", "L2", "stranger") if lift_id in (None, name)]

    def between(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Flood]:
        self.asked.append((since, until, lift_id))
        return [Flood(lift_id=lift_id or "L2", messages=7, first_at=since, last_at=until)]

    def wrong(self, as_of: datetime) -> list[WrongClock]:
        self.asked.append(as_of)
        return [wrong_clock(60_000), wrong_clock(60_000, "L2")]


def test_gaps_of_a_lift_are_one_finding_that_names_them() -> None:
    (finding,) = missing(gap(17, 18), gap(30, 30, boot=None, age=3 * HOUR))
    assert (finding.lift_id, finding.kind) == ("L1", FindingKind.MESSAGES_MISSING)
    assert (finding.value, finding.limit, finding.as_of) == (3, 0, NOON)
    assert finding.found_at == NOON - 2 * HOUR, "an hour after the oldest of them was seen"
    assert finding.reason == (
        "3 messages missing since 2026-03-02 09:00 UTC: number 30 of boot (none), numbers 17-18 of boot b; "
        "later ones came, these did not within 60 min"
    )
    assert finding.evidence == [
        {"kind": "gap", "boot": None, "from": 30, "to": 30, "seen_at": "2026-03-02T09:00:00Z"},
        {"kind": "gap", "boot": "b", "from": 17, "to": 18, "seen_at": "2026-03-02T10:00:00Z"},
    ]


def test_each_lift_has_a_finding_of_its_own() -> None:
    assert [finding.lift_id for finding in missing(gap(1, 1), gap(2, 2, lift_id="L2"))] == ["L1", "L2"]


def test_evidence_is_bounded_and_what_is_missing_is_counted_whole() -> None:
    (finding,) = missing(*(gap(2 * number, 2 * number) for number in range(EVIDENCE_MAX + 10)))
    assert len(finding.evidence) == EVIDENCE_MAX
    assert finding.value == EVIDENCE_MAX + 10
    assert "and 57 more gaps" in finding.reason


def test_a_gap_that_nobody_can_close_any_more_is_left_to_the_ledger() -> None:
    assert missing(gap(1, 1, age=GAP_AGE_MAX)) == []
    assert len(missing(gap(1, 1, age=GAP_AGE_MAX - timedelta(seconds=1)))) == 1


def test_a_flood_tells_how_much_was_refused() -> None:
    flood = Flood(lift_id="L1", messages=1_234, first_at=NOON - HOUR / 2, last_at=NOON)
    (finding,) = flooding([flood], NOON)
    assert (finding.kind, finding.value, finding.found_at) == (FindingKind.FLOODING, 1234, NOON - HOUR / 2)
    assert "at least 1,234 messages quarantined within the hour" in finding.reason


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [(7_200, "2 h behind ours"), (-90, "90 s ahead of ours"), (-600, "10 min ahead of ours"), (1.7e9, "days behind")],
)
def test_a_wrong_clock_tells_by_how_much_and_on_which_side(offset_s: float, words: str) -> None:
    (finding,) = clocks_wrong([wrong_clock(int(offset_s * 1000))], NOON, fleet_size=20)
    assert finding.kind is FindingKind.CLOCK_WRONG
    assert (finding.value, finding.limit, finding.found_at) == (abs(offset_s), 30, NOON - HOUR)
    assert words in finding.reason


def test_where_most_of_the_fleet_is_off_alike_no_lift_is_to_blame() -> None:
    alike = [wrong_clock(7_200_000 + number, f"L{number:02}") for number in range(15)]
    found = clocks_wrong([*alike, wrong_clock(-600_000, "M")], NOON, fleet_size=20)
    assert [finding.lift_id for finding in found] == ["M"]
    assert len(clocks_wrong(alike, NOON, fleet_size=40)) == 15


def test_a_fleet_is_asked_for_at_once_and_strangers_are_left_out() -> None:
    known = Known()
    reports = Reports(gaps=known, floods=known, clocks=known)
    found = reporting_findings(reports, {"L1", "L2"}, NOON, AssessmentSettings(gap_open_s=60), fleet_size=2)
    assert known.asked == [(NOON, timedelta(seconds=60), None), (NOON - HOUR, NOON, None), NOON]
    assert sorted((finding.lift_id, finding.kind.value) for finding in found) == [
        ("L1", "clock-wrong"),
        ("L1", "messages-missing"),
        ("L2", "clock-wrong"),
        ("L2", "flooding"),
        ("L2", "messages-missing"),
    ]


def test_single_lifts_are_asked_for_one_by_one() -> None:
    known = Known()
    reports = Reports(gaps=known, floods=known, clocks=known)
    found = reporting_findings(reports, {"L2"}, NOON, AssessmentSettings(), fleet_size=2)
    assert {finding.lift_id for finding in found} == {"L2"}
    assert known.asked == [(NOON, HOUR, "L2"), (NOON - HOUR, NOON, "L2"), NOON]


def test_where_nothing_is_known_nothing_is_found() -> None:
    assert reporting_findings(Reports(), {"L1"}, NOON, AssessmentSettings(), fleet_size=1) == []


def test_a_gap_is_not_open_from_the_start() -> None:
    with pytest.raises(ValueError, match="gap_open_s"):
        AssessmentSettings(gap_open_s=0)
