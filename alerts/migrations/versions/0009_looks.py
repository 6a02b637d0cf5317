"""What the watch looks for every few seconds stands in indexes of its own: few rows, however long the history."""

import sqlalchemy as sa
from alembic import op

revision = "alerts_0009"
down_revision = "alerts_0008"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_alert_open", "alert", ["kind", "lift_id"], "open_key IS NOT NULL"),
    (
        "ix_alert_silent",
        "alert",
        ["open_key"],
        "open_key IS NOT NULL AND (suppressed_by IS NOT NULL OR out_of_service OR shelved_until IS NOT NULL)",
    ),
    ("ix_suppression_below", "suppression", ["alert_id"], "ended_at IS NULL AND until IS NULL"),
)


def upgrade() -> None:
    """Make the indexes."""
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Undo what `upgrade` did."""
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table)
