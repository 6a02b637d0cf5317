"""What the API needs of notifications: subscriptions, the log, and a message to try a subscription with."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.chains import ChainBook
from alerts.escalation import Escalation, escalations
from alerts.notifications import Notification, NotificationLog, notify
from alerts.subscriptions import SubscriptionBook

TEST_TOPIC = "notification.test"


class Notifying:
    """The subscriptions of a service, which channels it has, and what became of its notifications."""

    def __init__(self, engine: Engine, channels: frozenset[str], *, allows_private: bool = False) -> None:
        """Use a migrated database; `channels` are those that the service is set up for."""
        self._engine = engine
        self.channels = channels
        self.allows_private = allows_private
        self.subscriptions = SubscriptionBook(engine)
        self.chains = ChainBook(engine)
        self.log = NotificationLog(engine)

    def escalations(self, *, limit: int, before_id: int | None = None, **equal: int | None) -> list[Escalation]:
        """Return how far chains have come for alerts, newest first; see `alerts.escalation.escalations`."""
        return escalations(self._engine, limit=limit, before_id=before_id, **equal)

    def test(self, subscription_id: int, by: str, now: datetime) -> Notification:
        """Tell one subscription that this is a test, whatever it asked for.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        known = self.subscriptions.known(subscription_id)
        body = {"by": by, "text": "This is a test of Liftwatch's notifications; nothing has happened."}
        row = {"topic": TEST_TOPIC, "at": now, "lift_id": "$service", "body": body, "fanned_at": now}
        with self._engine.begin() as connection:
            statement = sa.insert(tables.outbox).values(row).returning(tables.outbox.c.id)
            notify(connection, connection.execute(statement).scalar_one(), known.id, now)
        return self.log.page(limit=1, subscription_id=known.id)[0]
