"""Where a site is, in the words that people who are sent there need."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0006"
down_revision = "ingest_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no address is known of the sites that there are."""
    op.add_column("site", sa.Column("address", sa.String(200)))


def downgrade() -> None:
    """Drop what `upgrade` added."""
    with op.batch_alter_table("site") as site:
        site.drop_column("address")
