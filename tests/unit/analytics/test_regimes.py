from datetime import date
from pathlib import Path

import pytest

from analytics.regimes import (
    REGIMES,
    Certificate,
    DutyKind,
    InYears,
    RegimeError,
    SinceLast,
    Span,
    duties_of,
    load_regimes,
    parse_regimes,
    unknown_regimes,
)
from ingest.fleet import Lift, VisitKind

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations" / "regimes.md"
OWN = """
regimes:
  - name: HOUSE
    title: "Our own: a visit every 10 days"
    duties:
      - kind: maintenance
        since_last: {period: {days: 10}, resets_on: [maintenance, repair]}
        early: {days: 2}
        sources: [house rule 7]
"""


def test_the_seed_regime_owes_a_visit_in_fifteen_days_and_a_certificate() -> None:
    visit, inspection = duties_of(Lift(lift_id="L1", regime="CN-2012"))
    assert visit.due == SinceLast(period=Span(days=15), resets_on=frozenset({VisitKind.MAINTENANCE}))
    assert (visit.kind, visit.early, visit.blocks_use) == (DutyKind.MAINTENANCE, Span(days=3), None)
    assert (inspection.kind, inspection.due) == (DutyKind.INSPECTION, Certificate())
    assert (inspection.early, inspection.blocks_use) == (Span(months=1), "IN-05")
    assert (visit.name, inspection.name) == (None, None), "their alerts and orders keep their keys"


@pytest.mark.parametrize("regime", [None, "Atlantis-1900"])
def test_without_a_known_regime_nothing_is_owed(regime: str | None) -> None:
    assert duties_of(Lift(lift_id="L1", regime=regime)) == ()


def test_regimes_that_nobody_knows_are_named() -> None:
    warnings = unknown_regimes(["CN-2012", "Z", "A", "A"])
    assert [warning.split(",")[0] for warning in warnings] == ["regime A is not known", "regime Z is not known"]
    assert "CN-2012" in warnings[0]


def test_every_regime_is_found_by_its_own_name_and_names_its_rules() -> None:
    for name, regime in REGIMES.items():
        assert regime.name == name
        assert regime.duties
        assert all(duty.sources for duty in regime.duties)


def test_no_figure_that_nobody_confirmed_is_given_as_a_standards() -> None:
    assert not any("[U]" in source for regime in REGIMES.values() for duty in regime.duties for source in duty.sources)


def test_every_regime_stands_in_the_documentation() -> None:
    text = DOCUMENT.read_text()
    assert [name for name in REGIMES if f"| `{name}` |" not in text] == []
    names = {duty.name for regime in REGIMES.values() for duty in regime.duties if duty.name}
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_year_of_the_chinese_rule_has_an_inspection_or_a_self_test() -> None:
    years = [duty.due.years for duty in REGIMES["CN-2023"].duties if isinstance(duty.due, InYears)]
    assert sorted(year for each in years for year in each) == list(range(1, 16))


def test_an_owners_regimes_come_beside_the_shipped_ones_or_in_their_place(tmp_path: Path) -> None:
    file = tmp_path / "regimes.yaml"
    file.write_text(OWN)
    assert set(load_regimes(file)) == {*REGIMES, "HOUSE"}
    file.write_text(OWN.replace("HOUSE", "FR"))
    assert load_regimes(file)["FR"].title.startswith("Our own")
    (duty,) = duties_of(Lift(lift_id="L1", regime="FR"), load_regimes(file))
    assert duty.sources == ("house rule 7",)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("since_last: {period: {days: 10}, resets_on: [maintenance, repair]}", "certificate: false", "tells the day"),
        ("resets_on: [maintenance, repair]", "resets_on: [prayer]", "prayer"),
        ("resets_on: [maintenance, repair]", "resets_on: []", "names no kind of visit"),
        ("resets_on: [maintenance, repair]", "resets_on: [repair], about: doors", "needs a name"),
        ("period: {days: 10}", "period: {}", "at least a day"),
        ("early: {days: 2}", "early: {days: 10}", "as long as a period"),
        ("early: {days: 2}", "early: {days: -2}", ">= 0"),
        ("sources: [house rule 7]", "sources: []", "sources"),
        ("kind: maintenance", "kind: blessing", "blessing"),
        ("kind: maintenance", "kind: maintenance\n        colour: red", "colour"),
        ("since_last: {period: {days: 10}", "in_years: {years: [3, 2]", "years rise"),
        ("- name: HOUSE", "- nom: HOUSE", "nom"),
        ("regimes:", "rules:", "rules"),
        ("regimes:", "regimes: [", "regimes.yaml"),
    ],
)
def test_a_regime_that_cannot_be_kept_is_refused_with_its_place(old: str, new: str, fault: str) -> None:
    assert old in OWN
    with pytest.raises(RegimeError, match=r"regimes\.yaml") as refused:
        parse_regimes("regimes.yaml", OWN.replace(old, new))
    assert fault in str(refused.value)


def test_every_fault_is_named_at_once() -> None:
    twice = OWN + OWN.partition("regimes:")[2].replace("days: 10", "days: 0").replace("[house rule 7]", "[]")
    worse = twice + OWN.partition("regimes:")[2] + OWN.partition("regimes:")[2].replace("days: 2", "days: 20")
    with pytest.raises(RegimeError) as refused:
        parse_regimes("own.yaml", worse)
    told = str(refused.value)
    assert told.count("own.yaml") == 5
    assert "two of that name" in told


def test_two_duties_of_a_kind_need_names() -> None:
    duty = OWN[OWN.index("      - kind") :]
    with pytest.raises(RegimeError, match="HOUSE: two duties are maintenance; give them names"):
        parse_regimes("own.yaml", OWN + duty)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegimeError, match=r"missing\.yaml"):
        load_regimes(tmp_path / "missing.yaml")


def test_a_lift_has_a_day_of_commissioning_where_a_rule_by_year_is_to_work() -> None:
    lift = Lift(lift_id="L1", regime="CN-2023", commissioned_on=date(2020, 5, 1))
    assert [duty.name for duty in duties_of(lift)] == [None, "periodic-inspection", "self-test", "governor-check"]
