"""Every way to speak over the broker: what is acknowledged has arrived, and a broker that is away is an error."""

from collections.abc import Callable, Iterator

import pytest

from ingest.broker_publisher import MemoryPublisher, Publisher, PublishError
from ingest.broker_publisher_paho import PahoPublisher
from ingest.wire import parse_broker_url
from tests.mqtt_listener import MqttListener
from tests.servers import Mosquitto

Heard = Callable[[], list[tuple[str, bytes]]]


class Speaking:
    """A publisher, what arrives, and how to take its broker away and back."""

    def __init__(self, publisher: Publisher, heard: Heard, away: Callable[[], None], back: Callable[[], None]) -> None:
        self.publisher, self.heard, self.away, self.back = publisher, heard, away, back


@pytest.fixture(params=["memory", "mosquitto"])
def speaking(request: pytest.FixtureRequest) -> Iterator[Speaking]:
    if request.param == "memory":
        memory = MemoryPublisher()

        def set_away(*, is_away: bool) -> None:
            memory.is_away = is_away

        yield Speaking(
            memory, lambda: memory.published, lambda: set_away(is_away=True), lambda: set_away(is_away=False)
        )
        return
    mosquitto: Mosquitto = request.getfixturevalue("mosquitto")
    publisher = PahoPublisher(parse_broker_url(mosquitto.url), "liftwatch-speaks", acknowledge_s_max=2)
    listener = MqttListener(mosquitto, "liftwatch/#")
    yield Speaking(publisher, listener.heard, mosquitto.stop, mosquitto.start)
    publisher.stop()
    listener.close()


def test_what_is_published_arrives_in_order(speaking: Speaking) -> None:
    sent = [(f"liftwatch/v1/alerts/A{number}/raised", b"%d" % number) for number in range(20)]
    for topic, content in sent:
        speaking.publisher.publish(topic, content)
    assert speaking.heard() == sent


def test_a_broker_that_is_away_is_an_error_and_works_again_when_it_is_back(speaking: Speaking) -> None:
    speaking.publisher.publish("liftwatch/v1/alerts/A1/raised", b"1")
    speaking.away()
    with pytest.raises(PublishError):
        speaking.publisher.publish("liftwatch/v1/alerts/A1/raised", b"2")
    speaking.back()
    speaking.publisher.publish("liftwatch/v1/alerts/A1/raised", b"3")
    assert [content for _, content in speaking.heard()] == [b"1", b"3"]


def test_one_that_was_stopped_speaks_again_when_it_is_asked_to(speaking: Speaking) -> None:
    speaking.publisher.publish("liftwatch/v1/alerts/A1/raised", b"1")
    speaking.publisher.stop()
    speaking.publisher.publish("liftwatch/v1/alerts/A1/raised", b"2")
    assert [content for _, content in speaking.heard()] == [b"1", b"2"]
