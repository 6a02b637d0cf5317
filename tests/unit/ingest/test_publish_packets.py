"""PUBLISH packets as paho reads them, whatever they hold and wherever a read of the socket cuts them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.broker import Delivery
from ingest.publish_packets import pubacks, read_publishes

PINGRESP = b"\xd0\x00"
PAHO = Client(CallbackAPIVersion.VERSION2)
words = st.text(alphabet="ab é", max_size=80)


def length_of(size: int) -> bytes:
    return bytes(PAHO._pack_remaining_length(bytearray(), size))


def publish(topic: bytes, payload: bytes, *, mid: int = 7, flags: int = 0x02, properties: bytes = b"") -> bytes:
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", mid) if flags & 0x06 else b"")
    body += properties + payload
    return bytes([0x30 | flags]) + length_of(len(body)) + body


def properties_of(user_properties: list[tuple[str, str]]) -> bytes:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for pair in user_properties:
        properties.UserProperty = pair
    return bytes(properties.pack())  # type: ignore[no-untyped-call]


def as_paho_reads(packet: bytes, protocol: MQTTProtocolVersion) -> Delivery:
    length_bytes = next(place for place in range(1, 5) if packet[place] < 128)
    read = decode_publish(packet[0], packet[1 + length_bytes :], protocol)
    topic = read.topic.decode("utf-8", "replace")
    return Delivery(3, read.mid, read.qos, topic, bytes(read.payload), 99, read.retain)


@st.composite
def packets(draw: st.DrawFn, protocol: MQTTProtocolVersion) -> bytes:
    pairs = st.lists(st.tuples(words, words), max_size=4)
    return publish(
        draw(st.binary(min_size=1, max_size=150)),
        draw(st.binary(max_size=300)),
        mid=draw(st.integers(1, 65_535)),
        flags=draw(st.sampled_from([0x00, 0x01, 0x02, 0x03, 0x0A, 0x0B])),
        properties=properties_of(draw(pairs)) if protocol == MQTTProtocolVersion.MQTTv5 else b"",
    )


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
@given(data=st.data())
def test_packets_read_in_bulk_are_what_paho_reads_one_by_one(
    protocol: MQTTProtocolVersion, data: st.DataObject
) -> None:
    sent = data.draw(st.lists(packets(protocol), max_size=8))
    read = read_publishes(b"".join(sent), 0, 3, 99, is_v5=protocol == MQTTProtocolVersion.MQTTv5)
    assert read.deliveries == [as_paho_reads(packet, protocol) for packet in sent]


@given(sent=st.lists(packets(MQTTProtocolVersion.MQTTv5), min_size=1, max_size=5), data=st.data())
def test_a_packet_that_is_cut_off_waits_for_its_rest(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent)
    cut = data.draw(st.integers(0, len(stream)))
    begun = read_publishes(stream[:cut], 0, 3, 99, is_v5=True)
    assert begun.next_end is not None
    assert cut < begun.next_end
    rest = read_publishes(stream[begun.end :], 0, 3, 99, is_v5=True)
    assert [*begun.deliveries, *rest.deliveries] == read_publishes(stream, 0, 3, 99, is_v5=True).deliveries
    assert begun.end + rest.end == len(stream)


@given(garbage=st.binary(max_size=200), is_v5=st.booleans())
def test_no_bytes_at_all_make_it_fail_or_read_beyond_them(garbage: bytes, *, is_v5: bool) -> None:
    read = read_publishes(garbage, 0, 3, 99, is_v5=is_v5)
    assert read.end <= len(garbage)
    assert read.next_end is None or read.next_end > read.end


@pytest.mark.parametrize("size", [0, 115, 116, 16_000, 16_372, 16_373, 300_000, 2_100_000])
def test_payloads_of_every_length_of_length_are_read(size: int) -> None:
    (delivery,) = read_publishes(publish(b"lifts/v1", bytes(size)), 0, 3, 99, is_v5=False).deliveries
    assert len(delivery.payload) == size


@pytest.mark.parametrize("other", [PINGRESP, publish(b"t", b"", flags=0x04), b"\x90\x03\x00\x01\x01"])
def test_any_other_packet_is_left_to_paho_with_its_bounds(other: bytes) -> None:
    ahead = publish(b"t", b"ahead")
    read = read_publishes(ahead + other + ahead, 0, 3, 99, is_v5=False)
    assert [delivery.payload for delivery in read.deliveries] == [b"ahead"]
    assert (read.end, read.next_end) == (len(ahead), len(ahead) + len(other))


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x32\x02\x00\x09",  # the topic is longer than the packet
        b"\x32\x05\x00\x01t\x00\x01",  # MQTT 5 without the length of its properties
        b"\x32\x06\x00\x01t\x00\x01\x7f",  # properties longer than the packet
        b"\x32\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\x00",
    ],
)
def test_what_came_before_a_malformed_packet_is_not_lost(malformed: bytes) -> None:
    ahead = publish(b"t", b"ahead", properties=b"\x00")
    read = read_publishes(ahead + malformed, 0, 3, 99, is_v5=True)
    assert [delivery.payload for delivery in read.deliveries] == [b"ahead"]
    assert read.next_end is None


def test_a_topic_that_is_no_text_is_delivered_with_marks_in_it() -> None:
    (delivery,) = read_publishes(publish(b"lifts/\xff", b""), 0, 3, 99, is_v5=False).deliveries
    assert delivery.topic == "lifts/\ufffd"


def test_acknowledgements_are_one_packet_each_in_order() -> None:
    assert pubacks([1, 65_535, 2]) == b"\x40\x02\x00\x01\x40\x02\xff\xff\x40\x02\x00\x02"
