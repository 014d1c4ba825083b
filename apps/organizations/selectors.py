from __future__ import annotations

from uuid import UUID

from django.db import connection


def organization_ids() -> list[UUID]:
    """Return the ids of all organizations, for jobs that visit them one by one.

    Needs no tenant transaction, and gives nothing but ids.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM organization_ids()")
        return [row[0] for row in cursor.fetchall()]
