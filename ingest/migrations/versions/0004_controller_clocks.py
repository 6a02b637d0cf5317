"""Controllers' clocks that are wrong."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "ingest_0004"
down_revision = "ingest_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of what is known of controllers' clocks."""
    op.create_table(
        "controller_clock",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("boot", sa.String(64), primary_key=True),
        sa.Column("offset_ms", sa.BigInteger, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("established_at", Instant, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("holds", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    op.drop_table("controller_clock")
