"""What every telemetry store promises: in memory, in SQLite, in InfluxDB.

Messages come back with their readings unchanged and `at` as integer milliseconds; where there was no `at`, there is
none. Of two copies of one message, which copy's `received_ms` and `late` remain is not promised.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from ingest.clock import from_ms, to_ms
from ingest.messages import (
    STORED_TYPE,
    Alarm,
    Body,
    Counters,
    DoorCycle,
    Fault,
    Kind,
    Levelling,
    Machine,
    Message,
    State,
    Trip,
    readings_of,
)
from ingest.telemetry_store import (
    KEY_NS_MAX,
    Aggregate,
    MemoryTelemetryStore,
    StoreRefusedError,
    TelemetryStore,
    as_stored,
)
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore
from ingest.telemetry_store_influx import InfluxTelemetryStore
from tests.any_message import any_body

KIND_OF = {form: kind for kind, form in STORED_TYPE.items()}
T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
T0_MS = to_ms(T0)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

OpenStore = Callable[[], TelemetryStore]


@pytest.fixture(params=["memory", "embedded", "influx"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TelemetryStore]:
    if request.param == "memory":
        opened: TelemetryStore = MemoryTelemetryStore()
    elif request.param == "embedded":
        opened = EmbeddedTelemetryStore(tmp_path / "telemetry.sqlite")
    else:
        opened = InfluxTelemetryStore(request.getfixturevalue("influx_store_url"), page_rows=7)
    yield opened
    opened.close()


@pytest.fixture(params=["embedded", "influx"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the same durable store again and again."""
    if request.param == "embedded":
        return lambda: EmbeddedTelemetryStore(tmp_path / "telemetry.sqlite")
    url = request.getfixturevalue("influx_store_url")
    return lambda: InfluxTelemetryStore(url)


def sent(body: Body, ms: int = T0_MS, lift_id: str = "A-1", *, late: bool = False) -> Message:
    """Return a message whose body says when: `ms` since 1970, received 250 ms later."""
    return Message(lift_id, KIND_OF[type(body)], ms, ms + 250, structs.replace(body, at=ms), late)


def trip(ms: int, seq: int | None = None, lift_id: str = "A-1") -> Message:
    return sent(Trip(from_floor=1, to_floor=5, duration_ms=9_000.0, seq=seq, boot="b1"), ms, lift_id)


def fault(ms: int, lift_id: str = "A-1", code: str = "entrapment", **more: Any) -> Message:
    return sent(Fault(code=code, phase="raised", **more), ms, lift_id)


def level(ms: int, error_mm: float) -> Message:
    return sent(Levelling(floor=2, error_mm=error_mm), ms)


def read(store: TelemetryStore, kind: Kind, lift_id: str = "A-1", **more: Any) -> list[Message]:
    return store.messages(lift_id, kind, *ALWAYS, **more)


FULL_BODIES: list[Body] = [
    DoorCycle(
        seq=1,
        boot="b1",
        floor=-2,
        door="rear",
        opening_ms=2_011.5,
        dwell_ms=3_000.0,
        closing_ms=2_300.25,
        reversals=2,
        peak_current_a=1.75,
        nudging=True,
    ),
    Trip(seq=2, boot="b1", from_floor=0, to_floor=9, duration_ms=21_000.0, distance_mm=27_000.0, load_pct=40.0,
         max_speed_mm_s=1_600.0),
    Levelling(seq=3, boot="b1", floor=3, direction="down", error_mm=-7.5, relevelled=False, load_pct=12.5),
    Fault(seq=4, boot="b1", code="door-failed-to-open", phase="cleared", fault_id="f-1", floor=0, in_door_zone=False,
          passengers=True, text="Tür klemmt", controller_code="E17"),
    State(seq=5, boot="b1", service_mode="fire-operation", moving=False, direction="up-and-down", floor=0,
          door="safety-locked", in_door_zone=True, passengers=False, power=True, connected=True),
    Alarm(seq=6, boot="b1", type="filtered", voice_ok=False, battery_ok=True),
    Machine(seq=7, boot="b1", machine_room_c=-4.5, motor_c=61.0, brake_release_ms=180.0, brake_apply_ms=0.0,
            vibration_mg=12.125),
    Counters(seq=2**53, boot="b1", trips_total=2**53, door_cycles_total=0, running_h_total=12_345.678),
]  # fmt: skip


@pytest.mark.parametrize("body", FULL_BODIES, ids=lambda body: type(body).__name__)
def test_a_message_comes_back_with_every_field_that_it_had(store: TelemetryStore, body: Body) -> None:
    assert all(getattr(body, name) is not None for name in body.__struct_fields__), "the example leaves a field out"
    message = sent(body, late=True)

    store.write([message])

    assert read(store, message.kind) == [message]


def test_a_message_comes_back_without_the_fields_that_it_did_not_have(store: TelemetryStore) -> None:
    bare = [sent(Machine()), sent(Counters()), sent(State()), sent(DoorCycle(floor=0, opening_ms=0, closing_ms=0))]

    store.write(bare)

    assert [message for kind in KIND_OF.values() for message in read(store, kind)] == sorted(
        bare, key=lambda message: list(KIND_OF.values()).index(message.kind)
    )


_lift_numbers = itertools.count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(st.sampled_from(Kind).flatmap(any_body), min_size=1, max_size=20),
    start_ms=st.integers(T0_MS - 400 * DAY_MS, T0_MS),
)
def test_whatever_the_contract_allows_comes_back_as_it_was(
    store: TelemetryStore, bodies: list[Body], start_ms: int
) -> None:
    lift_id = f"H-{next(_lift_numbers)}"
    messages = [sent(body, start_ms + number, lift_id, late=number % 2 == 0) for number, body in enumerate(bodies)]

    store.write(messages)

    found = [message for kind in Kind for message in read(store, kind, lift_id)]
    assert sorted(found, key=lambda message: message.measured_ms) == messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "\0\0x",
        'say "no"',
        "back\\slash\\",
        '\\"',
        "two\nlines\r\nand\rmore",
        "\n",
        ",= ;'",
        "🛗 电梯 \ufeff\u2028",
    ],
)
def test_text_comes_back_letter_by_letter(store: TelemetryStore, text: str) -> None:
    store.write([fault(T0_MS, text=text), fault(T0_MS + 1, text="the one after it")])

    assert [m.body.text for m in store.faults(*ALWAYS) if isinstance(m.body, Fault)] == [text, "the one after it"]


def test_an_instant_that_came_as_text_comes_back_in_milliseconds(store: TelemetryStore) -> None:
    at = T0.astimezone(timezone(timedelta(hours=8))) + timedelta(microseconds=1_999)
    message = Message("A-1", Kind.MACHINE, T0_MS + 1, T0_MS + 99, Machine(at=at, motor_c=40.0))

    store.write([message])

    assert read(store, Kind.MACHINE) == [
        Message("A-1", Kind.MACHINE, T0_MS + 1, T0_MS + 99, Machine(at=T0_MS + 1, motor_c=40.0))
    ]


def test_a_last_will_comes_back_without_an_instant_of_its_own(store: TelemetryStore) -> None:
    last_will = Message("A-1", Kind.STATE, T0_MS, T0_MS, State(connected=False))

    store.write([last_will])

    assert read(store, Kind.STATE) == [last_will]
    assert read(store, Kind.STATE)[0].body.at is UNSET


def test_the_same_message_written_again_stays_one(store: TelemetryStore) -> None:
    messages = [*(sent(body) for body in FULL_BODIES), fault(T0_MS + 5), trip(T0_MS + 6)]

    store.write(messages)
    store.write([*reversed(messages), *messages])

    assert [message for kind in Kind for message in read(store, kind)] == [
        message for kind in Kind for message in messages if message.kind is kind
    ]


def test_a_copy_that_arrives_later_is_the_same_message(store: TelemetryStore) -> None:
    first = trip(T0_MS, seq=7)
    store.write([first])

    store.write([structs.replace(first, received_ms=first.received_ms + HOUR_MS, late=True)])

    [kept] = read(store, Kind.TRIP)
    assert (kept.key_ns, kept.body) == (first.key_ns, first.body)


def test_two_messages_of_one_millisecond_stay_two(store: TelemetryStore) -> None:
    numbered = [trip(T0_MS, seq) for seq in (1, 2)]
    unnumbered = [fault(T0_MS, code=code) for code in ("entrapment", "overspeed")]

    store.write([*numbered, *unnumbered])

    assert read(store, Kind.TRIP) == numbered
    assert sorted(read(store, Kind.FAULT), key=repr) == sorted(unnumbered, key=repr)


def test_the_messages_of_another_lift_or_kind_do_not_show(store: TelemetryStore) -> None:
    store.write([trip(T0_MS, 1, "A-1"), trip(T0_MS, 1, "A-2"), fault(T0_MS, "A-1")])

    assert read(store, Kind.TRIP, "A-1") == [trip(T0_MS, 1, "A-1")]
    assert read(store, Kind.TRIP, "A-3") == []
    assert read(store, Kind.DOOR, "A-1") == []


def test_a_window_holds_its_first_instant_and_not_its_last(store: TelemetryStore) -> None:
    store.write([trip(T0_MS + minutes * MINUTE_MS, minutes) for minutes in range(4)])

    found = store.messages("A-1", Kind.TRIP, T0 + timedelta(minutes=1), T0 + timedelta(minutes=3))

    assert [message.body.seq for message in found] == [1, 2]


def test_messages_come_oldest_first_in_whatever_order_they_were_written(store: TelemetryStore) -> None:
    store.write([trip(T0_MS + 5, 5), trip(T0_MS + 1, 1)])
    store.write([trip(T0_MS + 3, 3), trip(T0_MS + 2, 2), trip(T0_MS - DAY_MS, 0)])

    assert [message.body.seq for message in read(store, Kind.TRIP)] == [0, 1, 2, 3, 5]


def test_pages_hold_every_message_once(store: TelemetryStore) -> None:
    """Also where one millisecond is cut by the end of a page, and where messages have no number."""
    as_text = [
        Message("A-1", Kind.TRIP, T0_MS, T0_MS + 9, Trip(at=T0, from_floor=0, to_floor=floor, duration_ms=1.0))
        for floor in range(1, 9)
    ]
    store.write([*as_text, *(trip(T0_MS + number // 3, number) for number in range(20))])
    everything = read(store, Kind.TRIP)
    assert len(everything) == 28

    paged: list[Message] = []
    for _ in range(10):
        page = read(store, Kind.TRIP, limit=3, after_ns=paged[-1].key_ns if paged else None)
        assert len(page) <= 3
        paged += page

    assert paged == everything


def test_the_latest_state_is_the_newest_value_of_each_reading(store: TelemetryStore) -> None:
    store.write(
        [
            sent(State(service_mode="normal", floor=3, moving=True, connected=True), T0_MS),
            sent(State(floor=0, moving=False), T0_MS + 10),
            sent(State(connected=False, door="closed"), T0_MS + 20),
        ]
    )

    [latest] = store.latest_states().values()
    assert latest.measured_at == from_ms(T0_MS + 20)
    assert latest.state == State(service_mode="normal", floor=0, moving=False, door="closed", connected=False)


def test_an_old_state_that_arrives_late_fills_gaps_and_overwrites_nothing(store: TelemetryStore) -> None:
    store.write([sent(State(floor=4, moving=False), T0_MS)])

    store.write([sent(State(floor=1, power=True), T0_MS - HOUR_MS, late=True)])

    [latest] = store.latest_states().values()
    assert latest.measured_at == T0
    assert latest.state == State(floor=4, moving=False, power=True)


def test_states_out_of_order_in_one_batch_are_put_in_order(store: TelemetryStore) -> None:
    store.write([sent(State(floor=floor), T0_MS + floor) for floor in (2, 9, 5)])

    assert store.latest_states()["A-1"].state.floor == 9


def test_a_state_that_says_nothing_still_tells_that_the_lift_spoke(store: TelemetryStore) -> None:
    store.write([sent(State(), T0_MS, "A-2"), sent(State(floor=1), T0_MS, "A-1"), sent(State(), T0_MS + 9, "A-1")])

    latest = store.latest_states()

    assert latest["A-2"].state == State()
    assert latest["A-2"].measured_at == T0
    assert latest["A-1"].state == State(floor=1)
    assert latest["A-1"].measured_at == from_ms(T0_MS + 9)


def test_latest_states_are_of_the_lifts_asked_for(store: TelemetryStore) -> None:
    many = [f"lift_{number}" for number in range(620)]
    store.write([sent(State(floor=number % 9), T0_MS, lift_id) for number, lift_id in enumerate(many)])
    store.write([trip(T0_MS, 1, "moved-but-never-told-its-state")])

    assert set(store.latest_states()) == set(many)
    assert set(store.latest_states([*many[:610], "unknown", "moved-but-never-told-its-state"])) == set(many[:610])
    assert store.latest_states([]) == {}
    assert store.latest_states(["lift_17"])["lift_17"].state == State(floor=17 % 9)


def test_aggregates_count_by_windows_since_1970_and_leave_out_empty_ones(store: TelemetryStore) -> None:
    store.write(
        [
            level(T0_MS - 1, 90.0),
            level(T0_MS, -3.0),
            level(T0_MS + 599_999, 5.0),
            level(T0_MS + 600_000, -8.0),
            level(T0_MS + 3 * 600_000, 1.5),
        ]
    )

    found = store.aggregates("A-1", Kind.LEVELLING, "error_mm", T0, T0 + timedelta(hours=1), timedelta(minutes=10))

    assert found == [
        Aggregate(T0, 2, 1.0, -3.0, 5.0),
        Aggregate(T0 + timedelta(minutes=10), 1, -8.0, -8.0, -8.0),
        Aggregate(T0 + timedelta(minutes=30), 1, 1.5, 1.5, 1.5),
    ]


def test_the_first_and_the_last_window_are_cut_by_the_bounds(store: TelemetryStore) -> None:
    store.write([level(T0_MS + minutes * MINUTE_MS, float(minutes)) for minutes in range(30)])

    found = store.aggregates(
        "A-1",
        Kind.LEVELLING,
        "error_mm",
        T0 + timedelta(minutes=7),
        T0 + timedelta(minutes=22),
        timedelta(minutes=10),
    )

    assert [(one.start_at, one.count, one.smallest, one.largest) for one in found] == [
        (T0, 3, 7.0, 9.0),
        (T0 + timedelta(minutes=10), 10, 10.0, 19.0),
        (T0 + timedelta(minutes=20), 2, 20.0, 21.0),
    ]


@pytest.mark.parametrize("every", [timedelta(milliseconds=7), timedelta(days=7), timedelta(days=36_525)])
def test_windows_of_any_width_begin_at_whole_multiples_since_1970(store: TelemetryStore, every: timedelta) -> None:
    store.write([level(T0_MS, 1.0), level(-5, 2.0)])

    found = store.aggregates("A-1", Kind.LEVELLING, "error_mm", *ALWAYS, every)

    every_ms = every // timedelta(milliseconds=1)
    assert [one.start_at for one in found] == [from_ms(-every_ms), from_ms(T0_MS // every_ms * every_ms)]


def test_whole_numbers_are_aggregated_and_missing_ones_are_not_nought(store: TelemetryStore) -> None:
    store.write([sent(Counters(trips_total=total), T0_MS + number) for number, total in enumerate([3, None, 4])])

    found = store.aggregates("A-1", Kind.COUNTERS, "trips_total", *ALWAYS, timedelta(days=1))

    assert found == [Aggregate(T0.replace(hour=0), 2, 3.5, 3.0, 4.0)]


def test_aggregates_are_of_one_lift_and_empty_where_it_said_nothing(store: TelemetryStore) -> None:
    store.write([level(T0_MS, 1.0)])

    assert store.aggregates("A-2", Kind.LEVELLING, "error_mm", *ALWAYS, timedelta(days=1)) == []
    assert store.aggregates("A-1", Kind.LEVELLING, "load_pct", *ALWAYS, timedelta(days=1)) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(st.integers(0, 20_000), st.floats(-1_000, 1_000)), max_size=30, unique_by=lambda pair: pair[0]
    ),
    start_ms=st.integers(0, 20_000),
    width_ms=st.integers(0, 20_000),
    every_ms=st.integers(1, 9_000),
)
def test_every_store_aggregates_as_memory_does(
    store: TelemetryStore, values: list[tuple[int, float]], start_ms: int, width_ms: int, every_ms: int
) -> None:
    lift_id = f"H-{next(_lift_numbers)}"
    messages = [sent(Levelling(floor=0, error_mm=mm), T0_MS + ms, lift_id) for ms, mm in values]
    plain = MemoryTelemetryStore()
    window = (from_ms(T0_MS + start_ms), from_ms(T0_MS + start_ms + width_ms), timedelta(milliseconds=every_ms))

    for each in (plain, store):
        each.write(messages)

    found = store.aggregates(lift_id, Kind.LEVELLING, "error_mm", *window)
    expected = plain.aggregates(lift_id, Kind.LEVELLING, "error_mm", *window)
    assert [structs.replace(one, mean=0.0) for one in found] == [structs.replace(one, mean=0.0) for one in expected]
    assert [one.mean for one in found] == pytest.approx([one.mean for one in expected], abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "reading", "every"),
    [
        (Kind.LEVELLING, "direction", timedelta(hours=1)),
        (Kind.LEVELLING, "relevelled", timedelta(hours=1)),
        (Kind.LEVELLING, "nothing", timedelta(hours=1)),
        (Kind.LEVELLING, "received_ms", timedelta(hours=1)),
        (Kind.LEVELLING, 'error_mm" OR 1=1', timedelta(hours=1)),
        (Kind.LEVELLING, "error_mm", timedelta(0)),
        (Kind.LEVELLING, "error_mm", timedelta(microseconds=999)),
        (Kind.LEVELLING, "error_mm", timedelta(hours=-1)),
        (Kind.LEVELLING, "error_mm", timedelta.max),
    ],
)
def test_what_cannot_be_aggregated_is_an_error(
    store: TelemetryStore, kind: Kind, reading: str, every: timedelta
) -> None:
    with pytest.raises(ValueError, match=r"has no number named|a window is"):
        store.aggregates("A-1", kind, reading, *ALWAYS, every)


def test_faults_are_ordered_by_lift_and_instant(store: TelemetryStore) -> None:
    faults = [fault(T0_MS + number, lift_id) for lift_id in ("A-10", "A-2", "B") for number in (0, 5, 9)]
    store.write(faults[::-1])

    assert store.faults(*ALWAYS) == faults
    assert store.faults(T0, from_ms(T0_MS + 9)) == [one for one in faults if one.measured_ms < T0_MS + 9]
    assert store.faults(from_ms(T0_MS + 1), from_ms(T0_MS + 9), "A-2") == [faults[4]]
    assert store.faults(*ALWAYS, "unknown") == []
    assert store.fault_count(*ALWAYS) == len(faults)
    assert store.fault_count(T0, from_ms(T0_MS + 9)) == len(store.faults(T0, from_ms(T0_MS + 9)))


def test_no_fault_of_the_fleet_is_cut_off(store: TelemetryStore) -> None:
    """More than a page, more than a plain answer of the server holds, and more at one instant than fit in a page."""
    faults = [fault(T0_MS + number // 40, f"lift-{number:03}") for number in range(200)]
    store.write(faults)

    assert store.faults(*ALWAYS) == faults


def test_the_last_trip_is_the_newest_in_the_window(store: TelemetryStore) -> None:
    store.write([trip(T0_MS, 1), trip(T0_MS + HOUR_MS, 2), trip(T0_MS - HOUR_MS, 3), trip(T0_MS + DAY_MS, 4, "A-2")])

    assert store.last_trip_at("A-1", *ALWAYS) == T0 + timedelta(hours=1)
    assert store.last_trip_at("A-1", T0 - timedelta(days=1), T0 + timedelta(hours=1)) == T0
    assert store.last_trip_at("A-1", T0 + timedelta(hours=2), T0 + timedelta(days=9)) is None
    assert store.last_trip_at("unknown", *ALWAYS) is None


def test_the_last_counters_of_each_lift_are_the_newest_in_the_window(store: TelemetryStore) -> None:
    said = [
        sent(Counters(trips_total=10 * hour, running_h_total=0.5), T0_MS + hour * HOUR_MS, lift_id)
        for hour in range(5)
        for lift_id in ("A-1", "A-2")
    ]
    alone = sent(Counters(door_cycles_total=7), T0_MS - DAY_MS, "B")
    store.write([*said, alone, trip(T0_MS + 9 * HOUR_MS)])

    assert store.last_counters(*ALWAYS) == {"A-1": said[8], "A-2": said[9], "B": alone}
    window = from_ms(T0_MS + HOUR_MS), from_ms(T0_MS + 3 * HOUR_MS)
    assert store.last_counters(*window) == {"A-1": said[4], "A-2": said[5]}
    assert store.last_counters(*window, "A-2") == {"A-2": said[5]}
    assert store.last_counters(*ALWAYS, "unknown") == {}


def test_an_empty_store_answers_every_question(store: TelemetryStore) -> None:
    store.ping()
    store.write([])

    assert store.latest_states() == {}
    assert store.faults(*ALWAYS) == []
    assert store.fault_count(*ALWAYS) == 0
    assert store.last_counters(*ALWAYS) == {}
    assert read(store, Kind.DOOR) == []


def test_a_quote_in_a_lift_id_finds_nothing_and_breaks_nothing(store: TelemetryStore) -> None:
    store.write([sent(State(floor=1)), trip(T0_MS, 1)])

    for lift_id in ("' OR 'a' = 'a", "A-1' --", "A-1\\", 'A-1"', "A\n1"):
        assert read(store, Kind.TRIP, lift_id) == []
        assert store.latest_states([lift_id]) == {}
        assert store.last_trip_at(lift_id, *ALWAYS) is None


@pytest.mark.parametrize("ms", [10**18, -(10**18), KEY_NS_MAX // 1_000_000 + 1])
def test_an_instant_that_no_store_can_hold_is_refused_and_the_rest_can_be_written(
    store: TelemetryStore, ms: int
) -> None:
    with pytest.raises(StoreRefusedError, match="outside the years"):
        store.write([trip(T0_MS, 1), trip(ms, 2)])

    store.write([trip(T0_MS, 1)])
    assert read(store, Kind.TRIP) == [trip(T0_MS, 1)]


def test_everything_is_there_after_the_store_is_opened_again(open_store: OpenStore) -> None:
    messages = [sent(body) for body in FULL_BODIES]
    first = open_store()
    first.write(messages)
    first.close()

    again = open_store()
    found = [message for kind in Kind for message in read(again, kind)]
    latest = again.latest_states()["A-1"]
    again.write([sent(State(floor=7), T0_MS - 1), trip(T0_MS + 1, 99)])

    assert found == [message for kind in Kind for message in messages if message.kind is kind]
    assert latest == again.latest_states()["A-1"]
    assert len(read(again, Kind.TRIP)) == 2
    again.close()
    again.close()


def test_what_one_opened_store_writes_another_reads(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()

    writer.write([trip(T0_MS, 1, "A-1"), trip(T0_MS, 1, "A-2")])
    reader.write([trip(T0_MS, 1, "A-3"), trip(T0_MS, 2, "A-2")])
    writer.write([trip(T0_MS, 2, "A-3")])

    for each in (reader, writer):
        assert [len(read(each, Kind.TRIP, lift_id)) for lift_id in ("A-1", "A-2", "A-3")] == [1, 2, 2]
        each.close()


def test_the_stored_form_of_a_message_is_its_own_stored_form() -> None:
    for body in FULL_BODIES:
        message = Message("A-1", KIND_OF[type(body)], T0_MS, T0_MS, structs.replace(body, at=T0))
        assert as_stored(as_stored(message)) == as_stored(message)
        assert as_stored(message).body.at == T0_MS


def test_the_examples_hold_every_kind() -> None:
    assert [KIND_OF[type(body)] for body in FULL_BODIES] == list(Kind)
    assert all(readings_of(kind) for kind in Kind)
