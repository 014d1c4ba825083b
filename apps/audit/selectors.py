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
        return [ChainFault(*row) for row in cursor.fetchall()]
