import pytest

from tests.unit.api.parts import Client, World

PATH = "/api/v1/technicians"
CERTIFICATE = {"kind": "lift-work", "number": "TS-104", "valid_until": "2026-06-30"}


def test_a_technician_is_registered_and_replaced(client: Client) -> None:
    record = {"name": "Chan", "team": "North", "certificates": [CERTIFICATE]}
    assert client.put(f"{PATH}/T-17", **record).status_code == 201
    told = client.get(f"{PATH}/T-17").json()
    assert told == {
        "technician_id": "T-17", "contractor": None, "active": True, "certified": True, **record
    }  # fmt: skip
    assert client.put(f"{PATH}/T-17", name="Chan").status_code == 200
    assert client.get(f"{PATH}/T-17").json()["certified"] is False


def test_those_whose_certificates_end_are_listed_in_pages(client: Client) -> None:
    for number in range(3):
        client.put(f"{PATH}/T-{number}", name="Chan", certificates=[CERTIFICATE])
    client.put(f"{PATH}/T-9", name="Kim", certificates=[{**CERTIFICATE, "valid_until": "2030-01-01"}])
    pages = client.pages(PATH, 2, expiring_before="2026-07-01")
    assert [[who["technician_id"] for who in page] for page in pages] == [["T-0", "T-1"], ["T-2"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "Chan", "age": 40},
        {"name": "Chan", "certificates": [CERTIFICATE, CERTIFICATE]},
        {"name": "Chan", "certificates": [{**CERTIFICATE, "valid_until": "soon"}]},
    ],
)
def test_what_cannot_be_a_technician_is_invalid(client: Client, wrong: dict[str, object]) -> None:
    assert client.put(f"{PATH}/T-17", **wrong).status_code == 422


def test_a_technician_who_is_not_there_is_not_found(client: Client) -> None:
    assert client.get(f"{PATH}/T-17").status_code == 404


def test_an_order_names_who_is_sent_and_what_they_lack(world: World) -> None:
    world.register("L1")
    world.trap()
    world.client.put(f"{PATH}/T-17", name="Chan", certificates=[CERTIFICATE])
    step = {"to": "assigned", "by": "Olga", "technicians": ["T-17"]}
    order = world.client.post("/api/v1/work-orders/1/transitions", **step).json()
    assert (order["technicians"], order["assigned_to"]) == (["T-17"], "Chan")
    note = world.client.get("/api/v1/work-orders/1").json()["history"][-1]["note"]
    assert "warning: 1 of 2 people with a valid certificate (WO-02, ST-01)" in note
    assert world.client.post("/api/v1/work-orders/1/transitions", **{**step, "technicians": ["x"]}).status_code == 409
