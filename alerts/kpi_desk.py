"""The figures about alerts, from the journal: one read for all periods of a window."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct

from alerts import tables
from alerts.journal import Journal
from alerts.kpis import DEFAULT_SHIFTS, RATE_WINDOW, CountedAlert, Kpis, Period, Shift, days, kpis, shifts

ROWS_MAX = 100_000
WINDOW_MAX = timedelta(days=92)


class TooManyAlertsError(ValueError):
    """A window with more alerts than are read at once; a shorter one has to be asked for."""


class Report(Struct, frozen=True):
    """The figures of a window, and of its days or shifts."""

    total: Kpis
    periods: list[Kpis]


class KpiDesk:
    """Reads how many alerts there were, how long, and how soon somebody took note of them."""

    def __init__(self, journal: Journal, plan: Sequence[Shift] = DEFAULT_SHIFTS) -> None:
        """Read through `journal`; shifts and their operators are those of `plan`."""
        self._journal = journal
        self.plan = tuple(plan)

    def report(self, since: datetime, until: datetime, by: str | None = None) -> Report:
        """Return the figures of [since, until), and of each "day" or "shift" of it where `by` says so.

        Raises:
            TooManyAlertsError: more than `ROWS_MAX` alerts matter to it.
        """
        alerts = self._alerts(since, until)
        operators = max(shift.operators for shift in self.plan)
        total = kpis(alerts, Period("all", since, until), operators)
        if by is None:
            return Report(total, [])
        periods = days(since, until) if by == "day" else shifts(since, until, self.plan)
        of_shift = {shift.name: shift.operators for shift in self.plan}
        parts = [
            kpis(_within(alerts, period), period, of_shift.get(period.name.split(" ", 1)[-1], operators))
            for period in periods
        ]
        return Report(total, parts)

    def _alerts(self, since: datetime, until: datetime) -> list[CountedAlert]:
        table = tables.alert
        still_matters = sa.or_(
            table.c.received_at >= since - RATE_WINDOW,
            table.c.cleared_at.is_(None),
            table.c.cleared_at >= since,
            table.c.acknowledged_at.is_(None),
            table.c.acknowledged_at >= since,
        )
        columns = [table.c[name] for name in CountedAlert.__struct_fields__]
        # What was silent from its beginning to its end has called nobody.
        query = sa.select(*columns).where(table.c.received_at < until, table.c.rang, still_matters)
        with self._journal.reading() as connection:
            rows = connection.execute(query.order_by(table.c.received_at).limit(ROWS_MAX + 1)).mappings().all()
        if len(rows) > ROWS_MAX:
            message = f"more than {ROWS_MAX:,} alerts: ask for a shorter window"
            raise TooManyAlertsError(message)
        return [CountedAlert(**row) for row in rows]


def _within(alerts: Sequence[CountedAlert], period: Period) -> list[CountedAlert]:
    """Return the alerts that matter to one period, so that a quarter by shifts does not look at each 276 times."""
    from_at = period.since - RATE_WINDOW
    return [
        alert
        for alert in alerts
        if alert.received_at < period.until
        and (
            alert.received_at >= from_at
            or alert.cleared_at is None
            or alert.cleared_at >= period.since
            or alert.acknowledged_at is None
            or alert.acknowledged_at >= period.since
        )
    ]
