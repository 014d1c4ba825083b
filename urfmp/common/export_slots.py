"""How many files may leave at once: each holds a thread and a database connection while it does."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.db import connection

from urfmp.common.exceptions import ApplicationError

# Of one organization, and of all together.
AT_ONCE, AT_ONCE_ON_PLATFORM = 2, 6
RETRY_AFTER_SECONDS = 30
# The first free place, if any; it is free again when the transaction ends, however it ends.
PLACE = """
    SELECT n FROM generate_series(1, %s) AS n
    WHERE pg_try_advisory_xact_lock(hashtextextended(%s, n)) LIMIT 1
"""


class TooManyExportsError(ApplicationError):
    """As many exports run as may run at once; start this one again when one has ended."""

    code = "too_many_exports"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = RETRY_AFTER_SECONDS


def takes_place(kind: str, organization_id: UUID) -> bool:
    """Take a place among the exports of a kind until the open transaction ends.

    Returns:
        False when all places, the organization's or the platform's, are taken.
    """
    with connection.cursor() as cursor:
        for count, text in ((AT_ONCE, f"{kind}:{organization_id}"), (AT_ONCE_ON_PLATFORM, kind)):
            cursor.execute(PLACE, [count, text])
            if cursor.fetchone() is None:
                return False
    return True
