"""Checks of a process before it serves requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections

# No page and no API request needs nearly as long for one statement. Exports have a limit of their
# own; jobs, commands and migrations have none.
_MAX_REQUEST_STATEMENT_SECONDS = 15


def limit_statements() -> None:
    """Limit the statements of a process that serves requests.

    Call it before the first connection.
    """
    connections.settings[DEFAULT_DB_ALIAS]["MAX_STATEMENT_SECONDS"] = _MAX_REQUEST_STATEMENT_SECONDS


def _connect() -> None:
    with suppress(OperationalError):
        connection.ensure_connection()
    connection.close()


def reject_privileged_role() -> None:
    """Connect once, so that a role exempt from row-level security is rejected.

    An unreachable database does not prevent the start. Requests get 503 until it returns, and the
    first connection checks the role. The check runs in a thread of its own, because an ASGI server
    imports its application inside an event loop.

    Raises:
        ImproperlyConfigured: The role is a superuser, bypasses row security or owns tables.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(_connect).result()
