"""What the API takes and tells of silence: shelves, check-ins, what is out of service, groups of alerts."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from alerts.floods import Group
from alerts.quiet import Source
from alerts.shelving import MINUTES_MAX, MINUTES_OFFERED, Shelf
from alerts.taken_out import SuppressionEntry
from api.bodies import AlertKindName, Instant, LiftId, Name, Note, Taken
from api.schemas import Page

_MINUTES = f"Offered are {', '.join(map(str, MINUTES_OFFERED))}; priority 1 at most 480."


class ShelfOrder(Taken):
    """Who puts an alert aside, why, and for how long."""

    by: Name
    note: Note
    minutes: Annotated[int, Field(ge=1, le=MINUTES_MAX, description=_MINUTES)]


class CheckIn(Taken):
    """Who works at a lift until when: its alerts are recorded meanwhile and do not ring. At most 12 h."""

    lift_id: LiftId
    until: Instant
    by: Name
    note: Note | None = None


class OutOfService(Taken):
    """Who takes a lift, or one kind of its alerts, out of the alarm system, and why; `until` null: without an end."""

    lift_id: LiftId
    kind: AlertKindName | None = None
    until: Instant | None = None
    by: Name
    note: Note


class SuppressionView(BaseModel):
    """Why alerts of a lift are silent. `kinds` null: all but those about people. `stale`: without an end for a week."""

    id: int
    lift_id: str
    source: Source
    kinds: list[str] | None
    alert_id: int | None
    since: datetime
    until: datetime | None
    by: str
    note: str | None
    ended_at: datetime | None
    ended_by: str | None
    end_note: str | None
    stale: bool


class SuppressionPage(Page[SuppressionView]):
    """Suppressions, newest first."""


class ShelfView(BaseModel):
    """A cause that is put aside, and what has happened meanwhile. `alert_id` is the alert that was shelved."""

    alert_id: int
    shelved_at: datetime
    until: datetime
    by: str
    reason: str
    repeats: int
    clears: int
    returns: int


class ShelfPage(Page[ShelfView]):
    """Shelves, by the end of their time."""


class GroupView(BaseModel):
    """Open alerts that ring, of one site and kind; `priority` is that of the most urgent."""

    site_id: str | None
    kind: str
    priority: Annotated[int, Field(ge=1, le=4)]
    alerts: int
    unacknowledged: int
    newest_at: datetime


class GroupPage(Page[GroupView]):
    """Groups of alerts, the most urgent first, then the largest; `flood`: there are more than can be handled."""

    flood: bool


def suppression_view(entry: SuppressionEntry, now: datetime) -> SuppressionView:
    """Return a suppression as of `now`."""
    values = {name: getattr(entry, name) for name in SuppressionEntry.__struct_fields__}
    return SuppressionView(**values, stale=entry.is_stale(now))


def shelf_view(shelf: Shelf) -> ShelfView:
    """Return a shelf."""
    return ShelfView.model_validate(shelf, from_attributes=True)


def group_view(group: Group) -> GroupView:
    """Return a group."""
    return GroupView.model_validate(group, from_attributes=True)
