"""What silence means: of one lift, of all behind one gateway, of the whole fleet. One cause, one alert.

Which lifts are silent is the watchdog's; here it is decided what an operator is told. Lifts that fall silent together
with their gateway, or with most of the fleet, are held: they get a time anew when that is over, so that each of them
that does not come back is called then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import GATEWAY, LIFTWATCH, SERVICE, Alert, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert
from alerts.journal import Contact, Journal, alert_of, chunks
from alerts.lock_order import go_alone
from alerts.ringing import ring
from alerts.rules import RuleBook
from alerts.suppression import inhibit
from alerts.watchdog import Lost, Watchdog
from ingest.fleet_register import FleetRegister

# No process and no gateway can have this name.
FLEET = "$fleet"
# Called silent in one transaction: some 0.2 s, in which an alarm waits.
LIFTS_AT_ONCE = 50
GATEWAY_LIFTS_MIN = 2
GATEWAY_SHARE = 0.75
FLEET_LIFTS_MIN = 20
FLEET_SHARE = 0.5
# What has been silent for longer says nothing of now.
GONE_AFTER = timedelta(days=1)
# What follows from a lost gateway hangs below its alert, also what was raised before that was known.
CONSEQUENCES = (AlertKind.NO_CONTACT.value, AlertKind.ALARM_EQUIPMENT_SILENT.value)
# How often the register is asked which lifts may be silent for less than the others.
EXPECT_EVERY = timedelta(minutes=1)


class SilenceSettings(Struct, frozen=True, kw_only=True):
    """`grace_s`: we hear the broker for so long before anybody is called silent.

    `reconnect_s`: lifts have so long to come back, after the broker was away, or their gateway, or we ourselves.
    """

    grace_s: float = 60
    reconnect_s: float = 600


class Group(Struct, frozen=True):
    """Lifts that speak by one way: how many there are, how many of them are quiet, and how many by a last will."""

    lift_ids: frozenset[str]
    quiet: frozenset[str]
    by_will: int

    def is_lost(self, lifts_min: int, share: float) -> bool:
        """Tell whether so many of them are quiet that it is their way to us."""
        return len(self.lift_ids) >= lifts_min and len(self.quiet) >= share * len(self.lift_ids)

    @property
    def is_back(self) -> bool:
        """Tell whether more than half of them speak again."""
        return len(self.quiet) * 2 < len(self.lift_ids)


def group_of(contacts: Sequence[Contact], now: datetime, quiet_after: Mapping[str, timedelta]) -> Group:
    """Return how the lifts of `contacts` stand as of `now`; who has been silent for a day is left out.

    Quiet is who was called silent, whose connection is lost, or who has said nothing for `quiet_after`.
    """
    known = [each for each in contacts if each.due_at is not None or now - each.last_message_at < GONE_AFTER]
    quiet = {
        each.lift_id
        for each in known
        if each.due_at is None or not each.connected or now - each.last_message_at >= quiet_after[each.lift_id]
    }
    by_will = sum(not each.connected for each in known)
    return Group(frozenset(each.lift_id for each in known), frozenset(quiet), by_will)


class Silence:
    """Raises what silence means, and clears it for gateways and fleet; a lift that speaks is the desk's."""

    def __init__(
        self,
        journal: Journal,
        register: FleetRegister,
        rules: RuleBook,
        watchdog: Watchdog,
        settings: SilenceSettings | None = None,
    ) -> None:
        """Read the gateways from `register`, claim through `watchdog`."""
        self._journal = journal
        self._register = register
        self._rules = rules
        self._watchdog = watchdog
        self._settings = settings or SilenceSettings()
        self._expected_at: datetime | None = None

    def wants_register(self, now: datetime) -> bool:
        """Tell whether the register is to be asked again which lifts may be silent for how long."""
        return self._expected_at is None or now - self._expected_at >= EXPECT_EVERY

    def watch(self, now: datetime, receiving_since: datetime | None) -> int:
        """Tell of every lift whose time has passed; return how many alerts were raised.

        Nobody is called silent while we do not hear the broker, nor before lifts had the time to be heard again.
        """
        if receiving_since is None or now - receiving_since < timedelta(seconds=self._settings.grace_s):
            return 0
        if self.wants_register(now):
            self._watchdog.expect(self._register.silences())
            self._expected_at = now
        self._end_groups(now)
        if not self._journal.is_contact_due(now):
            return 0
        settled_at = receiving_since + timedelta(seconds=self._settings.reconnect_s)
        wills_from = None if now >= settled_at else receiving_since + timedelta(seconds=self._settings.grace_s)
        return self._claim(now, wills_from)

    def _claim(self, now: datetime, wills_from: datetime | None) -> int:
        """Take every lift whose time has passed, in short transactions: alarms do not wait until all were told of."""
        with self._journal.reading() as connection:
            late = self._watchdog.late(connection, now, wills_from)
            contacts = _contacts(connection)
        # As they stand once they are claimed.
        contacts |= {lift_id: structs.replace(contacts[lift_id], due_at=None) for lift_id in late}
        fleet = self._group(list(contacts.values()), now)
        if fleet.is_lost(FLEET_LIFTS_MIN, FLEET_SHARE):
            with self._journal.writing() as connection:
                claimed = self._watchdog.claim(connection, now, late)
                return self._raise_fleet(connection, fleet, now) if claimed else 0
        raised, gateway_of, lost_gateways = 0, self._register.gateways(), dict[str, bool]()
        for start in range(0, len(late), LIFTS_AT_ONCE):
            some = late[start : start + LIFTS_AT_ONCE]
            with self._journal.writing() as connection:
                if any(lift_id in gateway_of for lift_id in some):
                    go_alone(connection)
                claimed = self._watchdog.claim(connection, now, some)
                raised += self._tell(connection, claimed, contacts, gateway_of, lost_gateways, now)
        return raised

    def _tell(
        self,
        connection: Connection,
        claimed: Sequence[Lost],
        contacts: Mapping[str, Contact],
        gateway_of: Mapping[str, str],
        lost_gateways: dict[str, bool],
        now: datetime,
    ) -> int:
        raised = 0
        for lost in claimed:
            gateway_id = gateway_of.get(lost.lift_id)
            if gateway_id is not None and gateway_id not in lost_gateways:
                members = [contacts[each] for each, of in gateway_of.items() if of == gateway_id and each in contacts]
                group = self._group(members, now)
                lost_gateways[gateway_id] = group.is_lost(GATEWAY_LIFTS_MIN, GATEWAY_SHARE)
                if lost_gateways[gateway_id]:
                    raised += self._raise_gateway(connection, gateway_id, group, now)
            if gateway_id is None or not lost_gateways[gateway_id]:
                raised += ring(connection, self._no_contact(lost, now)) is not None
        return raised

    def _group(self, contacts: Sequence[Contact], now: datetime) -> Group:
        half = {each.lift_id: self._watchdog.silence_of(each.lift_id) / 2 for each in contacts}
        return group_of(contacts, now, half)

    def _raise_fleet(self, connection: Connection, fleet: Group, now: datetime) -> int:
        is_cut = fleet.by_will >= FLEET_SHARE * len(fleet.lift_ids)
        kind = AlertKind.BROKER_AWAY if is_cut else AlertKind.FLEET_SILENT
        what = "have lost their connection" if is_cut else "are silent"
        reason = f"{len(fleet.quiet):,} of {len(fleet.lift_ids):,} lifts {what}"
        return self._ring(connection, SERVICE, kind, FLEET, reason, now)

    def _raise_gateway(self, connection: Connection, gateway_id: str, group: Group, now: datetime) -> int:
        reason = f"{gateway_id}: {len(group.quiet)} of its {len(group.lift_ids)} lifts are silent"
        raised = self._ring(connection, GATEWAY, AlertKind.GATEWAY_LOST, gateway_id, reason, now)
        alert = lock_open_alert(connection, GATEWAY, AlertKind.GATEWAY_LOST, gateway_id)
        if alert is not None:
            inhibit(connection, alert.id, sorted(group.lift_ids), CONSEQUENCES, now, since=now - self._watchdog.silence)
        return raised

    def _ring(
        self, connection: Connection, lift_id: str, kind: AlertKind, code: str, reason: str, now: datetime
    ) -> int:
        rule = self._rules.rule(kind)
        new = NewAlert(
            lift_id=lift_id,
            kind=kind.value,
            code=code,
            raised_at=now,
            received_at=now,
            message=rule.words(lift_id=lift_id, reason=reason),
            evidence=[{"reason": reason}],
            rule=rule,
        )
        return ring(connection, new) is not None

    def _no_contact(self, lost: Lost, now: datetime) -> NewAlert:
        rule, reason = self._rules.rule(AlertKind.NO_CONTACT), self._watchdog.reason(lost)
        evidence = {"last_message_at": lost.last_message_at.isoformat(), "connected": lost.connected, "reason": reason}
        return NewAlert(
            lift_id=lost.lift_id,
            kind=AlertKind.NO_CONTACT.value,
            code=None,
            raised_at=now,
            received_at=now,
            message=rule.words(lift_id=lost.lift_id, reason=reason),
            evidence=[evidence],
            rule=rule,
        )

    def _end_groups(self, now: datetime) -> None:
        """Clear what is over of gateways and fleet; lifts that are still silent get a time anew."""
        standing = self._standing()
        if not standing:
            return
        contacts = self._journal.contacts()
        gateway_of = self._register.gateways()
        for alert in standing:
            members = [
                contact
                for lift_id, contact in contacts.items()
                if alert.code == FLEET or gateway_of.get(lift_id) == alert.code
            ]
            if self._group(members, now).is_back:
                with self._journal.writing() as connection:
                    self._end_group(connection, alert, [contact.lift_id for contact in members], now)

    def _standing(self) -> list[Alert]:
        """Return the open alerts about gateways and the fleet; a process that hears no broker has its own name."""
        alert = tables.alert
        query = sa.select(alert).where(alert.c.open_key.is_not(None), alert.c.lift_id.in_((GATEWAY, SERVICE)))
        query = query.where(sa.or_(alert.c.kind == AlertKind.GATEWAY_LOST.value, alert.c.code == FLEET))
        with self._journal.reading() as connection:
            return [alert_of(row) for row in connection.execute(query.order_by(alert.c.id)).mappings()]

    def _end_group(self, connection: Connection, alert: Alert, lift_ids: list[str], now: datetime) -> None:
        known = lock_open_alert(connection, alert.lift_id, alert.kind, alert.code)
        if known is None:
            return
        change_alert(connection, known, AlertChange.CLEAR, now, LIFTWATCH, "most of its lifts speak again")
        due_at = now + timedelta(seconds=self._settings.reconnect_s)
        contact, other = tables.contact, tables.alert
        called = sa.select(other.c.lift_id).where(
            other.c.kind == AlertKind.NO_CONTACT.value, other.c.open_key.is_not(None)
        )
        for chunk in chunks(sorted(lift_ids)):
            held = contact.c.lift_id.in_(chunk) & contact.c.due_at.is_(None) & contact.c.lift_id.not_in(called)
            recent = contact.c.last_message_at > now - GONE_AFTER
            connection.execute(sa.update(contact).where(held & recent).values(due_at=due_at))


def _contacts(connection: Connection) -> dict[str, Contact]:
    rows = connection.execute(sa.select(tables.contact))
    return {row.lift_id: Contact(row.lift_id, row.last_message_at, row.connected, row.due_at) for row in rows}
