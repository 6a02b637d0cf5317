"""Alerts, work orders, their histories; conditions, contacts, the newest assessment applied."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0001"
down_revision = None
branch_labels = ("alerts",)
depends_on = ("ingest_0001",)


def upgrade() -> None:
    """Make the tables of the alerts room."""
    op.create_table(
        "work_order",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.String(40), unique=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("cause", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("open_key", sa.String(320), unique=True),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("arrive_by", Instant),
        sa.Column("arrived_at", Instant),
        sa.Column("done_at", Instant),
        sa.Column("closed_at", Instant),
        sa.Column("cause_code", sa.String(200)),
        sa.Column("assigned_to", sa.Text),
        sa.Column("recurrence_of", sa.Integer, sa.ForeignKey("work_order.id")),
        sa.Column("message", sa.Text, nullable=False),
    )
    _create_history("work_order")
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("code", sa.String(200)),
        sa.Column("cause", sa.String(200), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(30), nullable=False, index=True),
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
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), index=True),
        sa.Column("repeats", sa.Integer, nullable=False),
    )
    _create_history("alert")
    op.create_table(
        "condition",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("boot", sa.String(64)),
        sa.Column("seq", sa.BigInteger),
    )
    op.create_table(
        "contact",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("last_message_at", Instant, nullable=False),
        sa.Column("connected", sa.Boolean, nullable=False),
        sa.Column("due_at", Instant, index=True),
    )
    op.create_table(
        "applied_assessment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("as_of", Instant, nullable=False),
    )


def _create_history(of: str) -> None:
    op.create_table(
        f"{of}_history",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(f"{of}_id", sa.Integer, sa.ForeignKey(f"{of}.id"), nullable=False, index=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("note", sa.Text),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in (
        "applied_assessment",
        "contact",
        "condition",
        "alert_history",
        "alert",
        "work_order_history",
        "work_order",
    ):
        op.drop_table(table)
