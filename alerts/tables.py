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
)
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
)
