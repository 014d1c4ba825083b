"""Record what changes no row. Changes of rows are recorded by triggers."""

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
    """Write one row about a sign-in, a denial, an export; within the open transaction.

    Actor, address and request come from the tenant transaction; outside of one the row belongs
    to the platform. Secrets that are known by name or form are masked in what is given here.

    Args:
        action: Dotted, as in `accounts.session.login`.
        resource_type: What it was done to, singular.
        resource_id: Which one.
        success: False for a denial or a failure.
        error_message: Why.
        request_data: What was asked.
        response_data: What was answered.

    Returns:
        The row's id.
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
    """Delete rows older than a year; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_clean_up()")
        return int(cursor.fetchone()[0])
