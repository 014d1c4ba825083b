"""Limit concurrent exports; each occupies a thread and a database connection."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.signals import request_finished
from django.db import Error, connection
from django.dispatch import receiver

from urfmp.common.exceptions import ApplicationError

MAX_CONCURRENT_PER_ORGANIZATION = 2
MAX_CONCURRENT_TOTAL = 6
RETRY_AFTER_SECONDS = 30
# For the next rows of a file. Requests have much less, see `urfmp/db/startup.py`.
MAX_EXPORT_STATEMENT_SECONDS = 600
# The first free slot, if any. PostgreSQL releases it when the connection ends.
ACQUIRE_SQL = """
    SELECT n FROM generate_series(1, %s) AS n
    WHERE pg_try_advisory_lock(hashtextextended(%s, n)) LIMIT 1
"""
_RELEASE_SQL = "SELECT pg_advisory_unlock(hashtextextended(%s, %s))"


class TooManyExportsError(ApplicationError):
    """Too many exports are running. Try again when one has finished."""

    code = "too_many_exports"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after = RETRY_AFTER_SECONDS


@dataclass(frozen=True)
class _Slot:
    """A slot that this thread has acquired.

    Attributes:
        session: Database session that holds the locks.
        owner: Kind of export and organization.
        locks: Names and numbers of the advisory locks.
    """

    session: Any
    owner: tuple[str, UUID]
    locks: tuple[tuple[str, int], ...]


class _ThreadSlots(threading.local):
    """Slots of the current thread, whose connection holds the locks."""

    def __init__(self) -> None:
        self.acquired: list[_Slot] = []


_slots = _ThreadSlots()


def try_acquire_export_slot(kind: str, organization_id: UUID) -> bool:
    """Acquire a slot for an export until the request ends.

    The slot outlasts the transaction: an export is audited in one transaction, and its rows are
    read in the next. A slot that the thread already has is kept.

    Args:
        kind: Kind of export; each has slots of its own.
        organization_id: Organization that exports.

    Returns:
        False if all slots of the organization or of the platform are in use.
    """
    owner = (kind, organization_id)
    locks: list[tuple[str, int]] = []
    with connection.cursor() as cursor:
        if any(s.owner == owner and s.session is connection.connection for s in _slots.acquired):
            return True
        for count, name in (
            (MAX_CONCURRENT_PER_ORGANIZATION, f"{kind}:{organization_id}"),
            (MAX_CONCURRENT_TOTAL, kind),
        ):
            cursor.execute(ACQUIRE_SQL, [count, name])
            if (row := cursor.fetchone()) is None:
                break
            locks.append((name, row[0]))
        else:
            _slots.acquired.append(_Slot(connection.connection, owner, tuple(locks)))
            return True
        for lock in locks:
            cursor.execute(_RELEASE_SQL, lock)
    return False


@receiver(request_finished)
def release_export_slots(**kwargs: Any) -> None:
    """Release all slots of the current thread.

    The end of a request releases those of an export that failed before its file began.
    """
    while _slots.acquired:
        slot = _slots.acquired.pop()
        if slot.session is not connection.connection or connection.needs_rollback:
            continue
        try:
            with connection.cursor() as cursor:
                for lock in slot.locks:
                    cursor.execute(_RELEASE_SQL, lock)
        except Error:
            # The server releases the locks of a session that ends.
            connection.close()
