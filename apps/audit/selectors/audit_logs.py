"""Queries of the audit log."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

_MAX_ACTIONS = 500
# A loose index scan: one index look-up per action instead of reading every row.
_ACTIONS = """
    WITH RECURSIVE found AS (
        (SELECT action FROM audit_logs WHERE organization_id = %(id)s ORDER BY action LIMIT 1)
        UNION ALL
        SELECT (
            SELECT action FROM audit_logs
            WHERE organization_id = %(id)s AND action > found.action ORDER BY action LIMIT 1
        ) FROM found WHERE found.action IS NOT NULL
    )
    SELECT action FROM found WHERE action IS NOT NULL LIMIT %(limit)s
"""


def recorded_actions(organization_id: UUID) -> list[str]:
    """Return the distinct actions of the open organization, sorted; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIONS, {"id": organization_id, "limit": _MAX_ACTIONS})
        return [action for (action,) in cursor.fetchall()]
