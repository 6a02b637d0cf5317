from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.contracts import ContractClock, ContractsError, Terms, load_contracts, terms
from alerts.work_orders import OrderKind
from tests.unit.alerts.parts import NOON, at

NORTH = ContractClock(contractor="North", arrive_within_min=50)
TOWER = ContractClock(site_id="Tower", arrive_within_min=40, warn_before_min=5, escalate_to="duty manager")
RESCUES = ContractClock(kind=OrderKind.RESCUE, arrive_within_min=20)


def minutes(*clocks: ContractClock, contractor: str | None = "North", site_id: str | None = "Tower") -> int | None:
    return terms(clocks, contractor, site_id, "repair", 2, otherwise_min=60).arrive_within_min


def test_without_a_contract_the_rule_holds() -> None:
    assert minutes() == 60
    assert terms([], None, None, "repair", 2, otherwise_min=None).arrive_within_min is None


def test_a_line_for_the_site_comes_before_one_for_the_contractor() -> None:
    assert minutes(NORTH) == 50
    assert minutes(TOWER, NORTH) == minutes(NORTH, TOWER) == 40
    assert minutes(NORTH, TOWER, site_id="Mill") == 50
    assert minutes(NORTH, TOWER, site_id="Mill", contractor="South") == 60


def test_a_line_for_a_kind_or_a_priority_is_for_no_other() -> None:
    assert minutes(RESCUES) == 60
    assert minutes(ContractClock(priority=1, arrive_within_min=30)) == 60
    assert minutes(NORTH, ContractClock(contractor="North", priority=2, arrive_within_min=30)) == 30


def test_a_line_may_say_only_who_is_told() -> None:
    told = terms([ContractClock(escalate_to="Olga")], None, None, "repair", 2, otherwise_min=60)
    assert (told.arrive_within_min, told.escalate_to) == (60, "Olga")


def test_a_clock_is_about_to_break_after_two_thirds_of_its_time_or_when_the_contract_says() -> None:
    assert Terms(arrive_within_min=30).warn_at(NOON, at(1_800)) == at(1_200)
    assert Terms(arrive_within_min=30, warn_before_min=5).warn_at(NOON, at(1_800)) == at(1_500)
    assert Terms(arrive_within_min=5, warn_before_min=20).warn_at(NOON, at(300)) == NOON


clocks = st.builds(
    ContractClock,
    contractor=st.sampled_from([None, "North", "South"]),
    site_id=st.sampled_from([None, "Tower"]),
    kind=st.sampled_from([None, *OrderKind]),
    priority=st.sampled_from([None, 1, 2]),
    arrive_within_min=st.integers(1, 100),
)


@given(st.lists(clocks, max_size=8, unique_by=lambda clock: clock.key), st.randoms())
def test_the_order_of_the_lines_does_not_matter(lines: list[ContractClock], random: object) -> None:
    before = terms(lines, "North", "Tower", "repair", 1, otherwise_min=60)
    random.shuffle(lines)  # type: ignore[attr-defined]
    assert terms(lines, "North", "Tower", "repair", 1, otherwise_min=60) == before


def test_liftwatch_ships_no_contract() -> None:
    assert load_contracts() == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("clocks: [", "own.yaml"),
        ("clocks: [{contractor: North, arrive_within_min: 0}]", "arrive_within_min"),
        ("clocks: [{contractor: North, minutes: 5}]", "unknown field"),
        ("clocks: [{kind: prayer}]", "Invalid enum value 'prayer'"),
        ("clocks: [{kind: repair, priority: 2}, {kind: repair, priority: 2}]", "two lines for repair, 2"),
        ("clocks: [{arrive_within_min: 20, warn_before_min: 20}]", "warn_before_min 20 is not below 20"),
    ],
)
def test_a_file_that_holds_no_contracts_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(ContractsError, match=fault) as refused:
        load_contracts(own)
    assert "own.yaml" in str(refused.value)
