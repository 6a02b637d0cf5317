"""Which days are to be computed is asked by day, the newest first."""

from alembic import op

revision = "analytics_0004"
down_revision = "analytics_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_stale_day_day", "stale_day", ["day"])


def downgrade() -> None:
    """Drop what `upgrade` made."""
    op.drop_index("ix_stale_day_day", "stale_day")
