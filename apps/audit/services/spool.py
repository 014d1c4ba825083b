"""Audit rows that are entered into the log after the commit.

A stop request must not wait for the audit log, nor fail with it. Its audit rows are stored with its
changes, in a table without a chain, and are moved to the log afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import DatabaseError, connection, transaction

from urfmp.common.log_filters import single_line
from urfmp.common.tenancy.context import audit_action

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT = "1s"
_is_spooling: ContextVar[bool] = ContextVar("audit_is_spooling", default=False)


@contextmanager
def audit_spooled(action: str, *, entered_by_job: bool = False) -> Iterator[None]:
    """Set the audit action, and spool audit rows until the commit.

    Only for acts that a failing audit log must not prevent. If entering fails, a job repeats it
    within five seconds. Inside another such block, it only sets the action.

    Args:
        action: As for `audit_action`; "" for that of the caller.
        entered_by_job: Leave the rows to the job: entering may wait for a second, for which the
            caller has no time.

    Raises:
        TenantError: No tenant transaction is open.
    """
    if _is_spooling.get():
        with audit_action(action):
            yield
        return
    token = _is_spooling.set(True)
    try:
        with audit_action(action, settings={"app.audit_spool": "on"}):
            yield
            if not entered_by_job:
                transaction.on_commit(_try_to_enter)
    finally:
        _is_spooling.reset(token)


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
