"""How many files may leave at once: each holds a thread and a database connection while it does."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.db import connection

from urfmp.common.exceptions import ApplicationError

# Of one organization, and of all together.
MAX_CONCURRENT_PER_ORGANIZATION = 2
MAX_CONCURRENT_TOTAL = 6
RETRY_AFTER_SECONDS = 30
# The first free place, if any; it is free again when the transaction ends, however it ends.
ACQUIRE_SQL = """
    SELECT n FROM generate_series(1, %s) AS n
    WHERE pg_try_advisory_xact_lock(hashtextextended(%s, n)) LIMIT 1
"""


class TooManyExportsError(ApplicationError):
    """As many exports run as may run at once; start this one again when one has ended."""

    code = "too_many_exports"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = RETRY_AFTER_SECONDS


def try_acquire_export_slot(kind: str, organization_id: UUID) -> bool:
    """Take a place among the exports of a kind until the open transaction ends.

    Returns:
        False when all places, the organization's or the platform's, are taken.
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
