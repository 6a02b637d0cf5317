"""Escalation chains; the shift log with its hand-overs and rounds."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0007"
down_revision = "alerts_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of escalation and of the shift."""
    op.create_table(
        "chain",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("priorities", sa.JSON, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("removed_at", Instant),
    )
    op.create_table(
        "escalation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("chain_id", sa.Integer, sa.ForeignKey("chain.id"), nullable=False),
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id"), nullable=False, index=True),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("due_at", Instant, index=True),
        sa.Column("steps_taken", sa.Integer, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("end_reason", sa.String(200)),
        sa.UniqueConstraint("chain_id", "alert_id"),
    )
    op.create_table(
        "shift_entry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("lift_id", sa.String(64)),
        sa.Column("alert_id", sa.Integer),
        sa.Column("work_order_id", sa.Integer),
    )
    op.create_table(
        "handover",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("open_key", sa.Integer, unique=True),
        sa.Column("handed_at", Instant, nullable=False),
        sa.Column("outgoing", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("standing", sa.JSON, nullable=False),
        sa.Column("due_at", Instant, index=True),
        sa.Column("confirmed_at", Instant),
        sa.Column("incoming", sa.Text),
        sa.Column("remark", sa.Text),
    )
    op.create_table(
        "round_record",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("day", sa.Date, nullable=False, index=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("checks", sa.JSON, nullable=False),
        sa.Column("note", sa.Text),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in ("round_record", "handover", "shift_entry", "escalation", "chain"):
        op.drop_table(table)
