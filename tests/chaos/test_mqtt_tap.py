"""The tap knows what was delivered and what was acknowledged, however the bytes are cut."""

import pytest

from tests.chaos.mqtt_tap import MqttTap

TOPIC = b"lifts/v1/L1/door"
MESSAGE = (TOPIC.decode(), b"x" * 200)


def packet(first: int, body: bytes) -> bytes:
    length, octets = len(body), bytearray()
    while True:
        octets.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([first, *octets]) + body


def connect(level: int) -> bytes:
    return packet(0x10, b"\x00\x04MQTT" + bytes([level]) + b"\x02\x00\x0a\x00\x00")


def publish(mid: int, properties: bytes | None = None, first: int = 0x32) -> bytes:
    topic = len(TOPIC).to_bytes(2, "big") + TOPIC
    more = b"" if properties is None else bytes([len(properties)]) + properties
    return packet(first, topic + mid.to_bytes(2, "big") + more + MESSAGE[1])


def puback(mid: int) -> bytes:
    return packet(0x40, mid.to_bytes(2, "big"))


@pytest.mark.parametrize(("level", "properties"), [(4, None), (5, b""), (5, b"\x02\x00\x00\x00\x09")])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_message_is_delivered_and_then_acknowledged(level: int, properties: bytes | None, size: int) -> None:
    tap = MqttTap()
    tap(1, True, connect(level))
    said = publish(3, properties) + publish(4, properties)
    for start in range(0, len(said), size):
        tap(1, False, said[start : start + size])
    assert (tap.delivered, tap.outstanding(), tap.offered) == (2, 2, {MESSAGE})
    tap(1, True, puback(3))
    assert tap.outstanding() == 1
    assert tap.acknowledged == {MESSAGE: 1}


def test_an_acknowledgement_on_another_connection_lets_go_of_nothing() -> None:
    tap = MqttTap()
    tap(1, True, connect(4))
    tap(2, True, connect(4))
    tap(1, False, publish(3))
    tap(2, True, puback(3))
    assert tap.outstanding() == 1
    assert tap.acknowledged == {}


def test_what_a_closed_connection_did_not_acknowledge_is_no_longer_waited_for() -> None:
    tap = MqttTap()
    tap(1, True, connect(4))
    tap(1, False, publish(3) + publish(4)[:10])
    tap(1, False, b"")
    assert tap.outstanding() == 0
    assert tap.acknowledged == {}


def test_a_message_without_acknowledgement_is_not_waited_for() -> None:
    tap = MqttTap()
    tap(1, True, connect(4))
    tap(1, False, publish(3, first=0x30))
    assert (tap.delivered, tap.outstanding()) == (0, 0)


def test_it_is_known_when_a_subscription_was_confirmed() -> None:
    tap = MqttTap()
    tap(1, True, connect(4))
    assert tap.subscribed_s == []
    tap(1, False, packet(0x90, b"\x00\x01\x01"))
    assert len(tap.subscribed_s) == 1
