"""What others have to be told."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0003"
down_revision = "alerts_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the outbox."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("topic", sa.String(60), nullable=False),
        sa.Column("at", Instant, nullable=False, index=True),
        sa.Column("lift_id", sa.String(64), nullable=False),
        sa.Column("alert_id", sa.Integer),
        sa.Column("work_order_id", sa.Integer),
        sa.Column("priority", sa.Integer),
        sa.Column("body", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Drop the outbox."""
    op.drop_table("outbox")
