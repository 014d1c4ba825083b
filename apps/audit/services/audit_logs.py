"""Write audit rows for actions that change no row.

Triggers audit changed rows.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.db import connection

from urfmp.common.security.redaction import redact, redact_text


def audit_record(
    *,
    action: str,
    resource_type: str | None = None,
    resource_id: UUID | None = None,
    success: bool = True,
    error_message: str | None = None,
    request_data: dict[str, Any] | None = None,
    response_data: dict[str, Any] | None = None,
) -> UUID:
    """Write an audit row for a login, a denial or an export.

    The row is written in the open transaction. Actor, IP address and request id come from the
    tenant transaction; without one, the row belongs to the platform. Known secrets, by name or
    pattern, are masked in the message and in both JSON arguments.

    Args:
        action: Dotted name, as in `accounts.session.login`.
        resource_type: Kind of the object, in the singular.
        resource_id: Id of the object.
        success: False for a denial or a failure.
        error_message: Reason of the denial or failure.
        request_data: Data of the request.
        response_data: Data of the response.

    Returns:
        Id of the audit row.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_record(%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)",
            [
                action,
                resource_type,
                resource_id,
                success,
                redact_text(error_message) if error_message is not None else None,
                json.dumps(redact(request_data)) if request_data is not None else None,
                json.dumps(redact(response_data)) if response_data is not None else None,
            ],
        )
        row: tuple[UUID] = cursor.fetchone()
    return row[0]


def audit_clean_up() -> int:
    """Delete audit rows older than a year; return their number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_clean_up()")
        return int(cursor.fetchone()[0])
