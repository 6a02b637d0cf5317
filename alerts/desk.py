"""The desk: who must know what, once, until it is over; and who must do what.

Three things reach it: messages as they come in, before any store has seen them; the findings of an assessment; and what
people do. Each call is one transaction of its own journal, so that a call that is repeated after a failure, or made by
two processes at once, ends in the same alerts and orders.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import alert_entries, conditions, settling
from alerts.alarm_equipment import AlarmEquipment, EquipmentSettings
from alerts.alert import LIFTWATCH, SERVICE, Alert, AlertChange, IllegalTransitionError
from alerts.alert_entries import require_alert
from alerts.cases import Cases, CaseSettings
from alerts.conditions import STATE_KEYS
from alerts.due_now import due_now
from alerts.finding_alerts import apply_findings
from alerts.journal import OPEN, Journal
from alerts.lift_modes import LiftModes
from alerts.lock_order import go_alone, go_in_order
from alerts.order_clocks import watch_clocks
from alerts.order_desk import OrderDesk, Step
from alerts.order_sheet import WorkSheet
from alerts.power_cuts import POWER
from alerts.rules import RuleBook
from alerts.service_alerts import Conditions, apply_conditions, differ
from alerts.silence import Silence, SilenceSettings
from alerts.stranger_alerts import end_registered, take_calls
from alerts.taking import take
from alerts.unobserved import by_lift, tell_unobserved
from alerts.upkeep import Upkeep, run_each
from alerts.watchdog import Heard, Watchdog
from alerts.work_orders import WorkOrder
from analytics.findings import Finding
from ingest.clock import from_ms
from ingest.database import DATABASE_AWAY
from ingest.fleet_register import FleetRegister
from ingest.messages import Fault, Kind, Message
from ingest.strangers import StrangerCall

_FAULT, _ALARM, _STATE = Kind.FAULT, Kind.ALARM, Kind.STATE
# Processes times conditions; more are not read, and then written about without need.
SERVICE_ALERTS_MAX = 500
# Parts of the watch that know by themselves when there is something to do.
_ALWAYS = frozenset({"upkeep", "equipment"})

log = structlog.get_logger()


class DeskSettings(Struct, frozen=True, kw_only=True):
    """When a lift is called silent.

    `silence_s_max` without any message; `disconnect_grace_s` after the last will of its connection, because
    controllers start again; `reconnect_s` is how long lifts have to come back after the broker, their gateway or we
    ourselves were away; `contact_write_s` is how exact the stored instant of the last message is.
    """

    silence_s_max: float = 6 * 3600
    disconnect_grace_s: float = 60
    contact_write_s: float = 5
    reconnect_s: float = 600
    cases: CaseSettings = CaseSettings()
    equipment: EquipmentSettings = EquipmentSettings()


def _in_order(message: Message) -> tuple[str, bool, bool, str]:
    is_state, is_alarm = message.kind is Kind.STATE, message.kind is Kind.ALARM
    return message.lift_id, not is_state, is_alarm, conditions.key_of(message) or ""


def _may_cut_power(message: Message) -> bool:
    """Tell whether a message may raise an alert that silences those of other lifts of its site."""
    body = message.body
    return isinstance(body, Fault) and body.code == POWER and body.phase == "raised"


def _by_lift(messages: Sequence[Message]) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message.lift_id, []).append(message)
    return found


class Desk:
    """Raises and clears alerts, opens work orders, and takes what people do with both."""

    def __init__(
        self, journal: Journal, register: FleetRegister, rules: RuleBook, settings: DeskSettings | None = None
    ) -> None:
        """Write into `journal`; the register stands in the same database, and visits that end an order go into it."""
        self._journal = journal
        self._register = register
        self._rules = rules
        self._settings = settings or DeskSettings()
        self._watchdog = Watchdog(
            silence_s_max=self._settings.silence_s_max,
            disconnect_grace_s=self._settings.disconnect_grace_s,
            contact_write_s=self._settings.contact_write_s,
        )
        self._cases = Cases(journal, rules, self._settings.cases)
        self._equipment = AlarmEquipment(journal, rules, self._settings.equipment)
        times = SilenceSettings(grace_s=self._settings.disconnect_grace_s, reconnect_s=self._settings.reconnect_s)
        self._silence = Silence(journal, register, rules, self._watchdog, times)
        self.orders = OrderDesk(journal, followers=[self._cases.follow_order])
        self.sheets = WorkSheet(journal)
        self._modes = LiftModes(lambda: journal.standing(STATE_KEYS))
        self._upkeep = Upkeep(journal, register, rules)

    def observe(self, messages: Sequence[Message]) -> None:
        """Take a batch of messages, durable on return; the same batch again changes nothing.

        Late messages ring nothing. Nothing is written where nothing in the batch matters. Where a mistake of ours keeps
        a batch from being judged it is judged lift by lift, and whom it is about rings.
        """
        try:
            self._observe(messages)
        except DATABASE_AWAY:
            raise
        except Exception:
            log.exception("batch-not-observed", messages=len(messages))
            for of_lift in by_lift(messages):
                self._observe_lift(of_lift)

    def _observe_lift(self, messages: Sequence[Message]) -> None:
        try:
            self._observe(messages)
        except DATABASE_AWAY:
            raise
        except Exception as error:
            log.exception("lift-not-observed", lift_id=messages[0].lift_id)
            with self._journal.writing(for_alarms=True) as connection:
                tell_unobserved(connection, self._rules, messages, error)

    def _observe(self, messages: Sequence[Message]) -> None:
        # One look at what nearly all messages are, readings that no alarm follows from; the rest is looked at closely.
        telling = [
            message
            for message in messages
            if (kind := message.kind) is _FAULT or kind is _ALARM or kind is _STATE  # faster than a set of an enum
        ]
        said = [message for message in telling if message.kind is not _STATE and conditions.key_of(message) is not None]
        states = self._modes.news(telling)
        said += states
        news = self._watchdog.news(messages)
        about_cases = self._cases.news(telling)
        about_equipment = self._equipment.news(telling)
        if not (said or news or about_cases or about_equipment):
            return
        with self._journal.writing(for_alarms=True) as connection:
            (go_alone if any(map(_may_cut_power, said)) else go_in_order)(connection)
            self._take_lifts(connection, said, about_cases, about_equipment)
            self._write_contacts(connection, news)
        self._watchdog.remember(news)
        self._cases.remember(about_cases)
        self._equipment.remember(about_equipment)
        self._modes.remember(states)

    def _take_lifts(
        self,
        connection: Connection,
        said: Sequence[Message],
        about_cases: Sequence[Message],
        about_equipment: Sequence[Message],
    ) -> None:
        """Take what was said lift by lift, in one order over all processes; as it came within one condition.

        States first: a fault that comes together with the inspection mode is that of somebody at work. Alarms last: a
        press that comes together with a stop says at once that people may be trapped.
        """
        of_lifts = [_by_lift(messages) for messages in (sorted(said, key=_in_order), about_cases, about_equipment)]
        for lift_id in sorted({lift_id for of_lift in of_lifts for lift_id in of_lift}):
            told, of_case, of_equipment = (of_lift.get(lift_id, []) for of_lift in of_lifts)
            self._cases.stand(connection, of_case)
            for message in told:
                take(connection, self._rules, message)
            self._cases.follow(connection, of_case)
            self._equipment.take(connection, of_equipment)

    def hear_strangers(self, calls: Sequence[StrangerCall]) -> None:
        """Raise an alert for each lift that calls for help though nobody has registered it; again changes little."""
        with self._journal.writing(for_alarms=True) as connection:
            take_calls(connection, self._rules, calls)

    def apply(self, findings: Sequence[Finding], as_of: datetime) -> None:
        """Make the alerts of findings what an assessment of the whole fleet as of `as_of` says.

        New ones are raised, those that are gone are cleared. An assessment older than the newest one that was applied
        changes nothing: another process was quicker.
        """
        apply_findings(self._journal, self._rules, findings, as_of)

    def watch(self, now: datetime, receiving_since: datetime | None) -> int:
        """See to everything that is due by now; return how many alerts silence has raised.

        `receiving_since` is since when we hear the broker, None where we do not: then, and until a lift had the time
        to be heard, nobody is called silent. A mistake in one part holds no other up, and is raised at the end.
        """
        with self._journal.reading() as connection:
            due = due_now(connection, now)
        called = 0

        def silence() -> None:
            nonlocal called
            called = self._silence.watch(now, receiving_since)

        parts: dict[str, Callable[[], object]] = {
            "cases": lambda: self._cases.watch(now),
            "clocks": lambda: watch_clocks(self._journal, now),
            "strangers": lambda: end_registered(self._journal, self._register, now),
            "upkeep": lambda: self._upkeep.see_to(now, due),
            "silence": silence,
            "equipment": lambda: self._equipment.watch(now, receiving_since),
        }
        own = {"cases": self._cases.follows, "silence": self._silence.wants_register(now)}
        run_each({name: run for name, run in parts.items() if name in due | _ALWAYS or own.get(name)})
        return called

    def report(self, conditions: Conditions, process: str, now: datetime) -> None:
        """Make the alerts about a process of ours what its `conditions` are: a reason, or None where all is well.

        Raises nothing twice and writes only where something has changed, so that it can be told every few seconds.
        """
        known = self._journal.alerts(limit=SERVICE_ALERTS_MAX, lift_id=SERVICE, state=OPEN)
        if differ(conditions, process, known):
            with self._journal.writing() as connection:
                apply_conditions(connection, self._rules, conditions, process, now)

    def acknowledge(self, alert_id: int, by: str, now: datetime, note: str | None = None) -> Alert:
        """Take note of an alert, cleared or not.

        Raises:
            UnknownAlertError: no such alert.
            IllegalTransitionError: somebody has acknowledged it already.
        """
        with self._journal.writing() as connection:
            alert = require_alert(connection, alert_id)
            return alert_entries.change_alert(connection, alert, AlertChange.ACKNOWLEDGE, now, by, note)

    def clear(self, alert_id: int, by: str, now: datetime, note: str) -> Alert:
        """End an alert by hand. It rings again when the lift says so again, or the next assessment still finds it.

        Raises:
            UnknownAlertError: no such alert.
            IllegalTransitionError: it is cleared already, or `note` gives no reason.
        """
        known = self._journal.alert(alert_id)
        with self._journal.writing() as connection:
            if known is not None:  # before the alert is locked, as everywhere
                settling.take_back(connection, known.lift_id, conditions.condition_key(known.kind, known.code))
            alert = require_alert(connection, alert_id)
            reason = _require_words(note, "clearing an alert by hand needs a reason (note)")
            return alert_entries.change_alert(connection, alert, AlertChange.CLEAR, now, by, reason)

    def comment(self, alert_id: int, by: str, now: datetime, note: str) -> Alert:
        """Add words to an alert's history.

        Raises:
            UnknownAlertError: no such alert.
            IllegalTransitionError: there are no words.
        """
        with self._journal.writing() as connection:
            alert = require_alert(connection, alert_id)
            words = _require_words(note, "a comment needs words (note)")
            alert_entries.comment_alert(connection, alert, now, by, words)
            return alert

    def transition(
        self,
        order_id: int,
        to: str,
        by: str,
        now: datetime,
        *,
        note: str | None = None,
        cause_code: str | None = None,
        assigned_to: str | None = None,
    ) -> WorkOrder:
        """Move a work order on; see `OrderDesk.move`."""
        step = Step(to=to, by=by, note=note, cause_code=cause_code, assigned_to=assigned_to)
        return self.orders.move(order_id, step, now)

    def _write_contacts(self, connection: Connection, news: Sequence[Heard]) -> None:
        self._watchdog.write(connection, news)
        spoke_ms = {heard.lift_id: heard.spoke_ms for heard in news if heard.spoke_ms is not None}
        # After the write: it waits for a watch that is claiming the lift at this moment, whose alert is then seen.
        for alert in alert_entries.lock_open_no_contact(connection, spoke_ms):
            spoke_at = from_ms(spoke_ms[alert.lift_id])
            note = "the lift has spoken"
            alert_entries.change_alert(connection, alert, AlertChange.CLEAR, spoke_at, LIFTWATCH, note)


def _require_words(note: str, refusal: str) -> str:
    if not note.strip():
        raise IllegalTransitionError(refusal)
    return note
