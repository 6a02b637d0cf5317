from random import Random

import pytest

from ingest.messages import Kind
from ingest.wire import BrokerAddress, decode, parse_broker_url
from simulator.publisher import (
    LAST_WILL,
    RETRY_S_MAX,
    RETRY_S_MIN,
    backoff_s,
    new_client,
)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://127.0.0.1:1883", BrokerAddress(host="127.0.0.1", port=1883)),
        ("mqtt://broker", BrokerAddress(host="broker", port=1883)),
        ("mqtts://broker", BrokerAddress(host="broker", port=8883, tls=True)),
        (
            "mqtts://lifts:p%40ss@broker:18883",
            BrokerAddress(host="broker", port=18883, tls=True, username="lifts", password="p@ss"),
        ),
        ("mqtt://[::1]:1883", BrokerAddress(host="::1", port=1883)),
    ],
)
def test_a_broker_is_named_by_its_url(url: str, address: BrokerAddress) -> None:
    assert parse_broker_url(url) == address


@pytest.mark.parametrize(
    "url", ["", "broker:1883", "http://broker", "mqtt://", "mqtt://broker:99999", "mqtt://broker:x"]
)
def test_a_url_that_names_no_broker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt|[Pp]ort"):
        parse_broker_url(url)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(parse_broker_url("mqtt://lifts:secret@broker"))


def test_the_last_will_is_that_of_the_contract() -> None:
    assert LAST_WILL == b'{"connected":false}'
    assert decode(Kind.STATE, LAST_WILL).refusals == []
    client = new_client(BrokerAddress(host="broker", port=1883), "L0001", None)
    assert client.will_topic == "lifts/v1/L0001/state"
    assert client.will_payload == LAST_WILL


def test_waiting_grows_with_each_failure_up_to_a_bound() -> None:
    random = Random(1)
    first = [backoff_s(0, random) for _ in range(100)]
    assert all(0.5 * RETRY_S_MIN <= wait_s <= 1.5 * RETRY_S_MIN for wait_s in first)
    assert len(set(first)) == 100
    last = [backoff_s(failures, random) for failures in (10, 1_000, 1_000_000)]
    assert all(0.5 * RETRY_S_MAX <= wait_s <= 1.5 * RETRY_S_MAX for wait_s in last)
