"""The register of technicians in SQL."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.journal import Journal
from alerts.order_tables import certificate, technician
from alerts.technicians import Certificate, CertificateKind, Technician
from ingest.database import insert_new

_FIELDS = ("technician_id", "name", "team", "contractor", "active")


class TechnicianRegister:
    """Who may be sent, with which certificates. Every method is one transaction of its own."""

    def __init__(self, journal: Journal) -> None:
        """Stand in the database of the journal."""
        self._journal = journal

    def put(self, who: Technician) -> bool:
        """Register a technician, or replace what is known; tell whether it is a new one.

        Nobody is removed: orders name them. Who has left is not `active`.
        """
        row = {name: getattr(who, name) for name in _FIELDS}
        own = certificate.c.technician_id == who.technician_id
        held = [
            {
                "technician_id": who.technician_id,
                "kind": one.kind.value,
                "number": one.number,
                "valid_until": one.valid_until,
            }
            for one in who.certificates
        ]
        with self._journal.writing() as connection:
            insert = insert_new(connection, technician).values(row).on_conflict_do_nothing()
            is_new = connection.execute(insert.returning(technician.c.technician_id)).first() is not None
            if not is_new:
                known = technician.c.technician_id == who.technician_id
                connection.execute(sa.update(technician).where(known).values(row))
            connection.execute(sa.delete(certificate).where(own))
            if held:
                connection.execute(sa.insert(certificate), held)
        return is_new

    def find(self, technician_id: str) -> Technician | None:
        """Return a technician, None where nobody has that id."""
        with self._journal.reading() as connection:
            found = crew_of(connection, [technician_id])
        return found[0] if found else None

    def technicians(
        self, *, limit: int, after: str | None = None, team: str | None = None, expiring_before: date | None = None
    ) -> list[Technician]:
        """Return technicians by id; `expiring_before`: active ones whose certificate for lifts ends before that day."""
        query = sa.select(technician.c.technician_id).order_by(technician.c.technician_id).limit(limit)
        if after is not None:
            query = query.where(technician.c.technician_id > after)
        if team is not None:
            query = query.where(technician.c.team == team)
        if expiring_before is not None:
            lasting = sa.select(certificate.c.technician_id).where(
                certificate.c.kind == CertificateKind.LIFT_WORK.value, certificate.c.valid_until >= expiring_before
            )
            query = query.where(technician.c.active, technician.c.technician_id.not_in(lasting))
        with self._journal.reading() as connection:
            return crew_of(connection, list(connection.execute(query).scalars()))


def crew_of(connection: Connection, technician_ids: Sequence[str]) -> list[Technician]:
    """Return the technicians of these ids, by id, with their certificates; those that are not known are left out."""
    people = sa.select(technician).where(technician.c.technician_id.in_(technician_ids))
    held = sa.select(certificate).where(certificate.c.technician_id.in_(technician_ids))
    certificates: dict[str, list[Certificate]] = {}
    for row in connection.execute(held.order_by(certificate.c.kind, certificate.c.number)):
        one = Certificate(kind=CertificateKind(row.kind), number=row.number, valid_until=row.valid_until)
        certificates.setdefault(row.technician_id, []).append(one)
    return [
        Technician(**{name: row[name] for name in _FIELDS}, certificates=certificates.get(row["technician_id"], []))
        for row in connection.execute(people.order_by(technician.c.technician_id)).mappings()
    ]


def is_kept(connection: Connection) -> bool:
    """Tell whether anybody is registered: a centre that keeps no register is not asked for certificates."""
    return connection.execute(sa.select(technician.c.technician_id).limit(1)).first() is not None
