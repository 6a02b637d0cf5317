"""The tables around a work order: contracts, technicians, what was recorded and signed, and requests answered once."""

import sqlalchemy as sa

from ingest.database import Instant, metadata

# Within how long somebody has to be on site, by contract; NULL in a column: for all of them.
contract_clock = sa.Table(
    "contract_clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("contractor", sa.String(200)),
    sa.Column("site_id", sa.String(200)),
    sa.Column("kind", sa.String(40)),
    sa.Column("priority", sa.Integer),
    sa.Column("arrive_within_min", sa.Integer),
    sa.Column("warn_before_min", sa.Integer),
    sa.Column("escalate_to", sa.String(200)),
)
technician = sa.Table(
    "technician",
    metadata,
    sa.Column("technician_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("team", sa.String(200)),
    sa.Column("contractor", sa.String(200)),
    sa.Column("active", sa.Boolean, nullable=False),
)
certificate = sa.Table(
    "certificate",
    metadata,
    sa.Column("technician_id", sa.ForeignKey("technician.technician_id"), primary_key=True),
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("number", sa.String(100), primary_key=True),
    sa.Column("valid_until", sa.Date, nullable=False),
)
order_check = sa.Table(
    "order_check",
    metadata,
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), primary_key=True),
    sa.Column("code", sa.String(40), primary_key=True),
    # As it was read when it was filled in: the list may be worded anew later.
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("result", sa.String(20), nullable=False),
    sa.Column("as_found", sa.Float),
    sa.Column("as_left", sa.Float),
    sa.Column("unit", sa.String(20)),
    sa.Column("out_of_limits", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("at", Instant, nullable=False),
)
order_part = sa.Table(
    "order_part",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("part_number", sa.String(200)),
    sa.Column("quantity", sa.Float, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("at", Instant, nullable=False),
)
# The same content once, however many orders carry it.
stored_file = sa.Table(
    "stored_file",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
order_file = sa.Table(
    "order_file",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), nullable=False),
    sa.Column("sha256", sa.ForeignKey("stored_file.sha256"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("media_type", sa.String(40), nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("work_order_id", "sha256"),
)
order_signature = sa.Table(
    "order_signature",
    metadata,
    sa.Column("work_order_id", sa.ForeignKey("work_order.id"), primary_key=True),
    sa.Column("role", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("image_file_id", sa.ForeignKey("order_file.id")),
)
# A request that was answered: the same key gets the same answer, whatever has become of the order.
request_key = sa.Table(
    "request_key",
    metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.Text),
)
