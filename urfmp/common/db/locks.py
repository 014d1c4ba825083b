"""Advisory locks by name, for sets of rows."""

from __future__ import annotations

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def advisory_lock(name: str) -> None:
    """Lock a name until the transaction ends.

    Reads after this see everything that the previous holder has written. Waiting transactions
    acquire the lock in the order of their arrival.

    Args:
        name: Unique among the names of all locks of the database, such as `robots.import:<id>`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [name])


def advisory_lock_within_second(name: str) -> bool:
    """Lock a name; return whether it was free within a second."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout TO '1s'")
            cursor.execute(_LOCK, [name])
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True
