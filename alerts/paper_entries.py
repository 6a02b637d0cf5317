"""What is recorded of the work on an order, in SQL: read in one go, written inside a transaction of the desk."""

import hashlib
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts.checklists import CheckEntry
from alerts.order_papers import OrderFile, Papers, Part, Signature
from alerts.order_tables import order_check, order_file, order_part, order_signature, stored_file
from ingest.database import insert_new

T = TypeVar("T", bound=Struct)


def papers_of(connection: Connection, order_id: int) -> Papers:
    """Return everything that is recorded of an order."""
    return Papers(
        checks=_read(connection, order_check, CheckEntry, order_id, order_check.c.code),
        parts=_read(connection, order_part, Part, order_id, order_part.c.id),
        files=_read(connection, order_file, OrderFile, order_id, order_file.c.id),
        signatures=_read(connection, order_signature, Signature, order_id, order_signature.c.role.desc()),
    )


def put_check(connection: Connection, order_id: int, entry: CheckEntry) -> None:
    """Write down what came of a check, in the place of what stood there."""
    row = {"work_order_id": order_id, **msgspec.structs.asdict(entry), "result": entry.result.value}
    own = [order_check.c.work_order_id, order_check.c.code]
    insert = insert_new(connection, order_check).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=own, set_=row))


def add_part(connection: Connection, order_id: int, **fields: Any) -> Part:  # noqa: ANN401 - the fields of a Part
    """Write down a part that was used."""
    insert = sa.insert(order_part).values(work_order_id=order_id, **fields)
    part_id: int = connection.execute(insert.returning(order_part.c.id)).scalar_one()
    return Part(id=part_id, **fields)


def add_file(
    connection: Connection, order_id: int, content: bytes, *, name: str, media_type: str, by: str, at: datetime
) -> OrderFile:
    """Keep a file of an order; one whose content the order holds already stays as it is."""
    sha256 = hashlib.sha256(content).hexdigest()
    kept = insert_new(connection, stored_file).values(sha256=sha256, content=content)
    connection.execute(kept.on_conflict_do_nothing())
    row = {"sha256": sha256, "name": name, "media_type": media_type, "size_bytes": len(content), "by": by, "at": at}
    insert = insert_new(connection, order_file).values(work_order_id=order_id, **row).on_conflict_do_nothing()
    connection.execute(insert)
    own = (order_file.c.work_order_id == order_id) & (order_file.c.sha256 == sha256)
    found = connection.execute(sa.select(order_file).where(own)).mappings().one()
    return _struct(OrderFile, found)


def content_of(connection: Connection, order_id: int, file_id: int) -> tuple[OrderFile, bytes] | None:
    """Return a file of an order and its content; None where the order has none of that number."""
    own = (order_file.c.work_order_id == order_id) & (order_file.c.id == file_id)
    query = sa.select(order_file, stored_file.c.content).join_from(order_file, stored_file).where(own)
    found = connection.execute(query).mappings().first()
    return None if found is None else (_struct(OrderFile, found), found["content"])


def add_signature(connection: Connection, order_id: int, signature: Signature) -> bool:
    """Write a signature down; False where somebody has signed in that role already."""
    row = {"work_order_id": order_id, **msgspec.structs.asdict(signature), "role": signature.role.value}
    insert = insert_new(connection, order_signature).values(row).on_conflict_do_nothing()
    return connection.execute(insert.returning(order_signature.c.role)).first() is not None


def _read(connection: Connection, table: sa.Table, form: type[T], order_id: int, by: sa.ColumnElement[Any]) -> list[T]:
    query = sa.select(table).where(table.c.work_order_id == order_id).order_by(by)
    return [_struct(form, row) for row in connection.execute(query).mappings()]


def _struct(form: type[T], row: sa.RowMapping) -> T:
    return msgspec.convert({name: row[name] for name in form.__struct_fields__}, form)
