"""The list of all organizations, for jobs and commands."""

from __future__ import annotations

from uuid import UUID

from django.db import connection


def organization_ids() -> list[UUID]:
    """Return the ids of all organizations, for jobs that iterate over them.

    Needs no tenant transaction; the SQL function behind it reveals only ids.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM organization_ids()")
        return [row[0] for row in cursor.fetchall()]
