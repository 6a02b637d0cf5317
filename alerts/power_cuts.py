"""A building without power: several lifts of a site that report no mains supply are one alert of the site."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, OPEN_STATES, SITE, Alert, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert, refresh_alert
from alerts.journal import alert_of
from alerts.ringing import ring
from alerts.rules import RuleBook
from alerts.suppression import inhibit, release
from ingest.fleet_register import lift

POWER = "power-supply-fault"
LIFTS_MIN = 2
# Lifts of one cut say so within this time of each other.
TOGETHER = timedelta(minutes=10)
# What follows from a cut; what is for at once rings whatever the supply.
CONSEQUENCES = (AlertKind.LIFT_STOPPED.value, AlertKind.NO_CONTACT.value)
# Sites that are looked at in one go.
SITES_MAX = 500
# Lifts of one site that are looked at.
LIFTS_MAX = 1_000
Sites = Mapping[str, str]


class WithoutPower(Struct, frozen=True):
    """A lift that has reported no mains supply, and when we heard it last."""

    lift_id: str
    heard_at: datetime | None


def without_power(connection: Connection) -> list[WithoutPower]:
    """Return lifts whose last word of the mains supply is that there is none."""
    condition = tables.condition
    query = sa.select(condition.c.lift_id, condition.c.received_at).where(condition.c.key == POWER, condition.c.active)
    return [WithoutPower(row.lift_id, row.received_at) for row in connection.execute(query)]


def open_cuts(connection: Connection) -> dict[str, Alert]:
    """Return the open alerts of sites without power, by site."""
    alert = tables.alert
    query = sa.select(alert).where(alert.c.state.in_(sorted(OPEN_STATES)), alert.c.lift_id == SITE)
    rows = connection.execute(query.where(alert.c.kind == AlertKind.SITE_POWER_CUT.value)).mappings()
    return {row["code"]: alert_of(row) for row in rows}


def changed_sites(dark: Sequence[WithoutPower], site_of: Sites, known: Mapping[str, Alert], now: datetime) -> list[str]:
    """Return the sites whose alert has to begin, to end or to name other lifts, in order. Pure."""
    lifts = lifts_by_site(dark, site_of)
    recent = lifts_by_site([each for each in dark if each.heard_at and now - each.heard_at <= TOGETHER], site_of)
    begin = {site for site, lift_ids in recent.items() if len(lift_ids) >= LIFTS_MIN and site not in known}
    other = {site for site, alert in known.items() if _lifts_of(alert) != lifts.get(site, [])}
    return sorted(begin | other)[:SITES_MAX]


def lifts_by_site(dark: Sequence[WithoutPower], site_of: Sites) -> dict[str, list[str]]:
    """Return which lifts of each site are without power, in order."""
    found: dict[str, list[str]] = {}
    for each in sorted(dark, key=lambda one: one.lift_id):
        if each.lift_id in site_of:
            found.setdefault(site_of[each.lift_id], []).append(each.lift_id)
    return found


def notice(connection: Connection, rules: RuleBook, lift_id: str, now: datetime) -> None:
    """Look whether a lift without mains supply is one of several of its site: what follows then does not ring."""
    own_site = sa.select(lift.c.site_id).where(lift.c.lift_id == lift_id).scalar_subquery()
    neighbours = connection.execute(sa.select(lift.c.lift_id, lift.c.site_id).where(lift.c.site_id == own_site)).all()
    lifts = sorted(row.lift_id for row in neighbours)[:LIFTS_MAX]
    if len(lifts) >= LIFTS_MIN:
        see_to_site(connection, rules, neighbours[0].site_id, lifts, now)


def see_to_site(connection: Connection, rules: RuleBook, site_id: str, lifts: Sequence[str], now: datetime) -> None:
    """Make the alert of a site what its `lifts` say by now, whoever else has just done so."""
    alert = lock_open_alert(connection, SITE, AlertKind.SITE_POWER_CUT, site_id)
    condition = tables.condition
    query = (
        sa.select(condition.c.lift_id, condition.c.received_at)
        .where(condition.c.key == POWER, condition.c.active, condition.c.lift_id.in_(lifts[:LIFTS_MAX]))
        .order_by(condition.c.lift_id)
    )
    rows = connection.execute(query).all()
    dark = [row.lift_id for row in rows]
    recent = [row.lift_id for row in rows if row.received_at and now - row.received_at <= TOGETHER]
    rule = rules.rule(AlertKind.SITE_POWER_CUT)
    reason = f"{len(dark)} of its {len(lifts)} lifts report no mains supply"
    message = rule.words(lift_id=SITE, reason=f"{site_id}: {reason}")
    evidence = [{"site_id": site_id, "lifts": list(dark)}]
    if alert is not None and len(dark) >= LIFTS_MIN:
        refresh_alert(connection, alert, message, evidence)
    elif alert is not None:
        change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, "its lifts have mains supply again")
        release(connection, alert.id, now)
    elif len(recent) >= LIFTS_MIN:
        new = NewAlert(
            lift_id=SITE,
            kind=AlertKind.SITE_POWER_CUT.value,
            code=site_id,
            raised_at=now,
            received_at=now,
            message=message,
            evidence=evidence,
            rule=rule,
        )
        alert_id = ring(connection, new)
        if alert_id is not None:
            inhibit(connection, alert_id, lifts, CONSEQUENCES, now, since=now - TOGETHER)


def _lifts_of(alert: Alert) -> list[str]:
    return list(alert.evidence[0].get("lifts", [])) if alert.evidence else []
