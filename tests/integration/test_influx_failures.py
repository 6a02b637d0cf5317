"""What the InfluxDB store says when InfluxDB fails: whether to try again, and what to check. It retries nothing."""

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ingest.messages import DoorCycle, Kind, Message, State
from ingest.telemetry_store import StoreRefusedError, StoreUnavailableError
from ingest.telemetry_store_influx import InfluxTelemetryStore
from tests.influx_gate import InfluxGate
from tests.servers import Influxd

TOKEN = "operator:very-secret-token"
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
T0_MS = 1_767_600_000_000
DOOR = Message(
    "A-1", Kind.DOOR, T0_MS, T0_MS + 1, DoorCycle(at=T0_MS, seq=1, floor=2, opening_ms=2_000.0, closing_ms=2_000.0)
)

READS: dict[str, Callable[[InfluxTelemetryStore], object]] = {
    "latest_states": lambda store: store.latest_states(),
    "messages": lambda store: store.messages("A-1", Kind.DOOR, SINCE, UNTIL),
    "aggregates": lambda store: store.aggregates("A-1", Kind.DOOR, "floor", SINCE, UNTIL, timedelta(days=1)),
    "faults": lambda store: store.faults(SINCE, UNTIL),
    "last_trip_at": lambda store: store.last_trip_at("A-1", SINCE, UNTIL),
    "ping": lambda store: store.ping(),
}
CALLS: dict[str, Callable[[InfluxTelemetryStore], object]] = {"write": lambda store: store.write([DOOR]), **READS}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def store(influx_store_url: str) -> Iterator[InfluxTelemetryStore]:
    opened = InfluxTelemetryStore(influx_store_url, TOKEN)
    yield opened
    opened.close()


@each_call
@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_unavailable_and_is_not_tried_again(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, call: Callable[[InfluxTelemetryStore], object], status: int
) -> None:
    influx_gate.answer_with(status)

    with pytest.raises(StoreUnavailableError, match=f"answered {status}: .*said by the test"):
        call(store)

    assert len(influx_gate.requests) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_will_never_be_taken_is_refused_and_not_tried_again(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, status: int
) -> None:
    influx_gate.answer_with(status)

    with pytest.raises(StoreRefusedError, match=f"answered {status}"):
        store.write([DOOR])

    assert influx_gate.requests == ["POST /api/v2/write"]


@pytest.mark.parametrize(("status", "advice"), [(401, "token"), (403, "token"), (404, "org liftwatch and a bucket")])
def test_a_fault_in_the_settings_tells_what_to_check(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, status: int, advice: str
) -> None:
    influx_gate.answer_with(status)

    with pytest.raises(StoreUnavailableError, match=advice):
        store.write([DOOR])


@pytest.mark.parametrize(
    "body", [b'{"results":[{"statement_id":0}]}', b"<html>sign in,please</html>\n", b"\xff,\n", b""]
)
@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_an_answer_that_is_not_from_influxdb_is_unavailable(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, call: Callable[[InfluxTelemetryStore], object], body: bytes
) -> None:
    influx_gate.answer_with(200, body)

    with pytest.raises(StoreUnavailableError):
        call(store)


@each_call
def test_a_refused_connection_is_unavailable_and_the_store_recovers_by_itself(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, call: Callable[[InfluxTelemetryStore], object]
) -> None:
    call(store)
    influx_gate.refuse()

    with pytest.raises(StoreUnavailableError, match="Connection"):
        call(store)

    influx_gate.accept()
    call(store)


@each_call
def test_a_redirect_is_not_followed(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, call: Callable[[InfluxTelemetryStore], object]
) -> None:
    influx_gate.answer_with(307)

    with pytest.raises(StoreUnavailableError, match="answered 307"):
        call(store)

    assert len(influx_gate.requests) == 1


@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_a_bucket_that_is_not_there_is_no_empty_answer(
    influx_store_url: str, call: Callable[[InfluxTelemetryStore], object]
) -> None:
    """InfluxDB answers 200 and nothing at all, as CSV has no place for an error."""
    store = InfluxTelemetryStore(influx_store_url.replace("/bucket_", "/missing_"))

    with pytest.raises(StoreUnavailableError, match="bucket missing_"):
        call(store)

    store.close()


@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_an_answer_that_breaks_off_is_no_short_answer(
    store: InfluxTelemetryStore, influx_gate: InfluxGate, call: Callable[[InfluxTelemetryStore], object]
) -> None:
    influx_gate.answer_with(200, b"")

    with pytest.raises(StoreUnavailableError, match="bucket"):
        call(store)


def test_a_missing_bucket_on_write_tells_what_to_check(influx_store_url: str) -> None:
    store = InfluxTelemetryStore(influx_store_url.replace("/bucket_", "/missing_"))

    with pytest.raises(StoreUnavailableError, match=r"404.*not found.*bucket missing_"):
        store.write([DOOR])

    store.close()


def test_one_value_of_another_type_is_refused_by_the_server(
    store: InfluxTelemetryStore, influxd: Influxd, influx_store_url: str
) -> None:
    bucket = influx_store_url.rpartition("/")[2].partition("?")[0]
    influxd.write(bucket, f'door,lift=B-1 floor="ground" {T0_MS}000000'.encode())

    with pytest.raises(StoreRefusedError, match="floor"):
        store.write([DOOR])


def test_a_large_batch_goes_in_requests_of_at_most_5000_lines(
    store: InfluxTelemetryStore, influx_gate: InfluxGate
) -> None:
    states = [
        Message("A-1", Kind.STATE, T0_MS + number, T0_MS, State(at=T0_MS + number, seq=number, floor=number % 9))
        for number in range(12_001)
    ]

    store.write(states)

    assert [body.count(b"\n") + 1 for body in influx_gate.bodies] == [5_000, 5_000, 2_001]
    assert store.latest_states()["A-1"].state == State(floor=12_000 % 9)
    assert len(store.messages("A-1", Kind.STATE, SINCE, UNTIL, limit=20_000)) == 12_001


def test_every_request_carries_the_token_and_none_is_compressed(
    store: InfluxTelemetryStore, influx_gate: InfluxGate
) -> None:
    for call in CALLS.values():
        call(store)

    assert {headers["Authorization"] for headers in influx_gate.headers} == {f"Token {TOKEN}"}
    assert not any("Content-Encoding" in headers for headers in influx_gate.headers)


def test_the_token_is_in_no_text(store: InfluxTelemetryStore, influx_gate: InfluxGate) -> None:
    influx_gate.answer_with(401)
    with pytest.raises(StoreUnavailableError) as caught:
        store.write([DOOR])

    assert "secret" not in f"{store!r} {caught.value!r} {caught.value.__cause__!r} {influx_gate.requests}"


def test_one_connection_serves_all_writes(store: InfluxTelemetryStore, influx_gate: InfluxGate) -> None:
    for _ in range(3):
        store.write([DOOR])

    assert (len(influx_gate.requests), influx_gate.connections_opened) == (3, 1)


def test_a_store_that_hangs_is_given_up_sooner_when_written_to_than_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.telemetry_store_influx.WRITTEN_MS_MAX", 20)
    monkeypatch.setattr("ingest.telemetry_store_influx.ANSWER_MS_MAX", 40)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = InfluxTelemetryStore(f"influxdb+http://127.0.0.1:{silent.getsockname()[1]}/b?org=o")
        with pytest.raises(StoreUnavailableError, match=r"Read timed out. \(read timeout=0.02\)"):
            store.write([DOOR])
        with pytest.raises(StoreUnavailableError, match=r"Read timed out. \(read timeout=0.04\)"):
            store.latest_states()
        store.close()


@pytest.mark.parametrize("seen", ['code="overspeed"', 'received_ms=1i,late=f,code="overspeed"', "received_ms=1i"])
def test_a_point_that_is_seen_while_it_is_written_is_not_yet_there(
    store: InfluxTelemetryStore, influx_store_url: str, influxd: Influxd, seen: str
) -> None:
    bucket = influx_store_url.rpartition("/")[2].partition("?")[0]
    influxd.write(bucket, f"fault,lift=A-1 {seen} {T0_MS}000001".encode())

    assert store.faults(SINCE, UNTIL) == []
    assert store.messages("A-1", Kind.FAULT, SINCE, UNTIL) == []

    influxd.write(
        bucket, f'fault,lift=A-1 received_ms=1i,late=f,code="overspeed",phase="raised" {T0_MS}000001'.encode()
    )
    assert len(store.faults(SINCE, UNTIL)) == 1
