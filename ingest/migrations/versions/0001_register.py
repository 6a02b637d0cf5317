"""Sites, lifts, visits, inspections, outages, quarantine."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "ingest_0001"
down_revision = None
branch_labels = ("ingest",)
depends_on = None


def upgrade() -> None:
    """Make the tables of the register and of the quarantine."""
    op.create_table(
        "site",
        sa.Column("site_id", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(200)),
    )
    op.create_table(
        "lift",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("site_id", sa.String(200), sa.ForeignKey("site.site_id"), index=True),
        sa.Column("maker", sa.String(200)),
        sa.Column("model", sa.String(200)),
        sa.Column("drive", sa.String(200)),
        sa.Column("floors", sa.Integer),
        sa.Column("commissioned_on", sa.Date),
        sa.Column("observed_from", sa.Date),
        sa.Column("observed_to", sa.Date),
        sa.Column("regime", sa.String(200)),
        sa.Column("certificate_expires_on", sa.Date),
        sa.Column("contractor", sa.String(200)),
        sa.Column("team", sa.String(200)),
        sa.Column("profile", sa.String(200)),
        sa.Column("registered_at", Instant, nullable=False),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), sa.ForeignKey("lift.lift_id"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("done_at", Instant, nullable=False),
        sa.Column("cause_code", sa.String(200)),
        sa.Column("work_order", sa.String(200)),
        sa.Column("outcome", sa.String(200)),
        sa.UniqueConstraint("lift_id", "kind", "done_at"),
    )
    op.create_table(
        "inspection",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), sa.ForeignKey("lift.lift_id"), nullable=False),
        sa.Column("done_on", sa.Date, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("certificate_expires_on", sa.Date),
        sa.Column("report", sa.String(200)),
        sa.UniqueConstraint("lift_id", "done_on"),
    )
    op.create_table(
        "outage",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lift_id", sa.String(64), sa.ForeignKey("lift.lift_id"), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("code", sa.String(200), nullable=False, server_default=""),
        sa.Column("raised_at", Instant, nullable=False, index=True),
        sa.Column("cleared_at", Instant),
        sa.UniqueConstraint("lift_id", "raised_at", "kind", "code"),
    )
    op.create_table(
        "quarantined",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.String(64), unique=True),
        sa.Column("topic", sa.String(1000), nullable=False),
        sa.Column("lift_id", sa.String(64), index=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("payload_bytes", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False, index=True),
        sa.Column("detail", sa.String(500), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("last_received_at", Instant, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("replayed_at", Instant),
    )


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in ("quarantined", "outage", "inspection", "visit", "lift", "site"):
        op.drop_table(table)
