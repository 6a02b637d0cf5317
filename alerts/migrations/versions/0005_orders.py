"""The whole life of a work order: contracts, technicians, records, signatures, requests answered once."""

import sqlalchemy as sa
from alembic import op

from ingest.database import Instant

revision = "alerts_0005"
down_revision = "alerts_0004"
branch_labels = None
depends_on = None

_COLUMNS = {
    "priority": sa.Integer,
    "team": sa.String(200),
    "technicians": sa.JSON,
    "scope": sa.String(20),
    "external_source": sa.String(200),
    "external_ref": sa.String(200),
    "repairs_in_a_row": sa.Integer,
    "signed_at": Instant,
    "clock_due_at": Instant,
    "clock_warned_at": Instant,
    "clock_breached_at": Instant,
}
_INDEXED = ("external_ref", "clock_due_at")


def upgrade() -> None:
    """Widen the work order and make the tables around it."""
    for name, form in _COLUMNS.items():
        op.add_column("work_order", sa.Column(name, form))
    op.add_column("work_order", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    for name in _INDEXED:
        op.create_index(f"ix_work_order_{name}", "work_order", [name])
    op.create_table(
        "contract_clock",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("contractor", sa.String(200)),
        sa.Column("site_id", sa.String(200)),
        sa.Column("kind", sa.String(40)),
        sa.Column("priority", sa.Integer),
        sa.Column("arrive_within_min", sa.Integer),
        sa.Column("warn_before_min", sa.Integer),
        sa.Column("escalate_to", sa.String(200)),
    )
    op.create_table(
        "technician",
        sa.Column("technician_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("team", sa.String(200)),
        sa.Column("contractor", sa.String(200)),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        "certificate",
        sa.Column("technician_id", sa.String(64), sa.ForeignKey("technician.technician_id"), primary_key=True),
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("number", sa.String(100), primary_key=True),
        sa.Column("valid_until", sa.Date, nullable=False),
    )
    op.create_table(
        "order_check",
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), primary_key=True),
        sa.Column("code", sa.String(40), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("result", sa.String(20), nullable=False),
        sa.Column("as_found", sa.Float),
        sa.Column("as_left", sa.Float),
        sa.Column("unit", sa.String(20)),
        sa.Column("out_of_limits", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text),
        *_by_and_at(),
    )
    op.create_table(
        "order_part",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), nullable=False, index=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("part_number", sa.String(200)),
        sa.Column("quantity", sa.Float, nullable=False),
        sa.Column("note", sa.Text),
        *_by_and_at(),
    )
    op.create_table(
        "stored_file",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "order_file",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), nullable=False),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("stored_file.sha256"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        *_by_and_at(),
        sa.UniqueConstraint("work_order_id", "sha256"),
    )
    op.create_table(
        "order_signature",
        sa.Column("work_order_id", sa.Integer, sa.ForeignKey("work_order.id"), primary_key=True),
        sa.Column("role", sa.String(20), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("image_file_id", sa.Integer, sa.ForeignKey("order_file.id")),
    )
    op.create_table(
        "request_key",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("at", Instant, nullable=False, index=True),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.Text),
    )


def _by_and_at() -> tuple[sa.Column, sa.Column]:
    return sa.Column("by", sa.String(200), nullable=False), sa.Column("at", Instant, nullable=False)


def downgrade() -> None:
    """Drop what `upgrade` made."""
    for table in (
        "request_key",
        "order_signature",
        "order_file",
        "stored_file",
        "order_part",
        "order_check",
        "certificate",
        "technician",
        "contract_clock",
    ):
        op.drop_table(table)
    for name in _INDEXED:
        op.drop_index(f"ix_work_order_{name}", "work_order")
    for name in ("version", *reversed(_COLUMNS)):
        op.drop_column("work_order", name)
