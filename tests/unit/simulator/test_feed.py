from datetime import date, timedelta

import pytest
from msgspec import UNSET, Struct, structs

from ingest.messages import Body, Kind, State
from ingest.wire import PAYLOAD_BYTES_MAX, decode, parse_topic
from simulator.feed import ARRAY_MAX, HISTORY_WINDOW, LIVE_WINDOW, LiftFeed
from simulator.fleet import make_fleet
from simulator.life import Life
from simulator.lift import messages
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms
from simulator.transport import REBOOT_MS

SPEC = max(make_fleet(7, 30, traffic=0.2), key=lambda spec: spec.trips_per_day)
START_MS = day_start_ms(date(2026, 3, 2)) + 5 * HOUR_MS
BOOT = "b1"


class Published(Struct, frozen=True):
    kind: Kind
    bodies: list[Body]
    at_ms: int
    retain: bool
    size: int


class MemoryOutlet:
    """A connection that keeps what it is given until the test acknowledges it."""

    def __init__(self) -> None:
        self.connected = True
        self.sessions = 1
        self.published: list[Published] = []
        self.waiting: list[int] = []

    def publish(self, topic: str, payload: bytes, at_ms: int, *, retain: bool) -> None:
        parsed = parse_topic(topic)
        assert isinstance(parsed, tuple)
        lift_id, kind = parsed
        assert lift_id == SPEC.lift_id
        decoded = decode(kind, payload)
        assert decoded.refusals == []
        self.published.append(Published(kind, decoded.bodies, at_ms, retain, len(payload)))
        self.waiting.append(at_ms)

    def break_off(self) -> None:
        self.connected = False

    def come_back(self) -> None:
        self.connected = True
        self.sessions += 1

    @property
    def unacknowledged(self) -> int:
        return len(self.waiting)

    @property
    def unacknowledged_ms(self) -> int | None:
        return min(self.waiting, default=None)

    @property
    def bodies(self) -> list[tuple[Kind, Body]]:
        return [(published.kind, body) for published in self.published for body in published.bodies]

    def said(self) -> set[tuple[Kind, Body]]:
        return {(kind, structs.replace(body, seq=None, boot=None)) for kind, body in self.bodies}


@pytest.fixture
def outlet() -> MemoryOutlet:
    return MemoryOutlet()


@pytest.fixture
def feed(outlet: MemoryOutlet) -> LiftFeed:
    return LiftFeed(SPEC, outlet, BOOT, START_MS)


def window(since_ms: int, until_ms: int) -> set[tuple[Kind, Body]]:
    return {(message.kind, message.body) for message in messages(SPEC, since_ms, until_ms)}


def give_all_history(feed: LiftFeed, outlet: MemoryOutlet, until_ms: int) -> None:
    while feed.given_ms < until_ms:
        feed.give_history(until_ms)
        outlet.waiting.clear()


def test_history_comes_in_arrays_that_the_contract_allows(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    give_all_history(feed, outlet, START_MS + 3 * DAY_MS)
    assert outlet.said() == window(START_MS, START_MS + 3 * DAY_MS)
    sizes = [len(published.bodies) for published in outlet.published]
    assert max(sizes) == ARRAY_MAX
    assert all(published.size <= PAYLOAD_BYTES_MAX for published in outlet.published)
    assert len(sizes) < 50


def test_history_is_in_the_order_of_time_for_each_kind_and_retains_nothing(
    feed: LiftFeed, outlet: MemoryOutlet
) -> None:
    give_all_history(feed, outlet, START_MS + 2 * DAY_MS)
    for kind in Kind:
        instants = [body.at for of_kind, body in outlet.bodies if of_kind is kind]
        assert instants == sorted(instants, key=lambda at: at if isinstance(at, int) else 0)
        assert UNSET not in instants
    assert not any(published.retain for published in outlet.published)


def test_numbers_are_consecutive_over_all_kinds_from_history_to_present(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.greet(START_MS + DAY_MS)
    give_all_history(feed, outlet, START_MS + DAY_MS)
    feed.give_due(START_MS + DAY_MS + HOUR_MS)
    outlet.waiting.clear()
    feed.give_due(START_MS + DAY_MS + 2 * HOUR_MS)
    feed.say_farewell(START_MS + DAY_MS + 2 * HOUR_MS)
    bodies = [body for _, body in outlet.bodies]
    assert sorted(body.seq for body in bodies if body.seq is not None) == list(range(len(bodies)))
    assert {body.boot for body in bodies} == {BOOT}
    by_number = sorted(bodies[1:-1], key=lambda body: body.seq or 0)
    assert [body.at for body in by_number] == sorted(body.at for body in by_number if isinstance(body.at, int))


def test_history_and_present_together_are_the_whole_window(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    change_ms, until_ms = START_MS + DAY_MS, START_MS + DAY_MS + 3 * HOUR_MS
    give_all_history(feed, outlet, change_ms)
    while feed.given_ms < until_ms:
        feed.give_due(until_ms)
        outlet.waiting.clear()
    assert outlet.said() == window(START_MS, until_ms)
    assert len(outlet.bodies) == len(outlet.said())


def test_the_present_comes_one_by_one_and_its_states_are_retained(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.give_due(START_MS + HOUR_MS)
    assert all(len(published.bodies) == 1 for published in outlet.published)
    assert any(published.retain for published in outlet.published)
    assert all(published.retain is (published.kind is Kind.STATE) for published in outlet.published)


def test_nothing_is_said_before_its_time(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    first_ms = min(message.at_ms for message in messages(SPEC, START_MS, START_MS + HOUR_MS))
    feed.give_due(first_ms)
    assert outlet.published == []
    feed.give_due(first_ms + 1)
    assert [published.at_ms for published in outlet.published] == [first_ms]


def test_a_lift_waits_while_its_connection_is_full_or_down_and_says_everything_later(
    feed: LiftFeed, outlet: MemoryOutlet
) -> None:
    outlet.connected = False
    feed.give_due(START_MS + 6 * HOUR_MS)
    assert outlet.published == []
    outlet.connected = True
    feed.give_due(START_MS + 6 * HOUR_MS)
    assert len(outlet.published) == LIVE_WINDOW
    while outlet.waiting:
        outlet.waiting.clear()
        feed.give_due(START_MS + 6 * HOUR_MS)
    assert outlet.said() == window(START_MS, START_MS + 6 * HOUR_MS)


def test_history_waits_for_acknowledgements(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    until_ms = START_MS + 30 * DAY_MS
    assert feed.give_history(until_ms) > 0
    outlet.waiting = outlet.waiting[:HISTORY_WINDOW]
    assert feed.give_history(until_ms) == 0
    outlet.waiting.pop()
    assert feed.give_history(until_ms) > 0


def test_only_what_is_acknowledged_counts_as_published(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.give_due(START_MS + HOUR_MS)
    assert feed.given_ms == START_MS + HOUR_MS
    assert feed.published_ms == outlet.waiting[0]
    outlet.waiting.pop(0)
    assert feed.published_ms == outlet.waiting[0]
    outlet.waiting.clear()
    assert feed.published_ms == START_MS + HOUR_MS


def test_a_history_that_is_not_acknowledged_counts_from_its_beginning(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.give_history(START_MS + HOUR_MS)
    assert feed.published_ms == START_MS
    outlet.waiting.clear()
    assert feed.published_ms == START_MS + HOUR_MS


def test_a_full_connection_leaves_the_next_message_to_the_next_start(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.give_due(START_MS + 6 * HOUR_MS)
    outlet.waiting.clear()
    rest = window(feed.published_ms, START_MS + 6 * HOUR_MS)
    assert outlet.said() | rest == window(START_MS, START_MS + 6 * HOUR_MS)
    assert not outlet.said() & rest


def test_a_lift_says_how_it_stands_each_time_that_its_connection_comes_to_stand(
    feed: LiftFeed, outlet: MemoryOutlet
) -> None:
    feed.greet(START_MS)
    feed.greet(START_MS + 1_000)
    outlet.connected = False
    feed.greet(START_MS + 2_000)
    outlet.connected, outlet.sessions = True, 2
    feed.greet(START_MS + 3_000)
    states = [body for _, body in outlet.bodies if isinstance(body, State)]
    assert [state.at for state in states] == [START_MS, START_MS + 3_000]
    assert all(state.connected and state.service_mode == "normal" for state in states)
    assert all(published.retain for published in outlet.published)


def test_a_farewell_is_a_retained_state_with_its_instant(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    feed.say_farewell(START_MS)
    assert outlet.published[0].retain
    assert outlet.bodies == [(Kind.STATE, State(at=START_MS, seq=0, boot=BOOT, connected=False))]


def test_a_connection_that_is_down_gets_no_farewell(feed: LiftFeed, outlet: MemoryOutlet) -> None:
    outlet.connected = False
    feed.say_farewell(START_MS)
    assert outlet.published == []


def test_a_feed_that_begins_in_the_future_waits_for_it(outlet: MemoryOutlet) -> None:
    feed = LiftFeed(SPEC, outlet, BOOT, START_MS + timedelta(hours=1) // timedelta(milliseconds=1))
    assert feed.give_history(START_MS) == 0
    assert feed.give_due(START_MS) == 0
    assert feed.published_ms == START_MS + HOUR_MS


def test_a_controller_that_starts_again_vanishes_and_comes_back_with_a_new_boot(outlet: MemoryOutlet) -> None:
    reboot_ms = START_MS + HOUR_MS
    feed = LiftFeed(SPEC, outlet, BOOT, START_MS, life=Life(reboots=[reboot_ms]).ordered())
    feed.give_due(reboot_ms + 1_000)
    assert not outlet.connected
    assert {body.boot for _, body in outlet.bodies} == {BOOT}
    feed.give_due(reboot_ms + REBOOT_MS + 1_000)
    assert outlet.connected
    assert outlet.sessions == 2
    outlet.waiting.clear()
    feed.greet(reboot_ms + REBOOT_MS + 1_000)
    feed.give_due(reboot_ms + HOUR_MS)
    after = [body for _, body in outlet.bodies if body.boot != BOOT]
    assert sorted(body.seq for body in after if body.seq is not None) == list(range(len(after)))
    assert len({body.boot for body in after}) == 1
