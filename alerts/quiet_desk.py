"""The desk of silence: what people put aside, where they work, and what they take out of the alarm system."""

from datetime import datetime

from msgspec import Struct

from alerts import floods, shelving, taken_out
from alerts.alert import Alert
from alerts.alert_entries import require_alert
from alerts.floods import Group
from alerts.journal import Journal
from alerts.lock_order import go_alone
from alerts.rules import RuleBook
from alerts.shelving import Shelf
from alerts.taken_out import SuppressionEntry

SHELVES_MAX = 1_000


class SilenceCounts(Struct, frozen=True, kw_only=True):
    """How many open alerts are silent, by reason; and whether there is a flood."""

    shelved: int
    suppressed: int
    out_of_service: int
    flood: bool


class QuietDesk:
    """Takes what people do so that alerts do not ring. Each call is one transaction."""

    def __init__(self, journal: Journal, rules: RuleBook) -> None:
        """Write into `journal`."""
        self._journal = journal
        self._rules = rules

    def shelve(self, alert_id: int, minutes: int, by: str, now: datetime, note: str) -> Alert:
        """Put an alert aside for a while.

        Raises:
            UnknownAlertError: no such alert.
            IllegalTransitionError: it cannot be shelved (`shelving.shelve`).
        """
        with self._journal.writing() as connection:
            alert = require_alert(connection, alert_id)
            return shelving.shelve(connection, alert, minutes, by, note, now)

    def unshelve(self, alert_id: int, by: str, now: datetime, note: str | None = None) -> Alert:
        """Take an alert off its shelf; it rings if it still stands.

        Raises:
            UnknownAlertError: no such alert.
            IllegalTransitionError: it is not on a shelf.
        """
        with self._journal.writing() as connection:
            alert = require_alert(connection, alert_id)
            return shelving.unshelve(connection, self._rules, alert, by, now, note)

    def check_in(self, lift_id: str, until: datetime, by: str, now: datetime, note: str | None) -> SuppressionEntry:
        """Note that somebody works at a lift.

        Raises:
            IllegalTransitionError: for too long.
        """
        with self._journal.writing() as connection:
            return taken_out.check_in(connection, lift_id, until, by, note, now)

    def take_out(
        self, lift_id: str, kind: str | None, until: datetime | None, by: str, now: datetime, note: str
    ) -> SuppressionEntry:
        """Take a lift, or one kind of its alerts, out of the alarm system.

        Raises:
            IllegalTransitionError: it is out already, or cannot be (`taken_out.take_out`).
        """
        with self._journal.writing() as connection:
            go_alone(connection)  # all alerts of the lift are silenced, in no order
            return taken_out.take_out(connection, lift_id, kind, until, by, note, now)

    def end(self, entry_id: int, by: str, now: datetime, note: str | None) -> SuppressionEntry:
        """End a check-in, or take a lift back in.

        Raises:
            UnknownSuppressionError: no such entry.
            IllegalTransitionError: it has ended already, or ends with a greater alert.
        """
        with self._journal.writing() as connection:
            return taken_out.end(connection, entry_id, by, note, now)

    def entries(
        self,
        *,
        limit: int,
        before_id: int | None = None,
        lift_id: str | None = None,
        source: str | None = None,
        ended: bool = False,
    ) -> list[SuppressionEntry]:
        """Return why alerts of lifts are silent, the newest first."""
        with self._journal.reading() as connection:
            return taken_out.entries(
                connection, limit=limit, before_id=before_id, lift_id=lift_id, source=source, ended=ended
            )

    def shelves(self) -> list[Shelf]:
        """Return what is put aside, by the end of its time."""
        with self._journal.reading() as connection:
            return shelving.shelves(connection, SHELVES_MAX)

    def groups(self) -> list[Group]:
        """Return the open alerts that ring, by site and kind."""
        with self._journal.reading() as connection:
            return floods.groups(connection)

    def counts(self) -> SilenceCounts:
        """Return how many open alerts are silent."""
        with self._journal.reading() as connection:
            return SilenceCounts(**self._journal.silence_counts(), flood=floods.stands(connection))
