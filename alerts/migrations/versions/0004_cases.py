"""Entrapment cases with their stages, how lifts stand, and the car's alarm equipment."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0004"
down_revision = "alerts_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "entrapment_case",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("open_key", sa.String(64), unique=True),
        sa.Column("certainty", sa.String(20), nullable=False),
        sa.Column("floor", sa.Integer),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("answer_by", Instant, nullable=False),
        sa.Column("arrive_by", Instant, nullable=False),
        sa.Column("answer_due_at", Instant, index=True),
        sa.Column("arrive_due_at", Instant, index=True),
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id")),
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), index=True),
        sa.Column("reported_free_at", Instant),
        sa.Column("people", sa.JSON, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("outcome", sa.String(20)),
        sa.Column("closed_at", Instant),
    )
    op.create_table(
        "entrapment_stage",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("entrapment_case.id"), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.UniqueConstraint("case_id", "stage"),
    )
    op.create_table(
        "lift_standing",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("outside", sa.Boolean, nullable=False, index=True),
        sa.Column("said_at", Instant, nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_table(
        "alarm_equipment",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("last_test_at", Instant),
        sa.Column("test_due_at", Instant, index=True),
        sa.Column("filtered_since", Instant),
        sa.Column("filtered_recently", sa.Integer, nullable=False),
        sa.Column("filtered_total", sa.Integer, nullable=False),
        sa.Column("filtered_last_at", Instant),
        sa.Column("filtered_until", Instant, index=True),
        sa.Column("checked_at", Instant),
        sa.Column("battery_ok", sa.Boolean),
        sa.Column("voice_ok", sa.Boolean),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for name in ("alarm_equipment", "lift_standing", "entrapment_stage", "entrapment_case"):
        op.drop_table(name)
