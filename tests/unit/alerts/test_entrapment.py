import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alerts.alert import IllegalTransitionError
from alerts.entrapment import (
    Certainty,
    EntrapmentCase,
    Signs,
    Stage,
    StageEntry,
    is_surer,
    judge,
    require_legal,
    warnings,
    with_people,
)
from alerts.rescue_aid import Facts
from tests.unit.alerts.parts import at


def case(*stages: Stage, people: tuple[str, ...] = (), closed_s: float | None = None) -> EntrapmentCase:
    return EntrapmentCase(
        id=1,
        lift_id="A1",
        certainty=Certainty.SUSPECTED,
        floor=3,
        opened_at=at(0),
        received_at=at(0),
        answer_by=at(300),
        arrive_by=at(1_800),
        alert_id=None,
        work_order_id=None,
        reported_free_at=None,
        people=list(people),
        facts=Facts(),
        outcome=None,
        closed_at=None if closed_s is None else at(closed_s),
        stages=[StageEntry(stage, at(10), "Olga", None) for stage in (Stage.RECEIVED, *stages)],
    )


@pytest.mark.parametrize(
    ("signs", "certainty"),
    [
        (Signs(entrapment=at(5)), Certainty.REPORTED),
        (Signs(alarm=at(5), outside=at(1), passengers=True), Certainty.CONCLUDED),
        (Signs(alarm=at(5), outside=at(1)), Certainty.SUSPECTED),
        (Signs(alarm=at(5), outside=at(1), passengers=False), Certainty.SUSPECTED),
        (Signs(alarm=at(5), passengers=True), None),
        (Signs(outside=at(5), passengers=True), None),
        (Signs(), None),
    ],
)
def test_how_sure_an_entrapment_is_follows_from_the_signs(signs: Signs, certainty: Certainty | None) -> None:
    assert judge(signs, None) is certainty


def test_signs_from_before_the_last_case_was_closed_open_no_other() -> None:
    signs = Signs(entrapment=at(5), alarm=at(6), outside=at(4), passengers=True)
    assert judge(signs, at(6)) is None
    assert judge(structs.replace(signs, alarm=at(7)), at(6)) is Certainty.CONCLUDED
    assert judge(structs.replace(signs, entrapment=at(7)), at(6)) is Certainty.REPORTED


def test_surer_is_an_order() -> None:
    assert is_surer(Certainty.REPORTED, Certainty.CONCLUDED)
    assert is_surer(Certainty.CONCLUDED, Certainty.SUSPECTED)
    assert not is_surer(Certainty.SUSPECTED, Certainty.SUSPECTED)


def test_a_case_is_closed_only_when_somebody_has_confirmed_that_everybody_is_out() -> None:
    with pytest.raises(IllegalTransitionError, match="everybody is out"):
        require_legal(case(Stage.ARRIVED), Stage.CLOSED, note="done", nobody_trapped=False)
    require_legal(case(Stage.RELEASED), Stage.CLOSED, note=None, nobody_trapped=False)


def test_a_case_in_which_nobody_was_trapped_is_closed_with_a_reason() -> None:
    with pytest.raises(IllegalTransitionError, match="reason"):
        require_legal(case(), Stage.CLOSED, note="  ", nobody_trapped=True)
    require_legal(case(), Stage.CLOSED, note="pressed by mistake", nobody_trapped=True)
    with pytest.raises(IllegalTransitionError, match="nobody_trapped"):
        require_legal(case(), Stage.ARRIVED, note="x", nobody_trapped=True)


@given(
    stages=st.sets(st.sampled_from([stage for stage in Stage if stage is not Stage.RECEIVED])),
    to=st.sampled_from(Stage),
    is_closed=st.booleans(),
)
def test_no_stage_is_set_twice_and_none_after_the_end(stages: set[Stage], to: Stage, *, is_closed: bool) -> None:
    known = case(*stages, closed_s=99 if is_closed else None)
    try:
        require_legal(known, to, note="said", nobody_trapped=False)
    except IllegalTransitionError:
        return
    assert not is_closed
    assert to not in {Stage.RECEIVED, *stages}
    assert to is not Stage.CLOSED or Stage.RELEASED in stages


def test_the_furthest_stage_counts_whenever_it_was_told() -> None:
    assert case(Stage.ARRIVED, Stage.ANSWERED).stage is Stage.ARRIVED
    assert case().at(Stage.ARRIVED) is None


def test_one_person_on_the_way_is_a_warning_and_holds_nothing_up() -> None:
    (warning,) = warnings(case(Stage.DISPATCHED, people=("Ines",)))
    assert "1 of 2 certificated people" in warning
    assert "WO-02" in warning
    assert warnings(case(Stage.DISPATCHED, people=("Ines", "Juan"))) == []
    assert warnings(case()) == [], "nobody was sent yet"


def test_people_are_named_once_and_are_not_without_number() -> None:
    assert with_people(["Ines"], ["Juan", "Ines"]) == ["Ines", "Juan"]
    assert len(with_people([], [str(number) for number in range(50)])) == 10
