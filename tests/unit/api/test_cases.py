from datetime import timedelta

from ingest.messages import Fault, Kind
from tests.unit.api.parts import NOON, World


def trapped(world: World) -> str:
    world.register("L1", "L2")
    body = Fault(code="entrapment", phase="raised", floor=3, passengers=True, in_door_zone=False, seq=0)
    world.say("L1", Kind.FAULT, body)
    return "/api/v1/cases/1"


def test_a_case_tells_how_it_stands_and_what_to_do_first(world: World) -> None:
    told = world.client.get(trapped(world)).json()
    assert (told["lift_id"], told["certainty"], told["stage"], told["floor"]) == ("L1", "reported", "received", 3)
    assert (told["answer_by"], told["arrive_by"]) == ("2026-03-02T12:05:00Z", "2026-03-02T12:30:00Z")
    assert (told["alert_id"], told["work_order_id"]) == (1, 1)
    aid = told["rescue_aid"]
    assert aid["position"] == "at or near floor 3, outside the unlocking zone"
    assert aid["facts"]["faults"] == ["entrapment"]
    assert "power" in aid["unknown"]
    assert all(step["source"] for step in aid["steps"])
    assert {"case_id": 1} in world.client.get("/api/v1/alerts/1").json()["evidence"]


def test_clocks_that_ran_out_are_late_until_somebody_is_there(world: World) -> None:
    path = trapped(world)
    for minutes, late in ((5, (False, False)), (6, (True, False)), (31, (True, True))):
        world.clock.advance(NOON + timedelta(minutes=minutes) - world.clock.now())
        told = world.client.get(path).json()
        assert (told["answered_late"], told["arrived_late"]) == late


def test_cases_are_listed_by_lift_and_state(world: World) -> None:
    path = trapped(world)
    world.say("L2", Kind.FAULT, Fault(code="entrapment", phase="raised", seq=0))
    assert [case["lift_id"] for case in world.client.get("/api/v1/cases").json()["items"]] == ["L2", "L1"]
    assert world.client.post(f"{path}/stages", stage="released", by="Li").status_code == 200
    assert world.client.post(f"{path}/stages", stage="closed", by="Li").json()["outcome"] == "released"
    for state, lifts in (("open", ["L2"]), ("closed", ["L1"])):
        found = world.client.get("/api/v1/cases", state=state).json()["items"]
        assert [case["lift_id"] for case in found] == lifts
    assert world.client.get("/api/v1/cases", lift_id="L1").json()["items"][0]["id"] == 1
    assert [[one["id"] for one in page] for page in world.client.pages("/api/v1/cases", 1)] == [[2], [1]]


def test_what_is_not_there_or_not_possible_is_a_problem(world: World) -> None:
    assert world.client.get("/api/v1/cases/7").status_code == 404
    assert world.client.post("/api/v1/cases/7/stages", stage="answered", by="Li").status_code == 404
    assert world.client.post("/api/v1/cases/7/people", by="Li", people=["Wu"]).status_code == 404
    path = trapped(world)
    assert world.client.post(f"{path}/stages", stage="answered", by="Li").status_code == 200
    assert world.client.post(f"{path}/stages", stage="answered", by="Li").status_code == 409
    assert world.client.post(f"{path}/stages", stage="free", by="Li").status_code == 422
    assert world.client.post(f"{path}/people", by="Li", people=[]).status_code == 422


def test_where_technicians_are_registered_their_certificates_count(world: World) -> None:
    path = trapped(world)
    held = {"kind": "lift-work", "number": "C1", "valid_until": "2026-12-31"}
    for who, until in (("T1", "2026-12-31"), ("T2", "2026-01-31"), ("T3", "2026-12-31")):
        body = {"name": f"Name of {who}", "certificates": [{**held, "number": who, "valid_until": until}]}
        assert world.client.put(f"/api/v1/technicians/{who}", **body).status_code in {200, 201}
    told = world.client.post(f"{path}/stages", stage="dispatched", by="Li", people=["T1", "T2"]).json()
    assert told["people_complete"] is False
    assert told["warnings"] == [
        "1 of 2 people with a valid certificate (WO-02, ST-01)",
        "Name of T2: certificate T2 expired on 2026-01-31",
    ]
    assert world.client.post(f"{path}/people", by="Li", people=["T3"]).status_code == 200
    told = world.client.get(path).json()
    assert told["warnings"] == ["Name of T2: certificate T2 expired on 2026-01-31"]
