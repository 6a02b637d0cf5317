"""What time alone brings about alerts: delays that end, shelves, reminders, silence that is over, power cuts, floods.

Each thing that is due is a transaction of its own that claims it first, so that several processes may do this at once
and one mishap holds nothing else up. Looking takes no lock, and of each sort only so many are seen to at a time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.engine import Connection

from alerts import floods, power_cuts, reminders, settling, shelving, suppression, taken_out
from alerts.alert import AlertKind, Suppression
from alerts.alert_entries import lock_alert
from alerts.journal import Journal
from alerts.lock_order import go_alone
from alerts.rules import RuleBook
from alerts.taking import settle
from ingest.database import DATABASE_AWAY
from ingest.fleet_register import FleetRegister

# Of one sort in one go; what is left is seen to the next time, seconds later.
DUE_MAX = 500
# Silent alerts that are looked at again in one go.
SILENT_MAX = 200
_T = TypeVar("_T")

log = structlog.get_logger()


def run_each(parts: Mapping[str, Callable[[], object]]) -> None:
    """Run parts one after another: one that fails by a mistake of ours keeps no other from running.

    Raises:
        Exception: what the first of those raised that failed; at once where the database is away.
    """
    failed: Exception | None = None
    for name, run in parts.items():
        try:
            run()
        except DATABASE_AWAY:
            raise
        except Exception as error:
            log.exception("part-of-watch-failed", part=name)
            failed = failed or error
    if failed is not None:
        raise failed


class Upkeep:
    """Sees to what is due. It remembers only how far it has come with what is silent."""

    def __init__(self, journal: Journal, register: FleetRegister, rules: RuleBook) -> None:
        """Write into `journal`; `register` knows which lift stands at which site."""
        self._journal = journal
        self._register = register
        self._rules = rules
        self._silent_id = 0

    def see_to(self, now: datetime, due: Collection[str]) -> None:
        """See to what is `due` as of `now`, by the names that `due_now` gives it."""
        parts: dict[str, Callable[[], object]] = {
            "settling": lambda: self._each(
                lambda connection: settling.due(connection, now, DUE_MAX),
                lambda connection, which: settle(connection, self._rules, *which, now),
            ),
            "sites": lambda: self._see_to_sites(now),
            "released": lambda: self._each(
                suppression.over_without_release,
                lambda connection, alert_id: suppression.release(connection, alert_id, now),
            ),
            "entries": lambda: self._each(
                lambda connection: taken_out.due_entries(connection, now, DUE_MAX),
                lambda connection, entry_id: taken_out.see_to_entry(connection, entry_id, now),
            ),
            "silent": lambda: self._each(
                lambda connection: self._restorable(connection, now),
                lambda connection, alert_id: self._reconsider(connection, alert_id, now),
            ),
            "shelves": lambda: self._each(
                lambda connection: shelving.due_shelves(connection, now, DUE_MAX),
                lambda connection, key: shelving.see_to_shelf(connection, self._rules, key, now),
            ),
            "flood": lambda: self._see_to_flood(now),
            "reminders": lambda: self._each(
                lambda connection: reminders.due_reminders(connection, now, DUE_MAX),
                lambda connection, alert_id: reminders.remind(connection, alert_id, now),
            ),
        }
        run_each({name: run for name, run in parts.items() if name in due})

    def _each(self, due: Callable[[Connection], Sequence[_T]], act: Callable[[Connection, _T], None]) -> None:
        with self._journal.reading() as connection:
            found = due(connection)
        run_each({str(each): partial(self._see_to, act, each) for each in found})

    def _see_to(self, act: Callable[[Connection, _T], None], each: _T) -> None:
        with self._journal.writing() as connection:
            act(connection, each)

    def _see_to_sites(self, now: datetime) -> None:
        with self._journal.reading() as connection:
            dark = power_cuts.without_power(connection)
            known = power_cuts.open_cuts(connection)
        if not (dark or known):
            return
        site_of = self._register.sites_of([lift.lift_id for lift in dark])
        for site_id in power_cuts.changed_sites(dark, site_of, known, now):
            lifts = [each.lift.lift_id for each in self._register.lifts(site_id=site_id)]
            with self._journal.writing() as connection:
                go_alone(connection)
                power_cuts.see_to_site(connection, self._rules, site_id, lifts, now)

    def _see_to_flood(self, now: datetime) -> None:
        operators = self._rules.rule(AlertKind.ALERT_FLOOD).operators
        with self._journal.reading() as connection:
            needed = floods.needs_change(connection, operators, now)
        if needed:
            with self._journal.writing() as connection:
                floods.see_to_flood(connection, self._rules, now)

    def _restorable(self, connection: Connection, now: datetime) -> list[int]:
        """Return silent alerts whose reason has changed; goes through all of them in several rounds."""
        alerts = suppression.silent_alerts(connection, self._silent_id, SILENT_MAX, now)
        self._silent_id = alerts[-1].id if len(alerts) == SILENT_MAX else 0
        return [alert.id for alert in alerts if not suppression.is_as_it_was(connection, alert, now)]

    def _reconsider(self, connection: Connection, alert_id: int, now: datetime) -> None:
        alert = lock_alert(connection, alert_id)
        if alert is not None and alert.state.is_open and alert.suppression is not Suppression.NONE:
            suppression.reconsider(connection, self._rules, alert, now)
