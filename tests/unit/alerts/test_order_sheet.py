from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts.alert import IllegalTransitionError
from alerts.checklists import CheckResult, check_book
from alerts.order_desk import Step
from alerts.order_entries import NewOrder
from alerts.order_papers import FILE_BYTES_MAX, FILES_MAX, PARTS_MAX, Role, content_sha256
from alerts.order_sheet import CheckFound, UnknownFileError
from alerts.order_tables import order_part, stored_file
from alerts.work_orders import OrderKind, OrderState, UnknownWorkOrderError, WorkOrder
from tests.unit.alerts.parts import NOON, Room, at

JPEG = b"\xff\xd8\xff\xe0 a photo"
PNG = b"\x89PNG\r\n\x1a\n a drawn name"


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine)


def opened(room: Room, kind: OrderKind = OrderKind.REPAIR) -> WorkOrder:
    new = NewOrder(lift_id="A1", kind=kind, cause="noise", opened_at=NOON, message="noise")
    return room.desk.orders.open(new)[0]


def done(room: Room, kind: OrderKind = OrderKind.REPAIR) -> WorkOrder:
    order = opened(room, kind)
    for to in ("on-site", "done"):
        order = room.desk.orders.move(order.id, Step(to=to, by="Ines", cause_code="roller"), at(60))
    return order


def fill(room: Room, order: WorkOrder, *codes: str, **found: Any) -> None:
    values: dict[str, Any] = {"result": CheckResult.OK, **found}
    room.desk.sheets.fill_in(order.id, [CheckFound(code=code, **values) for code in codes], "Ines", at(70))


def attach(room: Room, order: WorkOrder, content: bytes = JPEG, **fields: str) -> int:
    values = {"name": "lock.jpg", "media_type": "image/jpeg", **fields}
    return room.desk.sheets.attach(order.id, content, "Ines", at(80), **values).id


def use(room: Room, order: WorkOrder, name: str = "roller") -> None:
    room.desk.sheets.use_part(order.id, "Ines", at(75), name=name, part_number="R-77", quantity=2, note=None)


def sign(room: Room, order: WorkOrder, role: Role = Role.TECHNICIAN, **fields: Any) -> str:
    return room.desk.sheets.sign(order.id, role, role.value.title(), at(90), **fields).content_sha256


def test_half_a_sheet_is_kept_and_gone_on_with(room: Room) -> None:
    order = opened(room, OrderKind.MAINTENANCE)
    fill(room, order, "A-1-1", "A-1-2")
    fill(room, order, "A-1-2", result=CheckResult.MENDED)
    fill(room, order, "A-1-3")
    _, papers = room.desk.sheets.papers(order.id)
    assert [(entry.code, entry.result.value) for entry in papers.checks] == [
        ("A-1-1", "ok"),
        ("A-1-2", "mended"),
        ("A-1-3", "ok"),
    ]
    actions = [entry.action for entry in room.journal.work_order_history(order.id)]
    assert actions.count("checked") == 3


def test_a_value_out_of_its_limits_is_flagged_as_it_was_left(room: Room) -> None:
    order = opened(room, OrderKind.MAINTENANCE)
    fill(room, order, "A-1-29", as_found=5.5, as_left=7.5, result=CheckResult.MENDED)
    fill(room, order, "A-1-23", as_found=14)
    _, papers = room.desk.sheets.papers(order.id)
    assert {entry.code: entry.out_of_limits for entry in papers.checks} == {"A-1-29": False, "A-1-23": True}
    told = [entry.note for entry in room.journal.work_order_history(order.id) if entry.action == "checked"]
    assert told == ["A-1-29 mended, found 5.5 mm, left 7.5 mm", "A-1-23 ok, found 14 mm, out of limits"]


def test_a_maintenance_goes_further_when_somebody_says_so(room: Room) -> None:
    order = opened(room, OrderKind.MAINTENANCE)
    with pytest.raises(IllegalTransitionError, match="no check A-2-1"):
        fill(room, order, "A-2-1")
    room.desk.sheets.fill_in(order.id, [], "Olga", at(60), scope="quarter")
    fill(room, order, "A-2-1")
    assert room.order().scope == "quarter"
    with pytest.raises(IllegalTransitionError, match="no such scope"):
        room.desk.sheets.fill_in(order.id, [], "Olga", at(60), scope="decade")


@pytest.mark.parametrize("result", ["defect", "not-applicable", "skipped"])
def test_what_is_not_in_order_or_left_out_needs_a_reason(room: Room, result: str) -> None:
    order = opened(room)
    with pytest.raises(IllegalTransitionError, match="needs a reason"):
        fill(room, order, "R-1", result=CheckResult(result), note=" ")
    fill(room, order, "R-1", result=CheckResult(result), note="the owner has it")


def test_a_check_without_a_unit_takes_no_value(room: Room) -> None:
    with pytest.raises(IllegalTransitionError, match="R-1 has no value"):
        fill(room, opened(room), "R-1", as_found=1.0)


def test_a_refused_check_keeps_none_of_those_with_it(room: Room) -> None:
    order = opened(room)
    with pytest.raises(IllegalTransitionError):
        fill(room, order, "R-1", "R-99")
    assert room.desk.sheets.papers(order.id)[1].checks == []


def test_everything_recorded_and_signed_closes_without_a_reason(room: Room) -> None:
    order = done(room)
    fill(room, order, *(check.code for check in check_book().checks(OrderKind.REPAIR, None)))
    fill(room, order, *(check.code for check in check_book().leaving(OrderKind.REPAIR)))
    sign(room, order)
    sign(room, order, Role.OWNER)
    assert room.desk.orders.move(order.id, Step(to="closed", by="Olga"), at(100)).state is OrderState.CLOSED
    note = room.journal.work_order_history(order.id)[-1].note
    assert note == "a trip stated by Ines, not seen in telemetry"


def test_a_trip_that_the_lift_told_of_stands_in_for_a_persons_word(room: Room) -> None:
    order = done(room)
    fill(room, order, *(check.code for check in check_book().checks(OrderKind.REPAIR, None)))
    fill(room, order, "OUT-1", "OUT-2", "OUT-3")
    sign(room, order)
    sign(room, order, Role.OWNER)
    with pytest.raises(IllegalTransitionError, match="closed needs OUT-4 One normal trip after the work"):
        room.desk.orders.move(order.id, Step(to="closed", by="Olga"), at(100))
    room.desk.orders.move(order.id, Step(to="closed", by="Olga", trip_at=at(95)), at(100))
    note = room.journal.work_order_history(order.id)[-1].note
    assert note == "a trip at 2026-03-02T12:01:35+00:00 after the work"


def test_what_was_skipped_at_the_check_out_is_still_lacking(room: Room) -> None:
    order = done(room)
    fill(room, order, "OUT-1", result=CheckResult.SKIPPED, note="no time")
    with pytest.raises(IllegalTransitionError, match="OUT-1"):
        room.desk.orders.move(order.id, Step(to="closed", by="Olga"), at(100))


def test_after_the_first_signature_nothing_recorded_changes(room: Room) -> None:
    order = done(room)
    use(room, order)
    file_id = attach(room, order)
    before = sign(room, order)
    changes: list[Callable[[], object]] = [
        lambda: fill(room, order, "R-1"),
        lambda: use(room, order, "belt"),
        lambda: attach(room, order, JPEG + b"2"),
        lambda: room.desk.orders.move(order.id, Step(to="verified", by="Olga", cause_code="belt"), at(95)),
        lambda: room.desk.orders.move(order.id, Step(to="verified", by="Olga", technicians=[]), at(95)),
        lambda: room.desk.orders.move(order.id, Step(to="verified", by="Olga", assigned_to="Kim"), at(95)),
        lambda: room.desk.orders.move(order.id, Step(to="verified", by="Olga", team="South"), at(95)),
    ]
    for change in changes:
        with pytest.raises(IllegalTransitionError, match="is signed: what was recorded stands"):
            change()
    room.desk.orders.move(order.id, Step(to="verified", by="Olga"), at(95))
    room.desk.orders.remark(order.id, "Ines", at(99), "it was the left roller")
    assert sign(room, order, Role.OWNER) == before
    assert content_sha256(*room.desk.sheets.papers(order.id)) == before
    assert room.journal.work_order_history(order.id)[-2].action == "corrected"
    assert room.desk.sheets.file(order.id, file_id)[1] == JPEG


def test_a_database_that_was_changed_behind_us_no_longer_holds_what_was_signed(
    room: Room, sqlite_engine: Engine
) -> None:
    order = done(room)
    use(room, order)
    signed = sign(room, order)
    with sqlite_engine.begin() as connection:
        connection.execute(sa.update(order_part).values(quantity=1))
    assert content_sha256(*room.desk.sheets.papers(order.id)) != signed


def test_nobody_signs_for_work_that_is_not_done_or_a_second_time(room: Room) -> None:
    order = opened(room)
    with pytest.raises(IllegalTransitionError, match="the work is not done"):
        sign(room, order)
    room.desk.orders.move(order.id, Step(to="cancelled", by="Olga", note="mistake"), at(60))
    order = done(room)
    sign(room, order)
    with pytest.raises(IllegalTransitionError, match="the technician has signed already"):
        sign(room, order)


def test_a_drawn_signature_is_a_file_of_the_order(room: Room) -> None:
    order = done(room)
    with pytest.raises(IllegalTransitionError, match="no file 7"):
        sign(room, order, image_file_id=7)
    image = attach(room, order, PNG, name="owner.png", media_type="image/png")
    sign(room, order, Role.OWNER, image_file_id=image)
    assert room.desk.sheets.papers(order.id)[1].signatures[0].image_file_id == image


@pytest.mark.parametrize(
    ("content", "media_type", "fault"),
    [
        (JPEG, "image/svg+xml", "only image/jpeg, image/png, application/pdf"),
        (b"<html>", "image/jpeg", "the file is no image/jpeg"),
        (JPEG + bytes(FILE_BYTES_MAX), "image/jpeg", "at most 5242880 bytes"),
        (b"", "application/pdf", "the file is no application/pdf"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(room: Room, content: bytes, media_type: str, fault: str) -> None:
    with pytest.raises(IllegalTransitionError, match=fault):
        attach(room, opened(room), content, media_type=media_type)


def test_the_same_content_is_kept_once(room: Room, sqlite_engine: Engine) -> None:
    order = opened(room)
    assert attach(room, order) == attach(room, order, name="again.jpg")
    room.desk.orders.move(order.id, Step(to="cancelled", by="Olga", note="mistake"), at(85))
    assert attach(room, opened(room)) != 1
    with sqlite_engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(stored_file)).scalar() == 1


def test_parts_and_files_of_an_order_are_bounded(room: Room) -> None:
    order = opened(room)
    for number in range(FILES_MAX):
        attach(room, order, JPEG + bytes([number]))
    with pytest.raises(IllegalTransitionError, match="at most 20 files"):
        attach(room, order, JPEG)
    for _ in range(PARTS_MAX):
        use(room, order)
    with pytest.raises(IllegalTransitionError, match="at most 200 parts"):
        use(room, order)


def test_a_cancelled_order_takes_nothing_but_a_remark(room: Room) -> None:
    order = opened(room)
    room.desk.orders.move(order.id, Step(to="cancelled", by="Olga", note="mistake"), at(60))
    with pytest.raises(IllegalTransitionError, match="cancelled is not changed"):
        use(room, order)
    room.desk.orders.remark(order.id, "Olga", at(70), "it was lift B2")
    assert room.journal.work_order_history(order.id)[-1].action == "commented"


def test_what_does_not_exist_is_named(room: Room) -> None:
    with pytest.raises(UnknownWorkOrderError):
        room.desk.sheets.papers(9)
    with pytest.raises(UnknownFileError, match="no file 3 of work order 9"):
        room.desk.sheets.file(9, 3)
