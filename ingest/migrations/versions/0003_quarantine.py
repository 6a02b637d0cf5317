"""Quarantine with replay: rows in hand, rows that only count, and the order in which they are looked for."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "ingest_0003"
down_revision = "ingest_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a replay and the bounds need to know of a row."""
    op.add_column("quarantined", sa.Column("is_summary", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("quarantined", sa.Column("replaying_until", Instant))
    op.create_index("ix_quarantined_waiting", "quarantined", ["replayed_at", "last_received_at", "reason"])
    op.create_index("ix_quarantined_lift_id_reason", "quarantined", ["lift_id", "reason"])


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for name in ("lift_id_reason", "waiting"):
        op.drop_index(f"ix_quarantined_{name}", "quarantined")
    for column in ("replaying_until", "is_summary"):
        op.drop_column("quarantined", column)
