"""Findings that were told, and whether one is reported only."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "analytics_0003"
down_revision = "analytics_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the history of findings, and the mark of those that ring nothing."""
    op.create_table(
        "finding_history",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("open_key", sa.String(320), unique=True),
        sa.Column("channel", sa.String(200)),
        sa.Column("component", sa.String(200)),
        sa.Column("code", sa.String(200)),
        sa.Column("floor", sa.Integer),
        sa.Column("confidence", sa.Float),
        sa.Column("found_at", Instant, nullable=False),
        sa.Column("first_at", Instant, nullable=False, index=True),
        sa.Column("ended_at", Instant, index=True),
    )
    op.add_column("finding", sa.Column("report_only", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop what `upgrade` made."""
    op.drop_column("finding", "report_only")
    op.drop_table("finding_history")
