"""What does not ring and why; conditions that must last; reminders."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0008"
down_revision = "alerts_0007"
branch_labels = None
depends_on = None

# Made anew at each use: a column belongs to one table.
_SILENCE = (
    ("shelved_until", Instant),
    ("shelved_by", sa.Text),
    ("shelve_reason", sa.Text),
    ("suppressed_by", sa.String(200)),
    ("remind_after_min", sa.Integer),
    ("remind_at", Instant),
)
_FLAGS = {"out_of_service": sa.false(), "chattering": sa.false(), "rang": sa.true()}


def upgrade() -> None:
    """Add the columns and make the tables."""
    for name, form in _SILENCE:
        op.add_column("alert", sa.Column(name, form))
    for name, default in _FLAGS.items():
        op.add_column("alert", sa.Column(name, sa.Boolean, nullable=False, server_default=default))
    op.add_column("alert", sa.Column("reminders", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_alert_remind_at", "alert", ["remind_at"])
    op.create_index("ix_alert_received_at", "alert", ["received_at"])
    op.add_column("condition", sa.Column("recent", sa.JSON))
    op.add_column("condition", sa.Column("passed", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_condition_key_active", "condition", ["key", "active"])
    op.create_table(
        "settling",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("due_at", Instant, nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("code", sa.String(200)),
        sa.Column("raised_at", Instant, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
    )
    op.create_table(
        "shelf",
        sa.Column("open_key", sa.String(320), primary_key=True),
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id"), nullable=False),
        sa.Column("shelved_at", Instant, nullable=False),
        sa.Column("until", Instant, nullable=False),
        sa.Column("due_at", Instant, nullable=False, index=True),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in ("repeats", "clears", "returns")),
    )
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("kinds", sa.JSON),
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id"), index=True),
        sa.Column("open_key", sa.String(320), unique=True),
        sa.Column("since", Instant, nullable=False),
        sa.Column("until", Instant),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("due_at", Instant, index=True),
        sa.Column("ended_at", Instant),
        sa.Column("ended_by", sa.Text),
        sa.Column("end_note", sa.Text),
    )


def downgrade() -> None:
    """Undo what `upgrade` did."""
    for table in ("suppression", "shelf", "settling"):
        op.drop_table(table)
    op.drop_index("ix_condition_key_active", "condition")
    with op.batch_alter_table("condition") as batch:
        batch.drop_column("recent")
        batch.drop_column("passed")
    op.drop_index("ix_alert_remind_at", "alert")
    op.drop_index("ix_alert_received_at", "alert")
    with op.batch_alter_table("alert") as batch:
        for name in (*(name for name, _ in _SILENCE), *_FLAGS, "reminders"):
            batch.drop_column(name)
