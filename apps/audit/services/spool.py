"""Audit rows that are entered into the log after the commit.

A stop request must not wait for the audit log, nor fail with it. Its audit rows are stored with its
changes, in a table without a chain, and are moved to the log afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from urfmp.common.log_filters import single_line

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT = "1s"


@contextmanager
def audit_spooled(*, entered_by_job: bool = False) -> Iterator[None]:
    """Spool the block's audit rows until after the commit.

    Only for acts that a failing audit log must not prevent. If entering fails, a job repeats it
    within five seconds.

    Args:
        entered_by_job: Leave the rows to the job: entering may wait for a second, for which the
            caller has no time.
    """
    with transaction.atomic():
        if _is_spooling():
            yield
            return
        _set_spooling("on")
        yield
        _set_spooling("")
        if not entered_by_job:
            transaction.on_commit(_try_to_enter)


def _is_spooling() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.audit_spool', true) = 'on'")
        return bool(cursor.fetchone()[0])


def _set_spooling(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.audit_spool', %s, true)", [value])


def _try_to_enter() -> None:
    try:
        audit_spool_enter()
    except DatabaseError as error:
        logger.warning("Audit rows stay in the spool: %s", single_line(str(error)))


def audit_spool_enter() -> int:
    """Enter up to 1,000 spooled rows; return their number."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        cursor.execute("SELECT audit_spool_enter()")
        return int(cursor.fetchone()[0])
