"""What the API needs of notifications: subscriptions, the log, and a message to try a subscription with."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from alerts import tables
from alerts.alert import LIFTWATCH, SERVICE, AlertChange, AlertKind
from alerts.alert_entries import change_alert, lock_open_alert
from alerts.chains import ChainBook
from alerts.escalation import Escalation, escalations
from alerts.notifications import Notification, NotificationLog, notify
from alerts.subscriptions import Subscription, SubscriptionBook, Wanted, failing_code
from alerts.transactions import joining, writing

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

    def change(self, subscription_id: int, wanted: Wanted, now: datetime) -> Subscription:
        """Take the place of what was wanted before; one that is switched off fails no longer.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        with writing(self._engine) as connection, joining(connection):
            after = self.subscriptions.change(subscription_id, wanted)
            if not wanted.enabled:
                _end_alert(connection, subscription_id, now, "its subscription was switched off")
            return after

    def remove(self, subscription_id: int, now: datetime) -> None:
        """Tell a subscription nothing more; the alert that nothing gets through to it is over with it.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        with writing(self._engine) as connection, joining(connection):
            self.subscriptions.remove(subscription_id, now)
            _end_alert(connection, subscription_id, now, "its subscription was removed")

    def test(self, subscription_id: int, by: str, now: datetime) -> Notification:
        """Tell one subscription that this is a test, whatever it asked for.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        known = self.subscriptions.known(subscription_id)
        body = {"by": by, "text": "This is a test of Liftwatch's notifications; nothing has happened."}
        row = {"topic": TEST_TOPIC, "at": now, "lift_id": "$service", "body": body, "fanned_at": now}
        with writing(self._engine) as connection:
            statement = sa.insert(tables.outbox).values(row).returning(tables.outbox.c.id)
            notify(connection, connection.execute(statement).scalar_one(), known.id, now)
        return self.log.page(limit=1, subscription_id=known.id)[0]


def _end_alert(connection: Connection, subscription_id: int, now: datetime, note: str) -> None:
    alert = lock_open_alert(connection, SERVICE, AlertKind.NOTIFICATION_FAILING, failing_code(subscription_id))
    if alert is not None:
        change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, note)
