from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from alerts.order_papers import FILE_BYTES_MAX
from ingest.messages import Kind, Trip
from tests.unit.api.parts import Client, World

ORDERS = "/api/v1/work-orders"
PATH = f"{ORDERS}/1"
JPEG = b"\xff\xd8\xff\xe0 a photo"
OPENING = {"lift_id": "L1", "kind": "repair", "cause": "noise", "message": "noise on the way down", "by": "Olga"}


@pytest.fixture
def order(world: World) -> World:
    """A repair order of lift L1 that somebody opened by hand."""
    world.register("L1")
    assert world.client.post(ORDERS, **OPENING).status_code == 201
    return world


def move(client: Client, *steps: str, **words: Any) -> httpx.Response:
    for to in steps:
        response = client.post(f"{PATH}/transitions", to=to, by="Li", cause_code="roller", **words)
    return response


def send(client: Client, path: str, key: str | None = None, etag: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    headers |= {"If-Match": etag} if etag else {}
    return client.request("POST", path, json=body, headers=headers)


def upload(client: Client, content: bytes = JPEG, media_type: str = "image/jpeg", **query: str) -> httpx.Response:
    parameters = {"name": "lock.jpg", "by": "Li", **query}
    headers = {"content-type": media_type}
    return client.request("POST", f"{PATH}/files", params=parameters, content=content, headers=headers)


def test_an_order_opened_by_hand_has_the_clock_of_its_kind(order: World) -> None:
    told = order.client.get(PATH).json()
    assert (told["arrive_by"], told["cause"], told["history"][0]["actor"]) == ("2026-03-02T13:00:00Z", "noise", "Olga")
    body = {**OPENING, "cause": "planned work", "arrive_within_min": None}
    assert order.client.post(ORDERS, **body).json()["arrive_by"] is None
    assert order.client.post(ORDERS, **{**OPENING, "cause": "x", "kind": "finding"}).json()["arrive_by"] is None


def test_asking_for_the_same_work_again_tells_of_the_order_there_is(order: World) -> None:
    again = order.client.post(ORDERS, **OPENING)
    assert (again.status_code, again.json()["id"]) == (200, 1)


@pytest.mark.parametrize(
    "wrong", [{"lift_id": "L9"}, {"cause": "entrapment"}, {"kind": "rescue"}, {"scope": "decade"}, {"priority": 5}]
)
def test_an_order_that_cannot_be_is_invalid(order: World, wrong: dict[str, Any]) -> None:
    assert order.client.post(ORDERS, **{**OPENING, "cause": "other", **wrong}).status_code == 422


def test_the_same_key_gets_the_same_answer_when_the_order_is_closed_meanwhile(order: World) -> None:
    body = {**OPENING, "cause": "smell"}
    first = send(order.client, ORDERS, "k1", **body)
    path = f"{ORDERS}/{first.json()['id']}"
    order.client.post(f"{path}/transitions", to="cancelled", by="Li", note="mistake")
    again = send(order.client, ORDERS, "k1", **body)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert len(order.client.get(ORDERS).json()["items"]) == 2


def test_a_key_with_another_request_is_refused(order: World) -> None:
    send(order.client, f"{PATH}/transitions", "k1", to="accepted", by="Li")
    other = send(order.client, f"{PATH}/transitions", "k1", to="en-route", by="Li")
    assert (other.status_code, other.json()["type"]) == (422, "/docs#key-reused")
    elsewhere = send(order.client, f"{PATH}/remarks", "k1", by="Li", note="hello")
    assert elsewhere.status_code == 422


def test_a_step_that_is_sent_twice_is_taken_once(order: World) -> None:
    answers = [send(order.client, f"{PATH}/transitions", "k1", to="accepted", by="Li") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [entry["action"] for entry in order.client.get(PATH).json()["history"]] == ["opened", "accepted"]


def test_a_step_that_was_refused_may_be_sent_again_with_its_key(order: World) -> None:
    refused = send(order.client, f"{PATH}/transitions", "k1", to="done", by="Li", cause_code="roller")
    assert refused.status_code == 409
    assert refused.json()["legal_next"] == ["assigned", "accepted", "en-route", "on-site", "cancelled"]
    move(order.client, "on-site")
    assert send(order.client, f"{PATH}/transitions", "k1", to="done", by="Li", cause_code="roller").status_code == 200


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "ключ"])
def test_a_key_that_is_none_is_invalid(order: World, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    body = {"to": "accepted", "by": "Li"}
    assert order.client.request("POST", f"{PATH}/transitions", json=body, headers=headers).status_code == 422


def test_two_systems_do_not_overwrite_each_other(order: World) -> None:
    etag = order.client.get(PATH).headers["etag"]
    words = {"by": "CMMS", "external_source": "CMMS", "external_ref": "8841"}
    moved = send(order.client, f"{PATH}/transitions", etag=etag, to="accepted", **words)
    assert (etag, moved.headers["etag"], moved.json()["external_ref"]) == ('"1"', '"2"', "8841")
    stale = send(order.client, f"{PATH}/transitions", etag=etag, to="en-route", by="Li")
    assert (stale.status_code, stale.json()["type"]) == (412, "/docs#precondition-failed")
    other = send(order.client, f"{PATH}/transitions", to="en-route", by="Li", expected_state="open")
    assert other.status_code == 412
    assert send(order.client, f"{PATH}/transitions", etag="*", to="en-route", by="Li").status_code == 200
    assert send(order.client, f"{PATH}/transitions", etag="two", to="on-site", by="Li").status_code == 422
    assert [one["id"] for one in order.client.get(ORDERS, external_ref="8841").json()["items"]] == [1]


def test_a_checklist_is_filled_in_piece_by_piece(order: World) -> None:
    empty = order.client.get(f"{PATH}/checklist").json()
    assert (empty["filled_in"], len(empty["checks"]), len(empty["check_out"])) == (0, 6, 4)
    assert len(empty["lacking_to_close"]) == 4 + 1 + 2
    filled = [{"code": "R-6", "result": "ok", "as_found": 14, "as_left": 2.5}, {"code": "OUT-1", "result": "ok"}]
    told = order.client.post(f"{PATH}/checklist", by="Li", checks=filled).json()
    found = next(check for check in told["checks"] if check["code"] == "R-6")
    assert (found["as_found"], found["as_left"], found["low"], found["out_of_limits"]) == (14, 2.5, -10, False)
    assert told["filled_in"] == 2
    assert told == order.client.get(f"{PATH}/checklist").json()
    refused = order.client.post(f"{PATH}/checklist", by="Li", checks=[{"code": "R-1", "result": "skipped"}])
    assert (refused.status_code, refused.json()["detail"]) == (409, "R-1: skipped needs a reason (note)")


def test_a_photo_comes_back_as_a_file_to_be_saved(order: World) -> None:
    kept = upload(order.client, name="schloß 1.jpg")
    assert (kept.status_code, kept.json()["size_bytes"]) == (201, len(JPEG))
    assert order.client.get(f"{PATH}/files").json() == {"items": [kept.json()], "next": None}
    file = order.client.get(f"{PATH}/files/1")
    assert (file.content, file.headers["content-type"]) == (JPEG, "image/jpeg")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''schlo%C3%9F%201.jpg"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert order.client.get(f"{PATH}/files/2").status_code == 404


@pytest.mark.parametrize("name", ["run me.html", "x.jpg.exe", "photo"])
def test_a_photo_is_saved_as_a_photo_whatever_it_is_called(order: World, name: str) -> None:
    upload(order.client, name=name)
    disposition = order.client.get(f"{PATH}/files/1").headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert disposition.endswith(f"{quote(name)}.jpg")


@pytest.mark.parametrize("name", ["../etc/passwd", "a\\b", 'a"b', "a\nb", "", "x" * 121])
def test_a_name_that_could_lead_elsewhere_is_invalid(order: World, name: str) -> None:
    assert upload(order.client, name=name).status_code == 422


def test_a_file_may_be_large_but_nothing_else_may(order: World) -> None:
    assert upload(order.client, JPEG.ljust(FILE_BYTES_MAX, b"x")).status_code == 201
    assert upload(order.client, JPEG.ljust(FILE_BYTES_MAX + 1, b"x")).status_code == 413
    note = "x" * 70_000
    assert order.client.post(f"{PATH}/remarks", by="Li", note=note).status_code == 413


def test_a_file_that_is_not_what_it_says_is_refused(order: World) -> None:
    assert upload(order.client, b"<svg>", "image/svg+xml").status_code == 409
    assert upload(order.client, b"<html>").status_code == 409


def test_parts_are_written_down(order: World) -> None:
    part = order.client.post(f"{PATH}/parts", by="Li", name="roller", quantity=2).json()
    assert order.client.get(f"{PATH}/parts").json() == {"items": [part], "next": None}
    assert order.client.post(f"{PATH}/parts", by="Li", name="roller", quantity=0).status_code == 422


def test_what_was_signed_stands_and_a_correction_is_a_remark(order: World) -> None:
    move(order.client, "on-site", "done")
    upload(order.client)
    signed = order.client.post(f"{PATH}/signatures", role="technician", name="Li", image_file_id=1)
    assert (signed.status_code, signed.json()["matches"]) == (201, True)
    refused = order.client.post(f"{PATH}/parts", by="Li", name="roller")
    assert (refused.status_code, refused.json()["type"]) == (409, "/docs#illegal-transition")
    assert order.client.post(f"{PATH}/remarks", by="Li", note="it was the left one").status_code == 200
    assert order.client.post(f"{PATH}/signatures", role="technician", name="Li").status_code == 409
    told = order.client.get(PATH).json()
    assert (told["history"][-1]["action"], told["signed_at"]) == ("corrected", "2026-03-02T12:00:00Z")
    (signature,) = order.client.get(f"{PATH}/signatures").json()["items"]
    assert (signature["matches"], signature["image_file_id"]) == (True, 1)


def hand_back(world: World) -> httpx.Response:
    """Fill in and sign everything but the trip, and close."""
    told = world.client.get(f"{PATH}/checklist").json()
    codes = [check["code"] for check in [*told["checks"], *told["check_out"]] if check["code"] != "OUT-4"]
    world.client.post(f"{PATH}/checklist", by="Li", checks=[{"code": code, "result": "ok"} for code in codes])
    for role in ("technician", "owner"):
        world.client.post(f"{PATH}/signatures", role=role, name=role)
    return move(world.client, "closed")


def test_a_trip_after_the_work_lets_an_order_be_closed(order: World) -> None:
    move(order.client, "on-site", "done")
    order.say("L1", Kind.TRIP, Trip(from_floor=1, to_floor=2, duration_ms=9_000), at_s=600)
    order.clock.advance(timedelta(minutes=15))
    assert hand_back(order).status_code == 200


def test_without_a_trip_it_is_not_closed(order: World) -> None:
    order.say("L1", Kind.TRIP, Trip(from_floor=1, to_floor=2, duration_ms=9_000), at_s=-600)
    move(order.client, "on-site", "done")
    refused = hand_back(order)
    assert (refused.status_code, "OUT-4 One normal trip" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize("what", ["checklist", "parts", "files", "signatures"])
def test_an_order_that_is_not_there_has_no_sheet(client: Client, what: str) -> None:
    assert client.get(f"{ORDERS}/7/{what}").status_code == 404
