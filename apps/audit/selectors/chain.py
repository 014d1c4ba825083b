"""Reads over the record as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection


@dataclass(frozen=True)
class ChainFault:
    """The first row of a chain that does not fit; None as its id means the end is missing."""

    organization_id: UUID | None
    seq: int | None
    id: UUID | None
    fault: str


def audit_verify() -> list[ChainFault]:
    """Check the chains of all organizations and the platform's; return the first fault of each.

    One pass over the record, about 15 µs a row. Needs no tenant transaction, and gives ids only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id, seq, id, fault FROM audit_verify()")
        faults = [ChainFault(*row) for row in cursor.fetchall()]
        cursor.execute("SELECT organization_id, seq, id, fault FROM audit_verify_spare()")
        known = {fault.organization_id for fault in faults}
        faults += [ChainFault(*row) for row in cursor.fetchall() if row[0] not in known]
        # Rows and head gone together leave nothing that does not fit. But an organization's chain
        # begins with the organization, and the clean-up leaves the head.
        cursor.execute(
            "SELECT id FROM organization_ids() AS ids (id)"
            " WHERE id NOT IN (SELECT chain FROM audit_chain_heads()) ORDER BY id"
        )
        known = {fault.organization_id for fault in faults}
        faults += [
            ChainFault(organization_id, 0, None, "all of it is missing")
            for (organization_id,) in cursor.fetchall()
            if organization_id not in known
        ]
    return faults
