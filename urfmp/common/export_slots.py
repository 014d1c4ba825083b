"""Limit concurrent exports; each occupies a thread and a database connection."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.db import connection

from urfmp.common.exceptions import ApplicationError

MAX_CONCURRENT_PER_ORGANIZATION = 2
MAX_CONCURRENT_TOTAL = 6
RETRY_AFTER_SECONDS = 30
# The first free slot, if any. PostgreSQL releases it at the end of the transaction.
ACQUIRE_SQL = """
    SELECT n FROM generate_series(1, %s) AS n
    WHERE pg_try_advisory_xact_lock(hashtextextended(%s, n)) LIMIT 1
"""


class TooManyExportsError(ApplicationError):
    """Too many exports are running. Try again when one has finished."""

    code = "too_many_exports"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = RETRY_AFTER_SECONDS


def try_acquire_export_slot(kind: str, organization_id: UUID) -> bool:
    """Acquire a slot for an export until the open transaction ends.

    Args:
        kind: Kind of export; each has slots of its own.
        organization_id: Organization that exports.

    Returns:
        False if all slots of the organization or of the platform are in use.
    """
    with connection.cursor() as cursor:
        for count, text in (
            (MAX_CONCURRENT_PER_ORGANIZATION, f"{kind}:{organization_id}"),
            (MAX_CONCURRENT_TOTAL, kind),
        ):
            cursor.execute(ACQUIRE_SQL, [count, text])
            if cursor.fetchone() is None:
                return False
    return True
