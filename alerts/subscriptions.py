"""Subscriptions: who wants to be told of what, by which channel. Kept in SQL; secrets are given out once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from msgspec import Struct, structs
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import signing
from alerts.channels import WEBHOOK
from alerts.notification_tables import notification, subscription
from alerts.quiet_hours import QuietHours
from alerts.transactions import reading, writing

SUBSCRIPTIONS_MAX = 200
KEEP_SECRET_H_MAX = 7 * 24


log = structlog.get_logger()


class TooManyError(ValueError):
    """There are as many as there may be."""


class UnknownSubscriptionError(LookupError):
    """There is no such subscription, or no longer."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a person or program wants to be told, and how.

    `target` is a URL or an address. `topics` are such as `alert.raised`, `alert.*` or `*`; none: only what an
    escalation sends there. `priority_max` 2: priorities 1 and 2, and what has no priority. `sites` and `contractors`:
    of their lifts alone; empty: of all. `team`: escalations may name it.
    """

    channel: str
    name: str
    target: str
    team: str | None = None
    topics: list[str] = []
    priority_max: int | None = None
    sites: list[str] = []
    contractors: list[str] = []
    quiet: QuietHours | None = None
    enabled: bool = True

    def wants(self, topic: str, priority: int | None, site_id: str | None, contractor: str | None) -> bool:
        """Tell whether what happened is for this subscription."""
        group = topic.partition(".")[0]
        if not any(each in (topic, f"{group}.*", "*") for each in self.topics):
            return False
        if self.priority_max is not None and priority is not None and priority > self.priority_max:
            return False
        if self.sites and site_id not in self.sites:
            return False
        return not self.contractors or contractor in self.contractors


class Subscription(Struct, frozen=True, kw_only=True):
    """A subscription and how it stands.

    `disabled_reason`: why we disabled it ourselves. `failing_since`: nothing has got through since then; `waiting`:
    how many notifications wait for it.
    """

    id: int
    wanted: Wanted
    created_at: datetime
    disabled_reason: str | None
    failures: int
    failing_since: datetime | None
    gave_up_at: datetime | None
    waiting: int = 0


class SubscriptionBook:
    """Every subscription that was not removed."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def add(self, wanted: Wanted, now: datetime) -> tuple[Subscription, str | None]:
        """Write one down; return it and, for a webhook, the secret that signs what it gets.

        Raises:
            TooManyError: there are `SUBSCRIPTIONS_MAX` already.
        """
        secret = signing.new_secret() if wanted.channel == WEBHOOK else None
        row = {**_row_of(wanted), "secret": secret, "created_at": now, "failures": 0}
        with writing(self._engine) as connection:
            count = sa.select(sa.func.count()).where(subscription.c.removed_at.is_(None))
            if connection.execute(count).scalar_one() >= SUBSCRIPTIONS_MAX:
                message = f"there are {SUBSCRIPTIONS_MAX} subscriptions; remove one first"
                raise TooManyError(message)
            statement = sa.insert(subscription).values(row).returning(subscription.c.id)
            subscription_id = connection.execute(statement).scalar_one()
        return self.known(subscription_id), secret

    def change(self, subscription_id: int, wanted: Wanted) -> Subscription:
        """Take the place of what was wanted before. One that is enabled again is tried at once.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        fresh = {"disabled_reason": None, "resume_at": None, "gave_up_at": None} if wanted.enabled else {}
        self._update(subscription_id, {**_row_of(wanted), **fresh})
        return self.known(subscription_id)

    def rotate(self, subscription_id: int, keep: timedelta, now: datetime) -> str:
        """Return a new secret; the one before signs as well for `keep`, so that a receiver can change over in time.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        secret = signing.new_secret()
        previous = {"previous_secret": subscription.c.secret, "previous_secret_until": now + keep}
        self._update(subscription_id, {**previous, "secret": secret})
        return secret

    def remove(self, subscription_id: int, now: datetime) -> None:
        """Tell it nothing more; what still waits for it is cancelled, and stays in the log.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        erased = {"secret": None, "previous_secret": None, "enabled": False, "removed_at": now}
        self._update(subscription_id, erased)

    def known(self, subscription_id: int) -> Subscription:
        """Return one.

        Raises:
            UnknownSubscriptionError: there is none.
        """
        found = self._read(_present().where(subscription.c.id == subscription_id))
        if not found:
            raise _unknown(subscription_id)
        return found[0]

    def all(self, channels: Sequence[str], *, after_id: int = 0, limit: int = SUBSCRIPTIONS_MAX) -> list[Subscription]:
        """Return at most `limit` of these channels above `after_id`, in the order in which they were made."""
        query = _present().where(subscription.c.channel.in_(channels), subscription.c.id > after_id)
        return self._read(query.order_by(subscription.c.id).limit(limit))

    def _read(self, query: sa.Select[Any]) -> list[Subscription]:
        waiting = (
            sa.select(notification.c.subscription_id, sa.func.count())
            .where(notification.c.state == "waiting")
            .group_by(notification.c.subscription_id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
            counts = {row[0]: row[1] for row in connection.execute(waiting)}
        return [structs.replace(subscription_of(row), waiting=counts.get(row["id"], 0)) for row in rows]

    def _update(self, subscription_id: int, values: dict[str, Any]) -> None:
        own = (subscription.c.id == subscription_id) & subscription.c.removed_at.is_(None)
        with writing(self._engine) as connection:
            if connection.execute(sa.update(subscription).where(own).values(values)).rowcount == 0:
                raise _unknown(subscription_id)
            if "removed_at" in values:
                _cancel_waiting(connection, subscription_id)


def subscription_of(row: RowMapping) -> Subscription:
    """Return the subscription that a row of its table holds."""
    quiet = _quiet_of(row) if row["quiet_from"] else None
    plain = {name: row[name] for name in Wanted.__struct_fields__ if name != "quiet"}
    stands = {
        name: row[name] for name in ("id", "created_at", "disabled_reason", "failures", "failing_since", "gave_up_at")
    }
    return Subscription(wanted=Wanted(**plain, quiet=quiet), **stands)


def _quiet_of(row: RowMapping) -> QuietHours | None:
    """Return its quiet hours; none where this machine does not know their time zone: told at night, but told."""
    try:
        return QuietHours(row["quiet_from"], row["quiet_to"], row["time_zone"])
    except ValueError:
        log.warning("quiet-hours-not-kept", subscription_id=row["id"], time_zone=row["time_zone"])
        return None


def failing_code(subscription_id: int) -> str:
    """Return by which code the alert is known that says that nothing gets through to a subscription."""
    return f"subscription-{subscription_id}"


def secrets_of(row: RowMapping, now: datetime) -> tuple[str, ...]:
    """Return what signs at `now`, newest first."""
    until = row["previous_secret_until"]
    previous = row["previous_secret"] if until is not None and now < until else None
    return tuple(secret for secret in (row["secret"], previous) if secret)


def _present() -> sa.Select[Any]:
    return sa.select(subscription).where(subscription.c.removed_at.is_(None))


def _row_of(wanted: Wanted) -> dict[str, Any]:
    row = structs.asdict(wanted)
    quiet = row.pop("quiet")
    row |= {"quiet_from": quiet and quiet.begins, "quiet_to": quiet and quiet.ends}
    return {**row, "time_zone": quiet and quiet.time_zone}


def _cancel_waiting(connection: Connection, subscription_id: int) -> None:
    own = (notification.c.subscription_id == subscription_id) & (notification.c.state == "waiting")
    why = "the subscription was removed"
    connection.execute(sa.update(notification).where(own).values(state="cancelled", next_at=None, last_error=why))


def _unknown(subscription_id: int) -> UnknownSubscriptionError:
    message = f"There is no subscription {subscription_id}."
    return UnknownSubscriptionError(message)
