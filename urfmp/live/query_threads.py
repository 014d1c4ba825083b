"""Run queries beside the event loop, in threads that keep their own connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """A few threads, so a few connections, whatever the number of clients."""

    def __init__(self, name: str, threads: int, seconds: float) -> None:
        """Start no thread yet.

        Args:
            name: For stack dumps.
            threads: How many at most.
            seconds: How long a call may take, waiting for a thread included.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._seconds = seconds

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function returns that queries the database.

        Raises:
            TimeoutError: It took too long; the thread goes on until its query ends.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, lambda: _checked(function, *args, **kwargs))
        return await asyncio.wait_for(work, self._seconds)

    def close(self) -> None:
        """Let the threads end without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _checked(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Replace a connection that broke since the last call, and drop one that breaks in this."""
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


def ping() -> None:
    """Ask the database for an answer, whichever it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
