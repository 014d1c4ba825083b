"""What every serving process asks before it serves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.db import OperationalError, connection


def _connect() -> None:
    with suppress(OperationalError):
        connection.ensure_connection()
    connection.close()


def reject_privileged_role() -> None:
    """Connect once, which refuses a role that row-level security does not hold.

    A database that is away is no reason not to start: requests answer 503 until it is back, and
    the role is looked at with the first connection. A thread of its own, because an ASGI server
    imports its application inside an event loop.

    Raises:
        ImproperlyConfigured: The role is a superuser, bypasses row security or owns tables.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(_connect).result()
