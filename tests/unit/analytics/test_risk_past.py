from datetime import timedelta

from analytics.outage_history import OutageHistory, days_of
from analytics.risk_past import TAUGHT_DAYS, fingerprint, model_day, taught
from ingest.fleet import Lift
from tests.unit.analytics.fleets_of_chance import START, by_chance, history, lifts, outage

KNOWN = by_chance(3, count=12, days=410)


def test_a_model_serves_for_a_week_and_was_fitted_a_week_before_it() -> None:
    thursday = 20_090.0  # 20,090 = 7 * 2,870
    assert [model_day(thursday + day) for day in (0.0, 6.0, 7.0)] == [thursday - 7.0, thursday - 7.0, thursday]


def test_what_a_model_learns_from_is_the_same_on_every_day_of_its_week() -> None:
    """The year that is read moves on, and lifts are registered: no reason to fit another model."""
    first = START + timedelta(days=400)  # a Thursday
    made_of = set()
    for day in range(6):
        until = first + timedelta(days=day)
        begin = until - timedelta(days=365)
        seen = [item for item in KNOWN if item.raised_at >= begin]
        fleet = [Lift(lift_id=lift.lift_id, site_id=lift.site_id, observed_from=begin.date()) for lift in lifts(12)]
        fleet += [Lift(lift_id=f"N{new}", observed_from=until.date()) for new in range(day)]
        seen += [outage(401.5, "N0")] if day > 1 else []
        known = OutageHistory.of(fleet, seen, until)
        assert model_day(days_of(until)) == model_day(days_of(first))
        made_of.add(fingerprint(taught(known, model_day(days_of(until)))))
    assert len(made_of) == 1


def test_a_record_that_comes_late_makes_another_model() -> None:
    day = days_of(START) + 390.0
    late = taught(history([*KNOWN, outage(380.0, "L001")], count=12, days=400), day)
    assert fingerprint(late) != fingerprint(taught(history(KNOWN, count=12, days=400), day))
    assert fingerprint(late, "3 17") != fingerprint(late, "3 18")


def test_what_is_learnt_from_begins_less_than_a_year_before_and_knows_nothing_later() -> None:
    day = days_of(START) + 390.0
    past = taught(history([*KNOWN, outage(1.0, "L002", code="seldom")], count=12, days=400), day)
    assert past.raised.min() >= day - TAUGHT_DAYS
    assert past.raised.max() <= day
    assert past.since.min() == day - TAUGHT_DAYS
    assert "seldom" not in past.codes
    assert set(past.code.tolist()) == set(range(len(past.codes)))
