"""When the newest word on a condition was received."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0002"
down_revision = "alerts_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add our clock beside the controller's."""
    op.add_column("condition", sa.Column("received_at", Instant))


def downgrade() -> None:
    """Drop what `upgrade` added."""
    op.drop_column("condition", "received_at")
