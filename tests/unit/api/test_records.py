import pytest

from tests.unit.api.parts import Client, World

VISIT = {"lift_id": "L1", "kind": "maintenance", "done_at": "2026-03-01T16:30:00+08:00", "outcome": "oiled"}
INSPECTION = {
    "lift_id": "L1",
    "done_on": "2026-02-01",
    "outcome": "passed",
    "certificate_expires_on": "2027-02-01",
    "report": "R-7",
}


@pytest.fixture
def registered(world: World) -> Client:
    world.register("L1", "L2")
    return world.client


def test_a_visit_is_recorded(registered: Client) -> None:
    response = registered.post("/api/v1/visits", **VISIT)
    assert response.status_code == 201
    assert response.json() == {
        **VISIT,
        "id": 1,
        "done_at": "2026-03-01T08:30:00Z",
        "cause_code": None,
        "work_order": None,
    }
    assert registered.get("/api/v1/visits").json() == {"items": [response.json()], "next": None}


def test_the_same_visit_again_changes_nothing_and_another_of_that_instant_is_a_conflict(registered: Client) -> None:
    first = registered.post("/api/v1/visits", **VISIT)
    again = registered.post("/api/v1/visits", **VISIT)
    assert (again.status_code, again.json()) == (200, first.json())
    other = registered.post("/api/v1/visits", **{**VISIT, "outcome": "broken"})
    assert (other.status_code, other.json()["type"]) == (409, "/docs#conflict")
    assert len(registered.get("/api/v1/visits").json()["items"]) == 1


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"lift_id": "L9"}, "body.lift_id"),
        ({"kind": "party"}, "body.kind"),
        ({"done_at": "2026-03-02T12:10:01Z"}, "body.done_at"),
        ({"done_at": "2026-03-01T16:30:00"}, "body.done_at"),
        ({"done_at": 1_700_000_000}, "body.done_at"),
        ({"done_at": None}, "body.done_at"),
        ({"cause_code": ""}, "body.cause_code"),
        ({"by": "Li"}, "body.by"),
    ],
)
def test_a_visit_that_cannot_be_is_named(registered: Client, change: dict[str, object], at: str) -> None:
    response = registered.post("/api/v1/visits", **{**VISIT, **change})
    assert response.status_code == 422
    assert [error["at"] for error in response.json()["errors"]] == [at]
    assert registered.get("/api/v1/visits").json()["items"] == []


def test_visits_come_in_pages_of_one_lift_or_all(registered: Client) -> None:
    for number in range(3):
        registered.post("/api/v1/visits", **{**VISIT, "done_at": f"2026-02-0{number + 1}T08:00:00Z"})
        registered.post("/api/v1/visits", **{**VISIT, "lift_id": "L2", "done_at": f"2026-02-0{number + 1}T09:00:00Z"})
    assert [len(page) for page in registered.pages("/api/v1/visits", 4)] == [4, 2]
    assert [visit["id"] for (visit,) in registered.pages("/api/v1/visits", 1, lift_id="L2")] == [2, 4, 6]


def test_a_passed_inspection_certifies_the_lift(registered: Client) -> None:
    response = registered.post("/api/v1/inspections", **INSPECTION)
    assert response.status_code == 201
    assert response.json() == {**INSPECTION, "id": 1}
    assert registered.get("/api/v1/lifts/L1").json()["certificate_expires_on"] == "2027-02-01"
    assert registered.get("/api/v1/inspections", lift_id="L1").json()["items"] == [response.json()]
    assert registered.get("/api/v1/inspections", lift_id="L2").json()["items"] == []


def test_the_same_inspection_again_changes_nothing_and_another_of_that_day_is_a_conflict(registered: Client) -> None:
    registered.post("/api/v1/inspections", **INSPECTION)
    assert registered.post("/api/v1/inspections", **INSPECTION).status_code == 200
    assert registered.post("/api/v1/inspections", **{**INSPECTION, "report": "R-8"}).status_code == 409


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"lift_id": "L9"}, "body.lift_id"),
        ({"outcome": "failed"}, "body"),
        ({"certificate_expires_on": "2026-01-31"}, "body"),
        ({"done_on": "2026-03-04"}, "body.done_on"),
        ({"done_on": "2026-02-01T00:00:00Z"}, "body.done_on"),
        ({"outcome": "maybe"}, "body.outcome"),
    ],
)
def test_an_inspection_that_cannot_be_is_named(registered: Client, change: dict[str, object], at: str) -> None:
    response = registered.post("/api/v1/inspections", **{**INSPECTION, **change})
    assert response.status_code == 422
    assert [error["at"] for error in response.json()["errors"]] == [at]
    assert registered.get("/api/v1/inspections").json()["items"] == []


def test_a_failed_inspection_gives_no_certificate(registered: Client) -> None:
    body = {"lift_id": "L1", "done_on": "2026-02-01", "outcome": "failed"}
    assert registered.post("/api/v1/inspections", **body).status_code == 201
    assert registered.get("/api/v1/lifts/L1").json()["certificate_expires_on"] is None
