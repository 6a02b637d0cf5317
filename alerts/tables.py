"""The tables of the alerts room: what the journal reads and the desk writes.

No foreign key leads to the register: an entrapment is written down whatever the register says of its lift.
"""

import sqlalchemy as sa

from ingest.database import Instant, metadata

alert = sa.Table(
    "alert",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("code", sa.String(200)),
    sa.Column("cause", sa.String(200), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("state", sa.String(30), nullable=False, index=True),
    # lift, kind and code while the alert is active, NULL afterwards: two active ones cannot be.
    sa.Column("open_key", sa.String(320), unique=True),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("cleared_at", Instant),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("guidance", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), index=True),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("shelved_until", Instant),
    sa.Column("shelved_by", sa.Text),
    sa.Column("shelve_reason", sa.Text),
    sa.Column("suppressed_by", sa.String(200)),
    sa.Column("out_of_service", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("chattering", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("rang", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("remind_after_min", sa.Integer),
    # NULL: nobody needs to be reminded.
    sa.Column("remind_at", Instant, index=True),
    sa.Column("reminders", sa.Integer, nullable=False, server_default="0"),
)
sa.Index("ix_alert_received_at", alert.c.received_at)
_OPEN = "open_key IS NOT NULL"
sa.Index("ix_alert_open", alert.c.kind, alert.c.lift_id, sqlite_where=sa.text(_OPEN), postgresql_where=sa.text(_OPEN))
# What an open alert that may be silent has; said in the same words by the index, so that databases see that it serves.
IS_SILENT = sa.text(
    "alert.open_key IS NOT NULL"
    " AND (alert.suppressed_by IS NOT NULL OR alert.out_of_service OR alert.shelved_until IS NOT NULL)"
)
_SILENT = IS_SILENT.text.replace("alert.", "")
sa.Index("ix_alert_silent", alert.c.open_key, sqlite_where=sa.text(_SILENT), postgresql_where=sa.text(_SILENT))
alert_history = sa.Table(
    "alert_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("alert_id", sa.ForeignKey("alert.id"), nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("note", sa.Text),
)
work_order = sa.Table(
    "work_order",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.String(40), unique=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("cause", sa.String(200), nullable=False),
    sa.Column("state", sa.String(20), nullable=False, index=True),
    # lift and cause while there is work to do, NULL afterwards.
    sa.Column("open_key", sa.String(320), unique=True),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("arrive_by", Instant),
    sa.Column("arrived_at", Instant),
    sa.Column("done_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("cause_code", sa.String(200)),
    sa.Column("assigned_to", sa.Text),
    sa.Column("recurrence_of", sa.ForeignKey("work_order.id")),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer),
    sa.Column("team", sa.String(200)),
    sa.Column("technicians", sa.JSON),
    sa.Column("scope", sa.String(20)),
    sa.Column("external_source", sa.String(200)),
    sa.Column("external_ref", sa.String(200), index=True),
    sa.Column("repairs_in_a_row", sa.Integer),
    sa.Column("signed_at", Instant),
    # When the arrival clock has to be looked at next; NULL: it does not run, or everything was said.
    sa.Column("clock_due_at", Instant, index=True),
    sa.Column("clock_warned_at", Instant),
    sa.Column("clock_breached_at", Instant),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
)
work_order_history = sa.Table(
    "work_order_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("note", sa.Text),
)
# The newest transition of each fault (and of the car's alarm) of a lift.
condition = sa.Table(
    "condition",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("boot", sa.String(64)),
    sa.Column("seq", sa.BigInteger),
    sa.Column("received_at", Instant),
    # The last changes, [milliseconds, active]; and how often it was over before it had lasted long enough to ring.
    sa.Column("recent", sa.JSON),
    sa.Column("passed", sa.Integer, nullable=False, server_default="0"),
)
sa.Index("ix_condition_key_active", condition.c.key, condition.c.active)
# Conditions that have to last until `due_at` before anything follows: to ring, to be over, or to be quiet again.
settling = sa.Table(
    "settling",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("due_at", Instant, nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("code", sa.String(200)),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
)
# What a person has put aside: a cause, not a single alert, so that it stays aside when it clears and returns.
shelf = sa.Table(
    "shelf",
    metadata,
    sa.Column("open_key", sa.String(320), primary_key=True),
    sa.Column("alert_id", sa.ForeignKey("alert.id"), nullable=False),
    sa.Column("shelved_at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    # When it is announced that the end is near, then the end itself.
    sa.Column("due_at", Instant, nullable=False, index=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False, server_default="0"),
    sa.Column("clears", sa.Integer, nullable=False, server_default="0"),
    sa.Column("returns", sa.Integer, nullable=False, server_default="0"),
)
# Why alerts of a lift do not ring: somebody has checked in, it is taken out of the alarm system, or a greater alert
# (`alert_id`) says it all. `kinds` NULL: every kind, but never that people are in danger.
suppression = sa.Table(
    "suppression",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("kinds", sa.JSON),
    sa.Column("alert_id", sa.ForeignKey("alert.id"), index=True),
    # What must not be there twice, NULL once it has ended.
    sa.Column("open_key", sa.String(320), unique=True),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    # When it ends by itself, or somebody is told that it still stands.
    sa.Column("due_at", Instant, index=True),
    sa.Column("ended_at", Instant),
    sa.Column("ended_by", sa.Text),
    sa.Column("end_note", sa.Text),
)
_BELOW = "ended_at IS NULL AND until IS NULL"
sa.Index(
    "ix_suppression_below",
    suppression.c.alert_id,
    sqlite_where=sa.text(_BELOW),
    postgresql_where=sa.text(_BELOW),
)
# `due_at` NULL: the lift has been called silent, and nobody needs to be told again until it speaks.
contact = sa.Table(
    "contact",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("last_message_at", Instant, nullable=False),
    sa.Column("connected", sa.Boolean, nullable=False),
    sa.Column("due_at", Instant, index=True),
)
# One row: as of when the newest assessment was that became alerts.
applied = sa.Table(
    "applied_assessment",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("as_of", Instant, nullable=False),
)
# What happened that others have to be told; `id` is the order in which it was written.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("topic", sa.String(60), nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("lift_id", sa.String(64), nullable=False),
    sa.Column("alert_id", sa.Integer),
    sa.Column("work_order_id", sa.Integer),
    sa.Column("priority", sa.Integer),
    sa.Column("body", sa.JSON, nullable=False),
    # When it became a notification for everybody who wants to be told of it; NULL: not yet.
    sa.Column("fanned_at", Instant),
    sa.Index(
        "ix_outbox_waiting",
        "id",
        sqlite_where=sa.text("fanned_at IS NULL"),
        postgresql_where=sa.text("fanned_at IS NULL"),
    ),
)
# An entrapment, from when we heard of it until a person has said that everybody is out.
entrapment_case = sa.Table(
    "entrapment_case",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    # The lift while the case is open, NULL afterwards.
    sa.Column("open_key", sa.String(64), unique=True),
    sa.Column("certainty", sa.String(20), nullable=False),
    sa.Column("floor", sa.Integer),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("answer_by", Instant, nullable=False),
    sa.Column("arrive_by", Instant, nullable=False),
    # When somebody has to be told that a clock has run out; NULL: it was met, or told.
    sa.Column("answer_due_at", Instant, index=True),
    sa.Column("arrive_due_at", Instant, index=True),
    sa.Column("alert_id", sa.ForeignKey("alert.id")),
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), index=True),
    sa.Column("reported_free_at", Instant),
    sa.Column("people", sa.JSON, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("outcome", sa.String(20)),
    sa.Column("closed_at", Instant),
)
entrapment_stage = sa.Table(
    "entrapment_stage",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.ForeignKey("entrapment_case.id"), nullable=False),
    sa.Column("stage", sa.String(20), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.UniqueConstraint("case_id", "stage"),
)
# Whether a car stands outside the landing zone, written when that changes; `facts` is what its state said then.
lift_standing = sa.Table(
    "lift_standing",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("outside", sa.Boolean, nullable=False, index=True),
    sa.Column("said_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)
# The car's alarm equipment (EN 81-28). `test_due_at` NULL: it never sent a test call, or has been called silent.
alarm_equipment = sa.Table(
    "alarm_equipment",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("last_test_at", Instant),
    sa.Column("test_due_at", Instant, index=True),
    sa.Column("filtered_since", Instant),
    sa.Column("filtered_recently", sa.Integer, nullable=False),
    sa.Column("filtered_total", sa.Integer, nullable=False),
    sa.Column("filtered_last_at", Instant),
    # When the alert about filtered presses is over, unless there are more.
    sa.Column("filtered_until", Instant, index=True),
    sa.Column("checked_at", Instant),
    sa.Column("battery_ok", sa.Boolean),
    sa.Column("voice_ok", sa.Boolean),
)
