import pytest

from analytics.regimes import REGIMES, Certificate, DutyKind, SinceLast, Span, duties_of, unknown_regimes
from ingest.fleet import Lift, VisitKind


def test_the_seed_regime_owes_a_visit_in_fifteen_days_and_a_certificate() -> None:
    visit, inspection = duties_of(Lift(lift_id="L1", regime="CN-2012"))
    assert visit.due == SinceLast(period=Span(days=15), resets_on=frozenset({VisitKind.MAINTENANCE}))
    assert (visit.kind, visit.early, visit.blocks_use) == (DutyKind.MAINTENANCE, Span(days=3), None)
    assert (inspection.kind, inspection.due) == (DutyKind.INSPECTION, Certificate())
    assert (inspection.early, inspection.blocks_use) == (Span(months=1), "IN-05")


@pytest.mark.parametrize("regime", [None, "Atlantis-1900"])
def test_without_a_known_regime_nothing_is_owed(regime: str | None) -> None:
    assert duties_of(Lift(lift_id="L1", regime=regime)) == ()


def test_regimes_that_nobody_knows_are_named() -> None:
    regimes = ("CN-2012", "Z", None, "A", "A")
    lifts = [Lift(lift_id=f"L{number}", regime=regime) for number, regime in enumerate(regimes)]
    assert unknown_regimes(lifts) == ["A", "Z"]


def test_every_regime_is_found_by_its_own_name_and_names_its_rules() -> None:
    for name, regime in REGIMES.items():
        assert regime.name == name
        assert regime.duties
        assert all(duty.sources for duty in regime.duties)
