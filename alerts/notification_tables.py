"""The tables of notifications: who wants to be told what, and how each of them was told."""

import sqlalchemy as sa

from ingest.database import Instant, metadata

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("team", sa.String(200)),
    # A URL, an address or nothing, as the channel needs it.
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("secret", sa.Text),
    sa.Column("previous_secret", sa.Text),
    sa.Column("previous_secret_until", Instant),
    sa.Column("topics", sa.JSON, nullable=False),
    sa.Column("priority_max", sa.Integer),
    sa.Column("sites", sa.JSON, nullable=False),
    sa.Column("contractors", sa.JSON, nullable=False),
    sa.Column("quiet_from", sa.String(5)),
    sa.Column("quiet_to", sa.String(5)),
    sa.Column("time_zone", sa.String(64)),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("removed_at", Instant),
    # How its lane stands: failures in a row, since when, when it is tried again, and who serves it until when.
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_since", Instant),
    sa.Column("gave_up_at", Instant),
    sa.Column("resume_at", Instant),
    sa.Column("lane_until", Instant),
    sa.Column("lane_token", sa.String(40)),
)
notification = sa.Table(
    "notification",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("outbox_id", sa.ForeignKey("outbox.id"), nullable=False),
    sa.Column("subscription_id", sa.ForeignKey("subscription.id"), nullable=False),
    # The same in every attempt, so that a receiver knows what it has had.
    sa.Column("message_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("next_at", Instant),
    sa.Column("first_attempt_at", Instant),
    sa.Column("last_attempt_at", Instant),
    sa.Column("delivered_at", Instant),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.UniqueConstraint("outbox_id", "subscription_id"),
    sa.Index(None, "subscription_id", "state", "next_at"),
)
# Who is told, step by step, of an alert that nobody has acknowledged.
chain = sa.Table(
    "chain",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("priorities", sa.JSON, nullable=False),
    sa.Column("steps", sa.JSON, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("removed_at", Instant),
)
# How far a chain has come for one alert; `due_at` is when its next step is taken, NULL: it has ended.
escalation = sa.Table(
    "escalation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("chain_id", sa.ForeignKey("chain.id"), nullable=False),
    sa.Column("alert_id", sa.ForeignKey("alert.id"), nullable=False, index=True),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("due_at", Instant, index=True),
    sa.Column("steps_taken", sa.Integer, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("end_reason", sa.String(200)),
    sa.UniqueConstraint("chain_id", "alert_id"),
)
