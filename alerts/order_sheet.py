"""The sheet of a work order: checks, parts, files, and the signatures under it. Each call is one transaction.

What was signed stands; a correction is a remark beside it.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import order_entries, paper_entries
from alerts.alert import IllegalTransitionError
from alerts.checklists import NEEDS_NOTE, SCOPES, CheckEntry, CheckResult, check_book
from alerts.journal import Journal
from alerts.order_entries import required
from alerts.order_papers import (
    PARTS_MAX,
    OrderFile,
    Papers,
    Part,
    Role,
    Signature,
    content_sha256,
    fault_of_file,
    signed_error,
)
from alerts.work_orders import OrderState, UnknownWorkOrderError, WorkOrder

_CAN_SIGN = frozenset({OrderState.DONE, OrderState.VERIFIED, OrderState.CLOSED})
_ENDED = frozenset({OrderState.CLOSED, OrderState.CANCELLED})


class UnknownFileError(LookupError):
    """The order holds no file of that number."""


class CheckFound(Struct, frozen=True, kw_only=True):
    """What came of one check, as a person fills it in."""

    code: str
    result: CheckResult
    as_found: float | None = None
    as_left: float | None = None
    note: str | None = None


class WorkSheet:
    """Takes what people record of the work on an order."""

    def __init__(self, journal: Journal) -> None:
        """Write into `journal`."""
        self._journal = journal

    def papers(self, order_id: int) -> tuple[WorkOrder, Papers]:
        """Return an order and everything that is recorded of it.

        Raises:
            UnknownWorkOrderError: no such order.
        """
        order = self._journal.work_order(order_id)
        if order is None:
            raise UnknownWorkOrderError(order_id)
        with self._journal.reading() as connection:
            return order, paper_entries.papers_of(connection, order_id)

    def fill_in(
        self, order_id: int, found: Sequence[CheckFound], by: str, now: datetime, *, scope: str | None = None
    ) -> tuple[WorkOrder, Papers]:
        """Fill in some checks of an order's list; the others stay as they are. `scope` says how far a maintenance goes.

        Raises:
            UnknownWorkOrderError: no such order.
            IllegalTransitionError: it is signed or cancelled, there is no such check, or a reason is lacking.
        """
        with self._journal.writing() as connection:
            order = _changeable(connection, order_id)
            if scope is not None and scope not in SCOPES:
                message = f"no such scope: {scope}; there are {', '.join(SCOPES)}"
                raise IllegalTransitionError(message)
            order = structs.replace(order, scope=scope or order.scope)
            entries = [_entry(order, one, by, now) for one in found]
            for entry in entries:
                paper_entries.put_check(connection, order_id, entry)
            words = "; ".join(_told(entry) for entry in entries)
            order_entries.change_order(connection, order_id, scope=order.scope)
            order_entries.note_order(connection, order_id, now, by, "checked", words or f"scope {scope}")
            return required(connection, order_id), paper_entries.papers_of(connection, order_id)

    def use_part(
        self,
        order_id: int,
        by: str,
        now: datetime,
        *,
        name: str,
        part_number: str | None,
        quantity: float,
        note: str | None,
    ) -> Part:
        """Write down a part that was used.

        Raises:
            UnknownWorkOrderError: no such order.
            IllegalTransitionError: it is signed or cancelled, or holds too many.
        """
        with self._journal.writing() as connection:
            _changeable(connection, order_id)
            if len(paper_entries.papers_of(connection, order_id).parts) >= PARTS_MAX:
                message = f"an order holds at most {PARTS_MAX} parts"
                raise IllegalTransitionError(message)
            fields = {"name": name, "part_number": part_number, "quantity": quantity, "note": note}
            part = paper_entries.add_part(connection, order_id, **fields, by=by, at=now)
            order_entries.change_order(connection, order_id)
            order_entries.note_order(connection, order_id, now, by, "part-used", f"{quantity:g} x {name}")
            return part

    def attach(self, order_id: int, content: bytes, by: str, now: datetime, *, name: str, media_type: str) -> OrderFile:
        """Keep a photo or document with an order; the same content again changes nothing.

        Raises:
            UnknownWorkOrderError: no such order.
            IllegalTransitionError: it is signed or cancelled, or the file is not taken.
        """
        with self._journal.writing() as connection:
            _changeable(connection, order_id)
            files = paper_entries.papers_of(connection, order_id).files
            fault = fault_of_file(content, media_type, files)
            if fault is not None:
                raise IllegalTransitionError(fault)
            kept = paper_entries.add_file(
                connection, order_id, content, name=name, media_type=media_type, by=by, at=now
            )
            if kept not in files:
                order_entries.change_order(connection, order_id)
                order_entries.note_order(connection, order_id, now, by, "file-added", f"{name}, sha256 {kept.sha256}")
            return kept

    def file(self, order_id: int, file_id: int) -> tuple[OrderFile, bytes]:
        """Return a file of an order and its content.

        Raises:
            UnknownFileError: the order has no such file.
        """
        with self._journal.reading() as connection:
            found = paper_entries.content_of(connection, order_id, file_id)
        if found is None:
            message = f"no file {file_id} of work order {order_id}"
            raise UnknownFileError(message)
        return found

    def sign(
        self, order_id: int, role: Role, name: str, now: datetime, *, image_file_id: int | None = None
    ) -> Signature:
        """Sign for an order as it is; from then on what was recorded stands.

        Raises:
            UnknownWorkOrderError: no such order.
            IllegalTransitionError: the work is not done, somebody has signed in that role, or there is no such image.
        """
        with self._journal.writing() as connection:
            order = required(connection, order_id)
            if order.state not in _CAN_SIGN:
                message = f"a work order that is {order.state.value} cannot be signed: the work is not done"
                raise IllegalTransitionError(message)
            papers = paper_entries.papers_of(connection, order_id)
            if image_file_id is not None and image_file_id not in {one.id for one in papers.files}:
                message = f"no file {image_file_id} of this order"
                raise IllegalTransitionError(message)
            sha256 = content_sha256(order, papers)
            signature = Signature(role=role, name=name, at=now, content_sha256=sha256, image_file_id=image_file_id)
            if not paper_entries.add_signature(connection, order_id, signature):
                message = f"the {role.value} has signed already"
                raise IllegalTransitionError(message)
            order_entries.change_order(connection, order_id, signed_at=order.signed_at or now)
            words = f"as {role.value}, content sha256 {sha256}"
            order_entries.note_order(connection, order_id, now, name, "signed", words)
            return signature


def _changeable(connection: Connection, order_id: int) -> WorkOrder:
    order = required(connection, order_id)
    if order.signed_at is not None:
        raise signed_error(order)
    if order.state in _ENDED:
        message = f"a work order that is {order.state.value} is not changed; a remark can be added"
        raise IllegalTransitionError(message)
    return order


def _entry(order: WorkOrder, one: CheckFound, by: str, now: datetime) -> CheckEntry:
    check = check_book().by_code(order.kind, order.scope).get(one.code)
    if check is None:
        message = f"there is no check {one.code} in the list of this order"
        raise IllegalTransitionError(message)
    if one.result in NEEDS_NOTE and not (one.note and one.note.strip()):
        message = f"{one.code}: {one.result.value} needs a reason (note)"
        raise IllegalTransitionError(message)
    if check.unit is None and (one.as_found is not None or one.as_left is not None):
        message = f"{one.code} has no value"
        raise IllegalTransitionError(message)
    left = one.as_left if one.as_left is not None else one.as_found
    return CheckEntry(
        code=one.code,
        text=check.text,
        result=one.result,
        as_found=one.as_found,
        as_left=one.as_left,
        unit=check.unit,
        out_of_limits=check.is_out_of_limits(left),
        note=one.note,
        by=by,
        at=now,
    )


def _told(entry: CheckEntry) -> str:
    values = [
        f"{name} {value:g} {entry.unit}"
        for name, value in (("found", entry.as_found), ("left", entry.as_left))
        if value is not None
    ]
    parts = [f"{entry.code} {entry.result.value}", *values, entry.out_of_limits and "out of limits", entry.note]
    return ", ".join(part for part in parts if part)
