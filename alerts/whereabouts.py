"""Where people are who call, in the words of the first notification: floor, landing zone or not, site and address.

Whoever is told first may know nothing but these words, and has to send somebody.
"""

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Connection

from alerts import case_entries, tables
from alerts.alert import AlertKind, open_key_of
from alerts.alert_entries import NewAlert
from alerts.entrapment import Certainty, judge
from alerts.rescue_aid import OUTSIDE, Facts, zone_of
from alerts.rules import Rule, RuleBook
from ingest.fleet_register import place_of

MAY_BE_TRAPPED = "passengers may be trapped"
_ZONES = {
    True: "inside the landing zone",
    False: "outside the landing zone",
    None: "not known whether in a landing zone",
}


def place_words(connection: Connection, lift_id: str) -> str:
    """Return name and address of a lift's site as the end of a message; empty where nobody told them."""
    return "".join(f", {text}" for text in place_of(connection, lift_id) if text)


def where_words(connection: Connection, lift_id: str, facts: Facts) -> str:
    """Return where the car stands and where its lift is, as the end of a message."""
    floor = "" if facts.floor is None else f", floor {facts.floor}"
    return f"{floor}, {_ZONES[zone_of(facts)]}{place_words(connection, lift_id)}"


def suspicion_rule(rules: RuleBook) -> Rule:
    """Return the rule of an alarm button in a car that stands outside the landing zone."""
    return rules.rule(AlertKind.PASSENGER_ALARM, OUTSIDE)


def suspicion_words(connection: Connection, rules: RuleBook, lift_id: str, facts: Facts, reason: str) -> str:
    """Return the message of a suspected entrapment; an owner's own rule that does not say it is made to say it."""
    where = where_words(connection, lift_id, facts)
    words = suspicion_rule(rules).words(lift_id=lift_id, where=where, reason=reason)
    return words if is_suspicion(words) else f"{words}: {MAY_BE_TRAPPED}{where}"


def is_suspicion(words: str) -> bool:
    """Tell whether a message says already that people may be trapped."""
    return MAY_BE_TRAPPED in words.lower()


def _told_by_fault(connection: Connection, lift_id: str) -> Facts:
    """Return what the fault told by which the car stands outside, whether it rings already or still waits."""
    waits, alert = tables.settling, tables.alert
    key = open_key_of(lift_id, AlertKind.LIFT_STOPPED, OUTSIDE)
    queries = (
        sa.select(waits.c.evidence).where(waits.c.lift_id == lift_id, waits.c.key == OUTSIDE),
        sa.select(alert.c.evidence).where(alert.c.open_key == key),
    )
    for evidence in (connection.execute(query).scalar() for query in queries):
        readings = (evidence or [{}])[0].get("readings") or {}
        if readings:
            return Facts(
                floor=readings.get("floor"),
                in_door_zone=readings.get("in_door_zone"),
                passengers=readings.get("passengers"),
            )
    return Facts()


def _with(known: Facts, newer: Facts) -> Facts:
    told = {name: value for name, value in structs.asdict(newer).items() if value is not None and value != []}
    return structs.replace(known, **told)


def standing_outside(facts: Facts) -> Facts:
    """Return the facts of a car of which it is known that it stands outside, unless it said itself how it stands."""
    return structs.replace(facts, in_door_zone=False) if facts.in_door_zone is None else facts


def known_facts(connection: Connection, lift_id: str, told: Facts) -> Facts:
    """Return what a lift that stands outside has told of itself before, and what it tells now."""
    standing = case_entries.standing_of(connection, lift_id)
    said = case_entries.facts_of(standing["facts"]) if standing is not None and standing["outside"] else Facts()
    known = _with(_with(_told_by_fault(connection, lift_id), said), told)
    return structs.replace(known, faults=case_entries.standing_faults(connection, lift_id))


def with_whereabouts(connection: Connection, rules: RuleBook, new: NewAlert, facts: Facts) -> NewAlert:
    """Return an alert about people with the words for whoever is told first; `facts`: what its message told.

    A button that is pressed while the car stands outside the landing zone says at once that people may be trapped.
    """
    facts = known_facts(connection, new.lift_id, facts)
    if new.kind == AlertKind.ENTRAPMENT:
        where = where_words(connection, new.lift_id, facts)
        return structs.replace(new, message=new.rule.words(lift_id=new.lift_id, code=new.code, where=where))
    certainty = judge(
        case_entries.signs_of(connection, new.lift_id), case_entries.closed_at_of(connection, new.lift_id)
    )
    if certainty is None or certainty is Certainty.REPORTED:
        where = place_words(connection, new.lift_id)
        if certainty is not None:  # the controller has said already that people are trapped
            where = where_words(connection, new.lift_id, facts)
        return structs.replace(new, message=new.rule.words(lift_id=new.lift_id, where=where))
    facts = standing_outside(facts)
    words = suspicion_words(connection, rules, new.lift_id, facts, "alarm button pressed")
    return structs.replace(new, message=words, rule=suspicion_rule(rules))
