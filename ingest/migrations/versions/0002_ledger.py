"""The ledger: which numbers of each lift and boot are here."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0002"
down_revision = "ingest_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the ledger."""
    op.create_table(
        "ledger_pending",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("part", sa.SmallInteger, nullable=False, index=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ledger_boot",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("boot", sa.String(64), primary_key=True),
        sa.Column("first_received_ms", sa.BigInteger, nullable=False),
        sa.Column("last_received_ms", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("unlisted_missing", sa.BigInteger, nullable=False),
        sa.Column("unlisted_quarantined", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.BigInteger, nullable=False, index=True),
        sa.Column("stored_spans", sa.LargeBinary, nullable=False),
        sa.Column("quarantined_spans", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_lift",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("unnumbered", sa.BigInteger, nullable=False),
        sa.Column("boots_forgotten", sa.BigInteger, nullable=False),
        sa.Column("stored_forgotten", sa.BigInteger, nullable=False),
        sa.Column("missing_forgotten", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in ("ledger_lift", "ledger_boot", "ledger_pending"):
        op.drop_table(table)
