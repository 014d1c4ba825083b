"""Platform staff, whom row-level security hides from other organizations."""

from __future__ import annotations

from uuid import UUID

from django.db import connection


def is_super_admin(user_id: UUID) -> bool:
    """Return whether a user is an active super admin."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_super_admin(%s)", [user_id])
        return bool(cursor.fetchone()[0])
