"""What happens arrives: by signed webhooks, again until it is there; in virtual time, on a real receiver."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Engine

from alerts import notification_tables
from alerts.channels import EMAIL, WEBHOOK, Channel, Outcome
from alerts.dispatch import Dispatcher
from alerts.fan_out import fan_out
from alerts.lanes import LEASE, Lanes
from alerts.notifications import WAITS_S, NotificationState
from alerts.notifying import Notifying
from alerts.quiet_hours import QuietHours
from alerts.signing import headers
from alerts.subscriptions import Wanted
from alerts.webhook_channel import WebhookChannel
from ingest.clock import ManualClock
from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault, finding
from tests.unit.alerts.receiver import Receiver, unused_port

STATION = "http://127.0.0.1:{port}/hooks"


class Centre:
    """A desk and a dispatcher on one database, and a clock that is moved by hand."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.room = Room(engine, lift_ids=["A1", "B2"])
        self.clock = ManualClock(NOON)
        self.notifying = Notifying(engine, frozenset({WEBHOOK}), allows_private=True)
        self.channel = WebhookChannel(allows_private=True, attempt_s_max=5)
        self.dispatcher = self.another_dispatcher()

    def another_dispatcher(self, **channels: Channel) -> Dispatcher:
        return Dispatcher(self.engine, RULES, {WEBHOOK: self.channel, **channels}, self.clock)

    def subscribe(self, url: str, *topics: str, **fields: object) -> int:
        wanted = Wanted(channel=WEBHOOK, name="CMMS", target=url, topics=list(topics) or ["*"])
        known, self.secret = self.notifying.subscriptions.add(structs.replace(wanted, **fields), self.clock.now())
        return known.id

    def ring(self, lift_id: str = "A1") -> None:
        """Something that is told once: an alert without an order."""
        at_s = (self.clock.now() - NOON).total_seconds()
        self.room.desk.observe([fault("power-supply-fault", lift_id=lift_id, at_s=at_s)])

    def after(self, **time: float) -> int:
        """Let time pass, and everything that is due be sent."""
        self.clock.advance(timedelta(**time))
        return self.dispatcher.work()

    def states(self) -> list[NotificationState]:
        return [each.state for each in reversed(self.notifying.log.page(limit=100))]

    def failing(self) -> list[str]:
        return [alert.message for alert in self.room.alerts(kind="notification-failing", state="open")]


@pytest.fixture
def centre(sqlite_engine: Engine) -> Centre:
    return Centre(sqlite_engine)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


def test_an_entrapment_is_told_signed_with_its_order(centre: Centre, receiver: Receiver) -> None:
    centre.subscribe(receiver.url, "alert.*", "work-order.*")
    centre.room.desk.observe([fault("entrapment", floor=3)])
    assert centre.dispatcher.work() == 2
    opened, raised = receiver.received
    assert receiver.told() == ["work-order.opened", "alert.raised"]
    assert (raised.path, raised.headers["content-type"]) == ("/hooks?of=liftwatch", "application/json")
    assert raised.body["timestamp"] == "2026-03-02T12:00:00Z"
    assert raised.body["data"]["alert"]["kind"] == "entrapment"
    assert raised.body["data"]["work_order_id"] == opened.body["data"]["work_order"]["id"]
    expected = headers([centre.secret or ""], raised.message_id, int(NOON.timestamp()), raised.content)
    assert expected.items() <= raised.headers.items()
    assert centre.states() == ["delivered", "delivered"]


def test_what_was_told_is_not_told_again(centre: Centre, receiver: Receiver) -> None:
    centre.subscribe(receiver.url)
    centre.ring()
    assert centre.dispatcher.work() == 1
    assert centre.another_dispatcher().work() == 0
    assert centre.after(days=1) == 0
    assert len(receiver.received) == 1


def test_who_subscribes_later_is_not_told_of_what_was(centre: Centre, receiver: Receiver) -> None:
    centre.ring()
    assert centre.dispatcher.work() == 0
    centre.subscribe(receiver.url)
    centre.ring("B2")
    centre.dispatcher.work()
    assert [each.body["data"]["lift_id"] for each in receiver.received] == ["B2"]


def test_ten_attempts_are_made_over_75_hours_and_the_failure_is_an_alert(centre: Centre, receiver: Receiver) -> None:
    receiver.status = 500
    centre.room.register.register([Lift(lift_id="A1", site_id="S1")], NOON)
    centre.subscribe(receiver.url, "alert.raised", sites=["S1"])
    centre.ring()
    assert centre.dispatcher.work() == 1
    for wait_s in WAITS_S:
        assert centre.after(seconds=wait_s - 1) == 0
        assert centre.after(seconds=1) == 1
    assert centre.after(days=2) == 0
    assert len({(each.message_id, each.content) for each in receiver.received}) == 1
    first_s, *_, last_s = [int(each.headers["webhook-timestamp"]) for each in receiver.received]
    assert last_s - first_s == 75 * 3_600 + 35 * 60 + 5
    assert centre.states() == ["failed"]
    assert centre.failing() == [
        "Somebody is not told what they want to know: webhook CMMS: nothing has got through since 2026-03-02 12:00 UTC"
    ]


def test_a_receiver_that_is_back_after_a_day_gets_everything_once_and_in_order(centre: Centre) -> None:
    port = unused_port()
    centre.subscribe(f"http://127.0.0.1:{port}/hooks")
    lifts = [Lift(lift_id=f"L{number:02}") for number in range(40)]
    centre.room.register.register(lifts, NOON)
    for lift in lifts:
        centre.ring(lift.lift_id)
        centre.after(minutes=36)
    assert len(centre.failing()) == 1
    assert set(centre.states()) == {"waiting"}
    receiver = Receiver()
    try:
        centre.notifying.subscriptions.change(
            1, Wanted(channel=WEBHOOK, name="CMMS", target=receiver.url, topics=["*"])
        )
        for _ in range(3):
            centre.after(minutes=5)
    finally:
        receiver.close()
    told = [each.body["data"]["lift_id"] for each in receiver.received if each.body["type"] == "alert.raised"]
    assert sorted(told) == sorted([*(lift.lift_id for lift in lifts), "$service"])
    probe, *others = [lift_id for lift_id in told if lift_id != "$service"]
    # The one whose turn it was finds out that the receiver is back; then all the others follow in order.
    assert others == sorted(set(others))
    assert probe not in others
    assert len({each.message_id for each in receiver.received}) == len(receiver.received)
    assert set(centre.states()) == {"delivered"}
    assert centre.failing() == []


def test_a_receiver_that_is_away_is_not_asked_for_every_notification(centre: Centre) -> None:
    centre.subscribe(STATION.format(port=unused_port()))
    centre.room.register.register([Lift(lift_id=f"L{number:03}") for number in range(100)], NOON)
    for number in range(100):
        centre.ring(f"L{number:03}")
    attempts = centre.dispatcher.work() + sum(centre.after(minutes=1) for _ in range(60))
    assert 10 <= attempts <= 20


def test_one_notification_that_a_receiver_refuses_does_not_hold_up_the_others(centre: Centre) -> None:
    class Choosy:
        """Takes nothing that is about lift A1."""

        def __init__(self) -> None:
            self.taken: list[str] = []

        def send(self, outgoing: object, now: object) -> Outcome:  # noqa: ARG002
            lift_id: str = outgoing.lift_id  # type: ignore[attr-defined]
            if lift_id == "A1":
                return Outcome(error="answered 400", status=400)
            self.taken.append(lift_id)
            return Outcome()

    choosy = Choosy()
    dispatcher = centre.another_dispatcher(webhook=choosy)
    centre.subscribe("https://cmms.example/")
    centre.ring("A1")
    dispatcher.work()
    for _ in range(3):
        centre.ring("B2")
        centre.clock.advance(timedelta(seconds=20))
        dispatcher.work()
        centre.room.desk.clear(centre.room.alerts(lift_id="B2")[0].id, "Li", centre.clock.now(), "power is back")
        dispatcher.work()
    assert choosy.taken == ["B2"] * 6
    assert centre.states()[0] == "waiting"
    assert centre.notifying.log.page(limit=10)[-1].attempts <= 3


def test_gone_disables_and_says_so(centre: Centre, receiver: Receiver) -> None:
    receiver.status = 410
    subscription_id = centre.subscribe(receiver.url)
    centre.ring()
    centre.dispatcher.work()
    known = centre.notifying.subscriptions.known(subscription_id)
    assert (known.wanted.enabled, known.disabled_reason) == (False, "the receiver wants nothing more: answered 410")
    assert len(centre.failing()) == 1
    assert centre.after(days=1) == 0
    receiver.status = 204
    centre.notifying.subscriptions.change(subscription_id, structs.replace(known.wanted, enabled=True))
    assert centre.dispatcher.work() >= 1
    assert centre.failing() == []


def test_retry_after_is_heeded(centre: Centre, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    centre.subscribe(receiver.url)
    centre.ring()
    centre.dispatcher.work()
    assert centre.after(seconds=599) == 0
    assert centre.after(seconds=1) == 1


def test_a_redirect_is_not_followed(centre: Centre, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    centre.subscribe(receiver.url)
    centre.ring()
    assert centre.dispatcher.work() == 1
    assert len(receiver.received) == 1
    assert centre.notifying.log.page(limit=1)[0].last_status == 302


def test_a_process_that_is_killed_while_it_sends_leaves_the_rest_to_another(centre: Centre, receiver: Receiver) -> None:
    centre.subscribe(receiver.url)
    centre.ring()
    centre.dispatcher.work()
    centre.ring("B2")
    dying = Lanes(centre.engine, RULES)
    centre.dispatcher._prepare()
    (lane,) = dying.claim(NOON, 1)
    due = dying.next(lane, NOON)
    assert due is not None
    centre.channel.send(due.outgoing, NOON)  # it arrives, and nobody lives to write that down
    assert centre.dispatcher.work() == 0
    assert centre.after(seconds=LEASE.total_seconds()) == 1
    before, again = receiver.received[1:]
    assert (before.message_id, before.content) == (again.message_id, again.content)
    dying.record(lane, due, Outcome(error="far too late"), centre.clock.now())
    assert centre.states() == ["delivered", "delivered"]


def test_both_secrets_sign_while_one_takes_the_place_of_the_other(centre: Centre, receiver: Receiver) -> None:
    subscription_id = centre.subscribe(receiver.url)
    secrets = [centre.notifying.subscriptions.rotate(subscription_id, timedelta(hours=24), NOON), centre.secret or ""]
    centre.ring()
    centre.dispatcher.work()
    centre.clock.advance(timedelta(hours=25))
    centre.ring("B2")
    centre.dispatcher.work()
    for came, known, sent_at in zip(receiver.received, [secrets, secrets[:1]], [NOON, at(25 * 3600)], strict=True):
        expected = headers(known, came.message_id, int(sent_at.timestamp()), came.content)
        assert came.headers["webhook-signature"] == expected["webhook-signature"]


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"topics": ["alert.*"]}, True),
        ({"topics": ["work-order.*", "alert.cleared"]}, False),
        ({"topics": []}, False),
        ({"priority_max": 1}, False),
        ({"priority_max": 2}, True),
        ({"sites": ["S1"]}, True),
        ({"sites": ["S2"]}, False),
        ({"contractors": ["Acme"]}, True),
        ({"contractors": ["Other"]}, False),
        ({"enabled": False}, False),
    ],
)
def test_a_subscription_is_told_what_it_selects(
    centre: Centre, receiver: Receiver, fields: dict[str, object], is_told: bool
) -> None:
    centre.room.register.register([Lift(lift_id="A1", site_id="S1", contractor="Acme")], NOON)
    centre.subscribe(receiver.url, **fields)
    centre.ring()
    assert centre.dispatcher.work() == is_told


def test_quiet_hours_hold_back_what_can_wait_and_nothing_else(centre: Centre, receiver: Receiver) -> None:
    centre.subscribe(receiver.url, "alert.raised", quiet=QuietHours("11:00", "13:30", "UTC"))
    centre.room.desk.apply([finding()], NOON)
    centre.ring()
    assert centre.dispatcher.work() == 1
    assert receiver.received[0].body["data"]["priority"] == 2
    assert centre.after(minutes=89) == 0
    assert centre.after(minutes=1) == 1
    assert receiver.received[1].body["data"]["priority"] == 3


def test_a_removed_subscription_is_told_nothing_more_and_that_is_written_down(centre: Centre) -> None:
    subscription_id = centre.subscribe(STATION.format(port=unused_port()))
    centre.ring()
    centre.dispatcher.work()
    centre.notifying.subscriptions.remove(subscription_id, NOON)
    assert centre.after(days=1) == 0
    assert centre.states() == ["cancelled"]


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "switched off"])
def test_a_subscription_that_nobody_wants_any_more_fails_no_longer(centre: Centre, *, is_removed: bool) -> None:
    subscription_id = centre.subscribe(STATION.format(port=unused_port()))
    centre.ring()
    for _ in range(10):
        centre.after(minutes=20)
    assert centre.failing()
    lanes = Lanes(centre.engine, RULES)
    centre.clock.advance(timedelta(hours=12))
    (lane,) = lanes.claim(centre.clock.now(), 1)  # somebody is sending while it is removed
    due = lanes.next(lane, centre.clock.now())
    assert due is not None
    if is_removed:
        centre.notifying.remove(subscription_id, centre.clock.now())
    else:
        wanted = structs.replace(centre.notifying.subscriptions.known(subscription_id).wanted, enabled=False)
        centre.notifying.change(subscription_id, wanted, centre.clock.now())
    lanes.record(lane, due, Outcome(error="refused"), centre.clock.now())
    assert not centre.failing()


@pytest.mark.parametrize("broken", [{"time_zone": "Mars/Olympus"}, {"topics": None}], ids=["time zone", "topics"])
def test_a_subscription_that_is_not_understood_holds_nobody_up_and_misses_nothing(
    centre: Centre, receiver: Receiver, broken: dict[str, object]
) -> None:
    night = QuietHours("11:00", "13:00", "UTC")
    first = centre.subscribe(receiver.url, quiet=night)
    centre.subscribe(receiver.url)
    table = notification_tables.subscription
    with centre.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == first).values(broken))
    centre.room.desk.apply([finding()], NOON)
    centre.dispatcher.work()
    assert receiver.told().count("alert.raised") == 2
    assert centre.dispatcher.trouble() is None


def test_what_somebody_is_still_to_be_told_is_kept_for_as_long_as_it_takes(centre: Centre, receiver: Receiver) -> None:
    subscription_id = centre.subscribe(receiver.url)
    wanted = centre.notifying.subscriptions.known(subscription_id).wanted
    centre.ring()
    fan_out(centre.engine, NOON)
    centre.notifying.change(subscription_id, structs.replace(wanted, enabled=False), NOON)
    for _ in range(3):
        assert centre.after(days=120) == 0
    centre.notifying.change(subscription_id, wanted, centre.clock.now())
    assert centre.after() == 1
    assert receiver.told() == ["alert.raised"]
    centre.after(days=1)
    assert centre.states() == [], "told, and long past its time"


def test_a_channel_that_the_service_lacks_is_a_failure_that_is_seen(centre: Centre) -> None:
    wanted = Wanted(channel=EMAIL, name="Li", target="li@lifts.example", topics=["*"])
    centre.notifying.subscriptions.add(wanted, NOON)
    centre.ring()
    centre.dispatcher.work()
    assert centre.notifying.log.page(limit=1)[0].last_error == "this service is not set up for email"


def test_a_mistake_in_a_channel_is_a_failed_attempt(centre: Centre) -> None:
    class Broken:
        def send(self, *_: object) -> Outcome:
            raise KeyError

    centre.subscribe("https://cmms.example/")
    centre.ring()
    centre.another_dispatcher(webhook=Broken()).work()
    assert centre.notifying.log.page(limit=1)[0].last_error == "KeyError"


def test_what_was_told_is_forgotten_after_90_days(centre: Centre, receiver: Receiver) -> None:
    centre.subscribe(receiver.url)
    centre.ring()
    centre.dispatcher.work()
    centre.after(days=89)
    assert len(centre.states()) == 1
    centre.room.desk.observe([fault("power-supply-fault", lift_id="B2", at_s=0)])  # told only now, months later
    centre.after(days=2)
    assert len(centre.states()) == 1
    assert [each.lift_id for each in centre.notifying.log.page(limit=5)] == ["B2"]
    centre.after(days=91)
    assert centre.states() == []
