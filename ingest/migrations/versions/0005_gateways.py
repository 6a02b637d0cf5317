"""What the register says of a lift's way to us: its gateway, how long it may be silent, whether it sends test calls."""

import sqlalchemy as sa
from alembic import op

revision = "ingest_0005"
down_revision = "ingest_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing is known of the lifts that there are."""
    op.add_column("lift", sa.Column("gateway_id", sa.String(200)))
    op.add_column("lift", sa.Column("silence_s_max", sa.Integer))
    op.add_column("lift", sa.Column("alarm_tests", sa.Boolean))
    op.create_index("ix_lift_gateway_id", "lift", ["gateway_id"])


def downgrade() -> None:
    """Drop what `upgrade` added."""
    op.drop_index("ix_lift_gateway_id", "lift")
    with op.batch_alter_table("lift") as lift:
        for name in ("alarm_tests", "silence_s_max", "gateway_id"):
            lift.drop_column(name)
