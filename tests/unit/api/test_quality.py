from datetime import timedelta

from analytics.outcomes import EXPECTED
from ingest.fleet import Outage, OutageKind
from tests.unit.api.parts import NOON, Client, World


def test_before_anything_was_told_every_kind_is_named_and_none_is_judged(client: Client) -> None:
    answer = client.get("/api/v1/quality").json()
    assert [item["kind"] for item in answer["items"]] == sorted(EXPECTED)
    assert {item["judged"] for item in answer["items"]} == {0}
    assert (answer["precision_floor"], answer["judged_min"], answer["next"]) == (0.5, 20, None)
    assert answer["until"] == "2026-03-02T00:00:00Z"


def test_what_was_told_is_judged_by_what_came(world: World) -> None:
    world.register("L1")
    days = [NOON - timedelta(days=60 + each) for each in (4, 3, 2)]
    breakdowns = [*days, NOON - timedelta(days=50)]
    world.service.register.add_outages(
        [Outage(lift_id="L1", kind=OutageKind.BREAKDOWN, code="brake-fault", raised_at=at) for at in breakdowns]
    )
    told_at = NOON - timedelta(days=60)
    world.service.findings.replace(world.service.assessment.assess(told_at), told_at)
    answer = world.client.get("/api/v1/quality").json()
    known = next(item for item in answer["items"] if item["kind"] == "repeated-fault")
    assert (known["told"], known["judged"], known["true"], known["precision"]) == (1, 1, 1, 1.0)
    assert known["lead_days"] == {"tenth": 10, "half": 10, "nine_tenths": 10}
    assert not known["report_only"]
    before = world.client.get("/api/v1/quality", as_of=(NOON - timedelta(days=55)).isoformat()).json()
    assert next(item for item in before["items"] if item["kind"] == "repeated-fault")["open"] == 1
