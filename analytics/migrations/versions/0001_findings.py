"""Findings of the newest assessment."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "analytics_0001"
down_revision = None
branch_labels = ("analytics",)
depends_on = ("ingest_0001",)


def upgrade() -> None:
    """Make the tables of the finding book."""
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(40), nullable=False, index=True),
        sa.Column("channel", sa.String(200)),
        sa.Column("component", sa.String(200)),
        sa.Column("code", sa.String(200)),
        sa.Column("floor", sa.Integer),
        sa.Column("as_of", Instant, nullable=False),
        sa.Column("found_at", Instant, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("limit", sa.Float, nullable=False),
        sa.Column("days_left", sa.Float),
        sa.Column("confidence", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("as_of", Instant, nullable=False),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in ("assessment", "finding"):
        op.drop_table(table)
