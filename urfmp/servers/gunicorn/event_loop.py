"""A minimal event loop: sockets, and calls from threads."""

from __future__ import annotations

import os
import queue
import selectors
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

_WAKE_UP_BYTES = 4096


class EventLoop:
    """Calls back when sockets are ready, and when threads ask for it."""

    def __init__(self) -> None:
        """Create the loop; only `call_soon` may be used in other threads."""
        self._selector = selectors.DefaultSelector()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self.watch(self._reader, selectors.EVENT_READ, self._run_calls)

    def call_soon(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the thread of the loop."""
        self._calls.put(partial(function, *arguments))
        # A full pipe wakes the loop up as well.
        with suppress(BlockingIOError):
            os.write(self._writer, b"\0")

    def watch(self, source: Any, events: int, callback: Callable[[], None]) -> None:
        """Call back whenever a socket is ready; 0 ends that."""
        is_watched = _descriptor(source) in self._selector.get_map()
        if not events:
            if is_watched:
                self._selector.unregister(source)
        elif is_watched:
            self._selector.modify(source, events, callback)
        else:
            self._selector.register(source, events, callback)

    def run_once(self, timeout: float) -> None:
        """Wait for events and call back."""
        for key, _ in self._selector.select(timeout):
            # An earlier callback may have closed this socket.
            if self._selector.get_map().get(key.fd) is key:
                key.data()

    def _run_calls(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reader, _WAKE_UP_BYTES)
        for _ in range(self._calls.qsize()):
            self._calls.get_nowait()()


def _descriptor(source: Any) -> int:
    return source if isinstance(source, int) else int(source.fileno())
