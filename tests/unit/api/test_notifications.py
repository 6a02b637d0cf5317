"""Subscriptions are made and changed over HTTP, and what became of each notification is told."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from structlog.testing import capture_logs

from alerts.channels import WEBHOOK, Outcome, Outgoing
from alerts.dispatch import Dispatcher
from alerts.subscriptions import SUBSCRIPTIONS_MAX, Wanted
from api.app import create_app
from api.auth import Access
from ingest.messages import Fault, Kind
from tests.unit.alerts.parts import RULES
from tests.unit.api.parts import NOON, Client, World, document_of, world_on

HOOKS = "/api/v1/webhooks"
URL = "https://cmms.example/hooks"


class Cmms:
    """A channel that takes everything, or nothing."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.outcome = Outcome(status=204)

    def send(self, outgoing: Outgoing, _now: Any) -> Outcome:
        self.taken.append(outgoing)
        return self.outcome


@pytest.fixture
def cmms() -> Cmms:
    return Cmms()


@pytest.fixture
def dispatcher(world: World, sqlite_engine: Engine, cmms: Cmms) -> Dispatcher:
    return Dispatcher(sqlite_engine, RULES, {WEBHOOK: cmms}, world.clock)


def add(world: World, **fields: Any) -> dict[str, Any]:
    answer = world.client.post(HOOKS, **{"name": "CMMS", "url": URL, "topics": ["alert.*"], **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_the_secret_of_a_webhook_is_told_once(world: World, sqlite_engine: Engine) -> None:
    made = add(world)
    assert made["secret"].startswith("whsec_")
    client = world.client
    shown = [client.get(HOOKS).text, client.get(f"{HOOKS}/1").text, client.put(f"{HOOKS}/1", name="A", url=URL).text]
    assert not any("whsec_" in each or "secret" in each for each in shown)
    rotated = client.post(f"{HOOKS}/1/rotate-secret", keep_h=1).json()["secret"]
    assert rotated not in (made["secret"], "")
    assert "whsec_" not in world_on(sqlite_engine).client.get(HOOKS).text


def test_no_answer_and_no_log_ever_holds_a_secret_again(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, token="correct horse")
    app = create_app(world.service, Access("correct horse"))
    client = Client(app, authorization="Bearer correct horse")
    world.register("1")
    with capture_logs() as logs:
        made = client.post(HOOKS, name="CMMS", url=URL, topics=["*"]).json()
        turned = client.post(f"{HOOKS}/1/rotate-secret", keep_h=24).json()
        secrets = [made["secret"], turned["secret"], "correct horse"]
        client.post(f"{HOOKS}/1/test", by="Li")
        ways = document_of(app)["paths"].items()
        paths = [re.sub(r"\{[^}]*\}", "1", path) for path, methods in ways if "get" in methods]
        told = [client.get(path).text for path in [*paths, "/", "/kpis", "/docs", "/openapi.json"]]
    assert len(told) > 40
    for secret in secrets:
        assert not [text for text in told if secret in text]
        assert secret not in repr(logs)


def test_what_was_to_be_written_stands_in_no_error_of_the_database(sqlite_engine: Engine) -> None:
    with pytest.raises(sa.exc.OperationalError) as failed, sqlite_engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "whsec_abc"})
    assert "nowhere" in str(failed.value)
    assert "whsec_abc" not in str(failed.value)


def test_a_webhook_is_changed_and_removed(world: World) -> None:
    add(world, priority_max=2, sites=["S1"], quiet={"begins": "22:00", "ends": "07:00", "time_zone": "Asia/Hong_Kong"})
    known = world.client.get(f"{HOOKS}/1").json()
    assert (known["priority_max"], known["sites"], known["quiet"]["ends"]) == (2, ["S1"], "07:00")
    changed = world.client.put(f"{HOOKS}/1", name="New", url=URL, enabled=False).json()
    assert (changed["name"], changed["enabled"], changed["quiet"]) == ("New", False, None)
    assert world.client.request("DELETE", f"{HOOKS}/1").status_code == 204
    assert world.client.get(f"{HOOKS}/1").status_code == 404
    assert world.client.get(HOOKS).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"url": "http://cmms.example/"}, "body.url"),
        ({"url": "https://user:pw@cmms.example/"}, "body.url"),
        ({"topics": ["everything"]}, "body.topics.0"),
        ({"priority_max": 5}, "body.priority_max"),
        ({"quiet": {"begins": "22:00", "ends": "07:00", "time_zone": "Mars/Base"}}, "body.quiet"),
        ({"secret": "mine"}, "body.secret"),
    ],
)
def test_what_does_not_fit_is_named(world: World, fields: dict[str, Any], at: str) -> None:
    answer = world.client.post(HOOKS, **{"name": "CMMS", "url": URL, **fields})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == at
    assert "pw@" not in answer.text


def test_the_log_tells_what_was_delivered_and_what_was_not(world: World, dispatcher: Dispatcher, cmms: Cmms) -> None:
    add(world)
    alert_id = world.trap()
    dispatcher.work()
    (delivery,) = world.client.get(f"{HOOKS}/1/deliveries").json()["items"]
    assert (delivery["state"], delivery["topic"], delivery["alert_id"]) == ("delivered", "alert.raised", alert_id)
    cmms.outcome = Outcome(error="answered 500", status=500)
    world.say("L1", Kind.FAULT, Fault(code="entrapment", phase="cleared", seq=9), at_s=60)
    dispatcher.work()
    (waiting,) = world.client.get(f"{HOOKS}/1/deliveries", state="waiting").json()["items"]
    assert (waiting["attempts"], waiting["last_status"], waiting["last_error"]) == (1, 500, "answered 500")
    assert world.client.get(f"{HOOKS}/1").json()["waiting"] == 1
    pages = world.client.pages("/api/v1/notifications", 1, alert_id=alert_id)
    assert [page[0]["topic"] for page in pages] == ["alert.cleared", "alert.raised"]
    assert world.client.get("/api/v1/notifications", lift_id="L2").json()["items"] == []


def test_what_was_delivered_is_sent_again_under_its_id(world: World, dispatcher: Dispatcher, cmms: Cmms) -> None:
    add(world)
    world.trap()
    dispatcher.work()
    again = world.client.post("/api/v1/notifications/1/redeliver").json()
    assert (again["state"], again["attempts"]) == ("waiting", 0)
    dispatcher.work()
    first, second = cmms.taken
    assert (first.message_id, first.content()) == (second.message_id, second.content())
    assert world.client.post("/api/v1/notifications/99/redeliver").status_code == 404


def test_what_was_given_up_is_sent_again_from_an_instant_on(world: World, dispatcher: Dispatcher, cmms: Cmms) -> None:
    cmms.outcome = Outcome(error="answered 500", status=500)
    add(world, topics=["alert.raised"], sites=["S1"])
    world.register("L1", site_id="S1")
    world.trap()
    for _ in range(200):
        dispatcher.work()
        world.clock.advance(timedelta(hours=1))
    (given_up,) = world.client.get(f"{HOOKS}/1/deliveries", state="failed").json()["items"]
    assert given_up["attempts"] == 10
    cmms.outcome = Outcome(status=204)
    later = (NOON + timedelta(seconds=1)).isoformat()
    assert world.client.post(f"{HOOKS}/1/redeliver", since=later).json() == {"redelivered": 0}
    assert world.client.post(f"{HOOKS}/1/redeliver", since=NOON.isoformat()).json() == {"redelivered": 1}
    dispatcher.work()
    assert world.client.get(f"{HOOKS}/1/deliveries").json()["items"][0]["state"] == "delivered"


def test_a_webhook_is_tried_whatever_it_asked_for(world: World, dispatcher: Dispatcher, cmms: Cmms) -> None:
    add(world, topics=[])
    answer = world.client.post(f"{HOOKS}/1/test", by="Li")
    assert (answer.status_code, answer.json()["topic"]) == (202, "notification.test")
    dispatcher.work()
    assert cmms.taken[0].data["by"] == "Li"


def test_people_and_the_broker_subscribe_beside_webhooks(world: World) -> None:
    add(world)
    subscriptions = "/api/v1/subscriptions"
    person = {"channel": "email", "name": "Li", "address": "li@lifts.example", "team": "north"}
    assert world.client.post(subscriptions, **person).json()["address"] == "li@lifts.example"
    assert world.client.post(subscriptions, channel="mqtt", name="broker", topics=["*"]).json()["address"] is None
    assert [each["channel"] for each in world.client.get(subscriptions).json()["items"]] == ["email", "mqtt"]
    assert len(world.client.get(HOOKS).json()["items"]) == 1
    assert world.client.get(f"{subscriptions}/1").status_code == 404
    assert world.client.get(f"{HOOKS}/2").status_code == 404
    assert world.client.put(f"{subscriptions}/2", **{**person, "team": "south"}).json()["team"] == "south"
    assert world.client.post(f"{subscriptions}/2/test", by="Li").status_code == 202
    assert world.client.request("DELETE", f"{subscriptions}/2").status_code == 204
    assert world.client.post(subscriptions, channel="email", name="Li").status_code == 422
    assert world.client.post(subscriptions, **{**person, "address": "li@x.example, b@x.example"}).status_code == 422


def test_there_is_an_end_to_subscriptions(world: World) -> None:
    wanted = Wanted(channel=WEBHOOK, name="CMMS", target=URL)
    for _ in range(SUBSCRIPTIONS_MAX):
        world.service.notifying.subscriptions.add(wanted, NOON)
    answer = world.client.post(HOOKS, name="one too many", url=URL)
    assert (answer.status_code, answer.json()["type"]) == (409, "/docs#conflict")
