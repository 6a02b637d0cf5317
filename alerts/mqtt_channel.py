"""Notifications over the broker: `liftwatch/v1/alerts/<lift_id>/<what>`, `liftwatch/v1/work-orders/...`, QoS 1."""

from datetime import datetime

import msgspec

from alerts.channels import Outcome, Outgoing, words_for
from ingest.broker_publisher import Publisher, PublishError

TOPIC_ROOT = "liftwatch/v1"
_GROUPS = {"alert": "alerts", "work-order": "work-orders"}


class MqttChannel:
    """Publishes; every subscriber of the broker that may read the topic is told."""

    def __init__(self, publisher: Publisher) -> None:
        """Speak through `publisher`."""
        self._publisher = publisher

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:  # noqa: ARG002 - the port's signature
        """See `Channel.send`."""
        told = {"id": outgoing.message_id, "type": outgoing.topic, "timestamp": outgoing.happened_at}
        try:
            self._publisher.publish(topic_of(outgoing), msgspec.json.encode({**told, "data": outgoing.data}))
        except PublishError as error:
            return Outcome(error=str(error) or words_for(error))
        return Outcome()


def topic_of(outgoing: Outgoing) -> str:
    """Return where it is published."""
    group, _, what = outgoing.topic.partition(".")
    return f"{TOPIC_ROOT}/{_GROUPS.get(group, group)}/{outgoing.lift_id}/{what}"
