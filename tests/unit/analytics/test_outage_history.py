from datetime import UTC, date, datetime, timedelta

from analytics.outage_history import OutageHistory, days_of
from ingest.fleet import Lift

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def test_a_lift_is_observed_to_the_end_of_its_last_day() -> None:
    lift = Lift(lift_id="L1", observed_from=date(2026, 1, 1), observed_to=date(2026, 3, 1))
    history = OutageHistory.of([lift], [], MIDNIGHT + timedelta(days=10))
    assert history.until_of[0] == days_of(MIDNIGHT)
    assert history.as_of(days_of(MIDNIGHT) - 0.5).until_of[0] == float("inf"), "on its last day it is observed still"
