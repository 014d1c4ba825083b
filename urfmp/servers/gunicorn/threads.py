"""The threads that handle complete requests, and who gets one next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_MAX_HEALTH_CHECKS = 8
# The other quarter is left to others, however many requests one client sends at a time.
_MAX_CLIENT_SHARE = 0.75

Task = Callable[[], bool]
Callback = Callable[[bool], None]


class RequestThreads:
    """Threads for requests, and one for health checks alone."""

    def __init__(self, threads: int, call_soon: Callable[..., None]) -> None:
        """Start without requests.

        Args:
            threads: Number of threads for requests.
            call_soon: Calls a function in the thread of the event loop.
        """
        self._max_per_client = max(int(threads * _MAX_CLIENT_SHARE), 1)
        self._call_soon = call_soon
        self._threads = ThreadPoolExecutor(threads, "request")
        self._health_thread = ThreadPoolExecutor(1, "health")
        self._health_checks = 0
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[Task, Callback]]] = {}

    def submit_health_check(self, task: Task, callback: Callback) -> bool:
        """Run a health check; return False if too many run."""
        if self._health_checks >= _MAX_HEALTH_CHECKS:
            return False

        def finished(result: Future[bool]) -> None:
            self._health_checks -= 1
            callback(_value(result))

        self._health_checks += 1
        self._run(self._health_thread, task, finished)
        return True

    def submit(self, client: str, task: Task, callback: Callback) -> None:
        """Run a task when it is the client's turn.

        Args:
            client: Client whose request it is.
            task: Called in a thread.
            callback: Called in the loop with the task's result; False if it failed.
        """
        if self._running.get(client, 0) >= self._max_per_client:
            self._waiting.setdefault(client, deque()).append((task, callback))
            return
        self._running[client] = self._running.get(client, 0) + 1
        self._start(client, task, callback)

    def shut_down(self) -> None:
        """Let running tasks finish and drop the waiting ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._health_thread.shutdown(wait=False, cancel_futures=True)

    def _start(self, client: str, task: Task, callback: Callback) -> None:
        def finished(result: Future[bool]) -> None:
            self._start_next(client)
            callback(_value(result))

        self._run(self._threads, task, finished)

    def _start_next(self, client: str) -> None:
        if waiting := self._waiting.get(client):
            task, callback = waiting.popleft()
            if not waiting:
                del self._waiting[client]
            self._start(client, task, callback)
            return
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]

    def _run(
        self, threads: ThreadPoolExecutor, task: Task, finished: Callable[[Any], None]
    ) -> None:
        threads.submit(task).add_done_callback(lambda result: self._call_soon(finished, result))


def _value(result: Future[bool]) -> bool:
    return not result.cancelled() and not result.exception() and result.result()
