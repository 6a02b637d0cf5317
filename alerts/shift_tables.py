"""The tables of the monitoring centre's shifts: what was written down, handed over and looked at."""

import sqlalchemy as sa

from ingest.database import Instant, metadata

shift_entry = sa.Table(
    "shift_entry",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("lift_id", sa.String(64)),
    sa.Column("alert_id", sa.Integer),
    sa.Column("work_order_id", sa.Integer),
)
handover = sa.Table(
    "handover",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # 1 while it waits to be confirmed, NULL afterwards: two cannot wait.
    sa.Column("open_key", sa.Integer, unique=True),
    sa.Column("handed_at", Instant, nullable=False),
    sa.Column("outgoing", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # What stood then: alerts, cases, orders with a clock.
    sa.Column("standing", sa.JSON, nullable=False),
    # When somebody is told that nobody has confirmed it; NULL: it was confirmed, or told.
    sa.Column("due_at", Instant, index=True),
    sa.Column("confirmed_at", Instant),
    sa.Column("incoming", sa.Text),
    sa.Column("remark", sa.Text),
)
round_record = sa.Table(
    "round_record",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("day", sa.Date, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("checks", sa.JSON, nullable=False),
    sa.Column("note", sa.Text),
)
