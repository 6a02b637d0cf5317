import itertools

import pytest

from alerts.checklists import SCOPES, TRIP_CODE, Check, check_book
from alerts.work_orders import OrderKind

BOOK = check_book()


@pytest.mark.parametrize(("scope", "count"), [(None, 31), *zip(SCOPES, (31, 44, 59, 76), strict=True)])
def test_a_maintenance_has_as_many_checks_as_the_rule_counts(scope: str | None, count: int) -> None:
    checks = BOOK.checks(OrderKind.MAINTENANCE, scope)
    assert len(checks) == count
    assert len({check.code for check in checks}) == count


def test_each_scope_holds_those_before_it() -> None:
    lists = [{check.code for check in BOOK.checks(OrderKind.MAINTENANCE, scope)} for scope in SCOPES]
    assert all(before < after for before, after in itertools.pairwise(lists))


def test_an_inspection_is_prepared_with_no_fewer_checks_than_a_year_has() -> None:
    year = {check.code for check in BOOK.checks(OrderKind.MAINTENANCE, "year")}
    assert year < {check.code for check in BOOK.checks(OrderKind.INSPECTION_PREPARATION, None)}


@pytest.mark.parametrize("kind", list(OrderKind))
def test_every_kind_of_order_has_a_list_and_every_code_is_there_once(kind: OrderKind) -> None:
    checks = [*BOOK.checks(kind, "year"), *BOOK.leaving(kind)]
    assert len(checks) >= 6
    assert len(BOOK.by_code(kind, "year")) == len(checks)


def test_a_lift_is_handed_back_with_a_check_out_but_after_a_rescue_it_stays_as_it_is() -> None:
    assert TRIP_CODE in {check.code for check in BOOK.leaving(OrderKind.REPAIR)}
    assert BOOK.leaving(OrderKind.RESCUE) == []


def test_every_limit_has_a_unit_and_a_source() -> None:
    checks = [check for one in BOOK.lists for check in one.items]
    limited = [check for check in checks if check.limits is not None]
    assert {check.code for check in limited} == {"A-1-1", "A-1-23", "A-1-29", "R-6"}
    assert all(check.unit and check.limits_source for check in limited)


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [((-10, 10), [-10, 0, 10], [-10.1, 10.1]), ((7, None), [7, 70], [6.9]), ((None, 3), [-99, 3], [3.1])],
)
def test_a_value_on_the_limit_is_inside(
    limits: tuple[float | None, float | None], inside: list[float], outside: list[float]
) -> None:
    check = Check(code="X", text="x", unit="mm", limits=limits)
    assert not any(check.is_out_of_limits(value) for value in [*inside, None])
    assert all(check.is_out_of_limits(value) for value in outside)


def test_where_there_is_no_limit_no_value_is_outside() -> None:
    assert not Check(code="X", text="x", unit="mm").is_out_of_limits(10**9)
