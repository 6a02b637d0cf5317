"""Who wants to be told, and how each was told."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0006"
down_revision = "alerts_0005"
branch_labels = None
depends_on = None
_WAITING = sa.text("fanned_at IS NULL")


def upgrade() -> None:
    """Make subscriptions and notifications, and note in the outbox what has become notifications."""
    op.add_column("outbox", sa.Column("fanned_at", Instant))
    op.create_index("ix_outbox_waiting", "outbox", ["id"], sqlite_where=_WAITING, postgresql_where=_WAITING)
    op.create_table(
        "subscription",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("team", sa.String(200)),
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
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", Instant),
        sa.Column("gave_up_at", Instant),
        sa.Column("resume_at", Instant),
        sa.Column("lane_until", Instant),
        sa.Column("lane_token", sa.String(40)),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("outbox_id", sa.Integer, sa.ForeignKey("outbox.id"), nullable=False),
        sa.Column("subscription_id", sa.Integer, sa.ForeignKey("subscription.id"), nullable=False),
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


def downgrade() -> None:
    """Drop what `upgrade` made."""
    op.drop_table("notification")
    op.drop_table("subscription")
    op.drop_index("ix_outbox_waiting", "outbox")
    op.drop_column("outbox", "fanned_at")
