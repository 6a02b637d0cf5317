"""Entrapment cases as messages, orders and time move them: opened, made surer, answered, reported free, run late.

All of it happens in the transaction of the desk, after the alerts of the same messages, and can be done twice: what a
case is follows from what is written of its lift, not from the message that is looked at.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import case_entries, tables
from alerts.alert import LIFTWATCH, Alert, AlertKind
from alerts.alert_entries import NewAlert, lock_open_alert, reword
from alerts.case_alerts import close_case, end_concluded_alert, entrapment_alert, escalate, link
from alerts.case_entries import reach, tell_case
from alerts.entrapment import (
    STAGE_OF_ORDER,
    Certainty,
    EntrapmentCase,
    Outcome,
    Signs,
    Stage,
    answer_by,
    is_surer,
    judge,
    with_people,
)
from alerts.journal import Journal
from alerts.lock_order import go_alone, go_in_order
from alerts.rescue_aid import OUTSIDE, Facts, aid_of, facts_in, facts_in_state
from alerts.ringing import ring
from alerts.rules import RuleBook
from alerts.whereabouts import (
    is_suspicion,
    known_facts,
    standing_outside,
    suspicion_rule,
    suspicion_words,
    where_words,
)
from alerts.work_orders import OrderKind, WorkOrder
from ingest.faults import ENTRAPMENT
from ingest.messages import Alarm, Fault, Kind, Message, State

# Where the rule of the kind gives no clock: RS-01.
ARRIVE_WITHIN_MIN = 30
# Longer than from one watch to the next; what was said before says nothing of now.
PASSED_OVER_MAX = timedelta(minutes=1)
_BEARS = frozenset({ENTRAPMENT, OUTSIDE})


class CaseSettings(Struct, frozen=True, kw_only=True):
    """`answer_within_s`: until then somebody has spoken to the car; then a suspicion counts as an entrapment."""

    answer_within_s: float = 300


class Cases:
    """Follows what happens to lifts in which somebody may be trapped.

    What it remembers in memory (who stands outside, who has an open case) saves reads and is safe to lose. It is read
    again every few seconds (`watch`): what was passed over meanwhile, because another process had just opened the case
    or written how the lift stands, is taken then.
    """

    def __init__(self, journal: Journal, rules: RuleBook, settings: CaseSettings | None = None) -> None:
        """Read through `journal`; the words and clocks of alerts are those of `rules`."""
        self._journal = journal
        self._rules = rules
        self._settings = settings or CaseSettings()
        self._outside: set[str] | None = None
        self._open: set[str] = set()
        self._states: dict[str, Message] = {}
        self._passed_over: dict[str, Message] = {}

    def news(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that can move a case, in the order in which cases are looked at: by lift."""
        if self._outside is None:
            self.refresh()
        turned: dict[str, bool] = {}
        about = [
            message
            for message in messages
            if (message.kind is Kind.STATE and self._is_turn(message, turned))
            or (message.kind is Kind.ALARM and _alarm_type(message) != "test")
            or (message.kind is Kind.FAULT and self._bears(message))
        ]
        return sorted(about, key=_lift_of)

    def refresh(self) -> None:
        """Read again which lifts stand outside the landing zone, and which have an open case."""
        with self._journal.reading() as connection:
            standing, case = tables.lift_standing, tables.entrapment_case
            outside = sa.select(standing.c.lift_id).where(standing.c.outside)
            self._outside = set(connection.execute(outside).scalars())
            still_open = sa.select(case.c.open_key).where(case.c.open_key.is_not(None))
            self._open = set(connection.execute(still_open).scalars())

    def stand(self, connection: Connection, about: Sequence[Message]) -> None:
        """Write down how lifts stand, before anything rings: the first word about people says where they are."""
        for message in about:
            self._stand(connection, message)

    def follow(self, connection: Connection, about: Sequence[Message]) -> None:
        """Make the cases what these messages, and all before them, say."""
        for lift_id, of_lift in groupby(about, key=_lift_of):
            self._follow_lift(connection, lift_id, list(of_lift))

    def remember(self, about: Sequence[Message]) -> None:
        """Note what has been committed."""
        assert self._outside is not None
        for message in about:
            if isinstance(message.body, State) and message.body.in_door_zone is not None and not message.late:
                (self._outside.add if _is_outside(message.body) else self._outside.discard)(message.lift_id)
            elif not isinstance(message.body, State):
                self._open.add(message.lift_id)  # perhaps: until the next refresh its states are looked at

    def follow_order(self, connection: Connection, order: WorkOrder, by: str, now: datetime) -> None:
        """Let the case of a rescue order reach the stage that the order's new state means."""
        stage = STAGE_OF_ORDER.get(order.state.value)
        if order.kind is not OrderKind.RESCUE or stage is None:
            return
        case = case_entries.lock_case_of_order(connection, order.id)
        if case is None:
            return
        if order.assigned_to:
            people = with_people(case.people, [name.strip() for name in order.assigned_to.split(",") if name.strip()])
            case_entries.change_case(connection, case.id, people=people)
        if stage is Stage.CLOSED:
            close_case(connection, case, Outcome.RELEASED, now, by, f"with order {order.number}")
        else:
            reach(connection, case, stage, now, by, f"order {order.number} is {order.state.value}")

    @property
    def follows(self) -> bool:
        """Tell whether anybody is remembered as standing outside or as having an open case."""
        return bool(self._open or self._outside)

    def watch(self, now: datetime) -> int:
        """Tell which clocks have run out; a suspicion that nobody has answered becomes an entrapment with its order."""
        case = tables.entrapment_case
        clocks = sa.select(case.c.open_key, case.c.answer_due_at, case.c.arrive_due_at)
        standing = tables.lift_standing
        passed_over, self._passed_over = self._passed_over, {}
        known_open = self._open
        with self._journal.reading() as connection:
            rows = connection.execute(clocks.where(case.c.open_key.is_not(None))).all()
            outside = sa.select(standing.c.lift_id).where(standing.c.outside)
            self._open, self._outside = {row[0] for row in rows}, set(connection.execute(outside).scalars())
        self._catch_up([each for each in list(passed_over.values()) if self._is_missed(each, known_open, now)])
        if not any(at is not None and at <= now for row in rows for at in row[1:]):
            return 0
        with self._journal.writing() as connection:
            go_alone(connection)
            unanswered = case_entries.claim_due(connection, case.c.answer_due_at, now)
            for each in unanswered:
                tell_case(connection, "answer-late", each, now, answer_by=each.answer_by.isoformat())
                if each.certainty is Certainty.SUSPECTED:
                    escalate(connection, self._rules, each, now, "nobody has answered the alarm")
            not_there = case_entries.claim_due(connection, case.c.arrive_due_at, now)
            for each in not_there:
                tell_case(connection, "arrival-late", each, now, arrive_by=each.arrive_by.isoformat())
        return len(unanswered) + len(not_there)

    def _is_missed(self, message: Message, known_open: set[str], now: datetime) -> bool:
        """Tell whether a state that was passed over says something that is not written, as is known by now."""
        assert self._outside is not None
        assert isinstance(message.body, State)
        if now - message.received_at > PASSED_OVER_MAX:
            return False
        is_new_case = message.lift_id in self._open and message.lift_id not in known_open
        return is_new_case or _is_outside(message.body) is not (message.lift_id in self._outside)

    def _catch_up(self, missed: Sequence[Message]) -> None:
        about = sorted(missed, key=_lift_of)
        if about:
            with self._journal.writing(for_alarms=True) as connection:
                go_in_order(connection)
                self.stand(connection, about)
                self.follow(connection, about)
            self.remember(about)

    def _is_turn(self, message: Message, turned: dict[str, bool]) -> bool:
        """Tell whether a state says something else than what stands; `turned`: what the batch has said before it."""
        body, lift_id = message.body, message.lift_id
        if not isinstance(body, State) or body.in_door_zone is None or message.late:
            return False
        self._states[lift_id] = message
        assert self._outside is not None
        is_outside = _is_outside(body)
        before = turned.get(lift_id)
        is_other = is_outside != (lift_id in self._outside if before is None else before)
        if is_other:
            turned[lift_id] = is_outside
        if lift_id in self._open or is_other:
            self._passed_over.pop(lift_id, None)
            return True
        self._passed_over[lift_id] = message
        return False

    def _bears(self, message: Message) -> bool:
        return isinstance(message.body, Fault) and (message.body.code in _BEARS or message.lift_id in self._open)

    def _stand(self, connection: Connection, message: Message) -> None:
        body = message.body
        if isinstance(body, State) and body.in_door_zone is not None:
            row = {
                "lift_id": message.lift_id,
                "outside": _is_outside(body),
                "said_at": message.happened_at,
                "received_at": message.received_at,
                "facts": msgspec.to_builtins(facts_in_state(message)),
            }
            case_entries.write_standing(connection, row)

    def _follow_lift(self, connection: Connection, lift_id: str, said: list[Message]) -> None:
        case = case_entries.lock_open_case(connection, lift_id)
        signs = self._signs(connection, lift_id, said)
        certainty = judge(signs, case_entries.closed_at_of(connection, lift_id))
        live = [message for message in said if not message.late]
        if case is None and (certainty is None or not live):
            return
        facts = self._facts(connection, lift_id, case, said)
        if case is None and certainty is not None:
            facts = known_facts(connection, lift_id, facts)
            if certainty is not Certainty.REPORTED:
                facts = standing_outside(facts)
            case = self._opened(connection, certainty, live[-1], facts)
        if case is None:
            return
        if msgspec.to_builtins(facts) != msgspec.to_builtins(case.facts):
            case_entries.change_case(connection, case.id, facts=msgspec.to_builtins(facts))
        if certainty is not None and is_surer(certainty, case.certainty):
            case = _surer(connection, case, certainty, live[-1].received_at if live else said[-1].received_at)
        for message in said:
            case = _take_word(connection, case, signs, message)
        self._see_to_alert(connection, case, signs, said[-1])

    def _signs(self, connection: Connection, lift_id: str, said: list[Message]) -> Signs:
        """Return the signs; a press that the equipment filtered counts while the car stands outside the zone."""
        signs = case_entries.signs_of(connection, lift_id)
        filtered = [message.received_at for message in said if _alarm_type(message) == "filtered" and not message.late]
        passengers = signs.passengers
        told = [message.body.passengers for message in said if isinstance(message.body, Fault | State)]
        passengers = next((each for each in reversed(told) if each is not None), passengers)
        if signs.outside is not None and filtered:
            return structs.replace(signs, alarm=max(filtered), passengers=passengers)
        return structs.replace(signs, passengers=passengers)

    def _facts(
        self, connection: Connection, lift_id: str, case: EntrapmentCase | None, said: Iterable[Message]
    ) -> Facts:
        facts = case.facts if case is not None else Facts()
        known = [self._states[lift_id]] if case is None and lift_id in self._states else []
        for message in [*known, *said]:
            facts = _with(facts, facts_in(message))
        return structs.replace(facts, faults=case_entries.standing_faults(connection, lift_id))

    def _opened(
        self, connection: Connection, certainty: Certainty, message: Message, facts: Facts
    ) -> EntrapmentCase | None:
        received_at = message.received_at
        within_min = self._rules.rule(AlertKind.ENTRAPMENT).arrive_within_min or ARRIVE_WITHIN_MIN
        answer_at, arrive_at = (
            answer_by(received_at, self._settings.answer_within_s),
            received_at + timedelta(minutes=within_min),
        )
        row = {
            "lift_id": message.lift_id,
            "certainty": certainty.value,
            "floor": facts.floor,
            "opened_at": message.happened_at,
            "received_at": received_at,
            "answer_by": answer_at,
            "arrive_by": arrive_at,
            "answer_due_at": answer_at,
            "arrive_due_at": arrive_at,
            "facts": msgspec.to_builtins(facts),
        }
        case_id = case_entries.open_case(connection, row)
        case = case_entries.lock_open_case(connection, message.lift_id)
        if case is not None and case_id is not None:
            words, aid = self._first_words(connection, case, facts), aid_of(facts)
            steps = [f"{step.text} ({step.source})" for step in aid.steps]
            told = {"text": words, "position": aid.position, "steps": steps}
            reach(connection, case, Stage.RECEIVED, received_at, LIFTWATCH, certainty.value, **told)
        return case

    def _first_words(self, connection: Connection, case: EntrapmentCase, facts: Facts) -> str:
        where = where_words(connection, case.lift_id, facts)
        trapped = "may be trapped" if case.certainty is Certainty.SUSPECTED else "trapped"
        return f"Passengers {trapped} in lift {case.lift_id}{where}"

    def _see_to_alert(self, connection: Connection, case: EntrapmentCase, signs: Signs, message: Message) -> None:
        """Let an alert of priority 1 say what the case says, and link case, alert and rescue order."""
        if case.reported_free_at is not None or case.closed_at is not None:
            return
        # What a person has cleared by hand is not raised again by the same signs.
        is_new = case.alert_id is None
        if case.certainty is Certainty.SUSPECTED:
            alert = self._passenger_alarm(connection, case, signs, message) if is_new else None
        else:
            alert = lock_open_alert(connection, case.lift_id, AlertKind.ENTRAPMENT, ENTRAPMENT)
            if alert is None and signs.entrapment is None and (is_new or case.work_order_id is None):
                reason = "alarm button, car outside the landing zone, passengers"
                alert = entrapment_alert(connection, self._rules, case, message.received_at, reason)
        if alert is not None:
            link(connection, case, alert)

    def _passenger_alarm(
        self, connection: Connection, case: EntrapmentCase, signs: Signs, message: Message
    ) -> Alert | None:
        alert = lock_open_alert(connection, case.lift_id, AlertKind.PASSENGER_ALARM, None)
        if alert is not None and is_suspicion(alert.message):
            return alert
        is_press = signs.alarm != message.received_at or _alarm_type(message) != "filtered"
        reason = "alarm button pressed" if is_press else "a press of the alarm button that the equipment filtered"
        facts = standing_outside(case.facts)
        words = suspicion_words(connection, self._rules, case.lift_id, facts, reason)
        rule = suspicion_rule(self._rules)
        if alert is not None:
            return reword(connection, alert, words, rule, message.received_at)
        if signs.alarm is None:
            return None
        new = NewAlert(
            lift_id=case.lift_id,
            kind=AlertKind.PASSENGER_ALARM.value,
            code=None,
            raised_at=message.happened_at,
            received_at=message.received_at,
            message=words,
            evidence=[],
            rule=rule,
        )
        ring(connection, new)
        return lock_open_alert(connection, case.lift_id, AlertKind.PASSENGER_ALARM, None)


def _surer(connection: Connection, case: EntrapmentCase, certainty: Certainty, at: datetime) -> EntrapmentCase:
    case_entries.change_case(connection, case.id, certainty=certainty.value)
    case = structs.replace(case, certainty=certainty)
    tell_case(connection, "surer", case, at)
    return case


def _take_word(connection: Connection, case: EntrapmentCase, signs: Signs, message: Message) -> EntrapmentCase:
    """Take what a message says of how the rescue goes: answered, over, or not over after all; return the case then."""
    kind, body = _alarm_type(message), message.body
    if kind == "answered":
        reach(connection, case, Stage.ANSWERED, message.happened_at, LIFTWATCH, "the alarm equipment says so")
        return case
    is_over = kind == "end" or (isinstance(body, Fault) and body.code == ENTRAPMENT and body.phase == "cleared")
    stands = signs.entrapment is not None or (signs.alarm is not None and signs.outside is not None)
    free_at = case.reported_free_at
    if stands:
        free_at = None
    elif is_over and free_at is None and message.happened_at >= case.opened_at:
        free_at = message.happened_at
    if free_at == case.reported_free_at:
        return case
    case_entries.change_case(connection, case.id, reported_free_at=free_at)
    case = structs.replace(case, reported_free_at=free_at)
    if free_at is not None:
        tell_case(connection, "reported-free", case, message.received_at)
        end_concluded_alert(connection, case, message)
    return case


def _with(facts: Facts, newer: Facts) -> Facts:
    """Return facts with what is told in `newer`, unless that is the older word."""
    if newer.told_at is None or (facts.told_at is not None and newer.told_at < facts.told_at):
        return facts
    told = {name: value for name, value in structs.asdict(newer).items() if value is not None and value != []}
    return structs.replace(facts, **told)


def _alarm_type(message: Message) -> str | None:
    return message.body.type if isinstance(message.body, Alarm) else None


def _is_outside(state: State) -> bool:
    return state.in_door_zone is False and state.moving is not True


def _lift_of(message: Message) -> str:
    return message.lift_id
