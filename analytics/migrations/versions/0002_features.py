"""The feature book: daily values of lifts, and the days that are to be computed."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "analytics_0002"
down_revision = "analytics_0001"
branch_labels = None
depends_on = None

# What an older version has stored of the lifts that are registered is computed this far back.
_DAYS_BACK = 120
_CHUNK = 5_000


def upgrade() -> None:
    """Make the tables, and mark the last days of the lifts that are there."""
    op.create_table(
        "lift_day",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("features", sa.LargeBinary, nullable=False),
    )
    stale_day = op.create_table(
        "stale_day",
        sa.Column("lift_id", sa.String(64), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("marks", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feature_book",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
    )
    today = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    lift_ids = [row[0] for row in op.get_bind().execute(sa.text("SELECT lift_id FROM lift"))]
    marks = [
        {"lift_id": lift_id, "day": day, "marks": 1}
        for lift_id in lift_ids
        for day in range(today - _DAYS_BACK, today + 1)
    ]
    for start in range(0, len(marks), _CHUNK):
        op.bulk_insert(stale_day, marks[start : start + _CHUNK])


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in ("feature_book", "stale_day", "lift_day"):
        op.drop_table(table)
