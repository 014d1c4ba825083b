"""Threads that query the database, so that the event loop never blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

DATABASE_ERRORS = (DatabaseError, InterfaceError, TimeoutError, OSError)


class QueryThreadPool:
    """A fixed number of threads, each with its own database connection."""

    def __init__(self, name: str, *, max_threads: int, timeout_seconds: float) -> None:
        """Initialize the pool; threads start with the first calls.

        Args:
            name: Prefix of the threads' names, for stack dumps.
            max_threads: Number of threads, and so of database connections.
            timeout_seconds: Limit of a call, including the wait for a free thread.
        """
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix=name)
        self._timeout_seconds = timeout_seconds

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that queries the database, and return its result.

        Raises:
            TimeoutError: The call took too long; its thread is busy until the query ends.
        """
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(
            self._executor, lambda: _call_with_connection(function, *args, **kwargs)
        )
        return await asyncio.wait_for(call, self._timeout_seconds)

    def close(self) -> None:
        """Cancel waiting calls and shut down, without waiting for running ones."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _call_with_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function, closing connections that broke before or during the call."""
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
