"""Limits on what requests write to the log.

A log is rotated by size. Without bounds, a client that is denied often enough pushes out all other
lines.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

MAX_LINE_LENGTH = 160
MAX_BYTES_PER_CLIENT = 16_000
MAX_BYTES_TOTAL = 256_000
WINDOW_SECONDS = 60.0
# Suppressed lines are counted for this many clients; the others share one count.
_MAX_CLIENTS = 1_000
_MAX_REPORTED_CLIENTS = 5
# Time, level and logger of a line, and a traceback.
_LINE_OVERHEAD_BYTES = 60
_TRACEBACK_BYTES = 4_000
_OTHERS = "other addresses"

# Errors in what clients send, which a traceback would not explain.
_CLIENT_ERRORS = (
    "DisallowedHost", "RequestDataTooBig", "SuspiciousMultipartForm", "SuspiciousOperation",
    "TooManyFieldsSent", "TooManyFilesSent",
)  # fmt: skip
# The servers name the client in the message, or not at all.
_SERVERS = ("gunicorn.error", "uvicorn.error")
_SERVER_CLIENT = re.compile(r"\bip=([0-9a-fA-F.:]+)")
LOGGERS: dict[str, Any] = {
    **{name: {"level": "WARNING"} for name in ("django.server", "procrastinate")},
    **{f"django.security.{name}": {"filters": ["one_line"]} for name in _CLIENT_ERRORS},
    "django.request": {"filters": ["request_errors"]},
    **{name: {"level": "INFO", "handlers": ["console"], "propagate": False} for name in _SERVERS},
}
FILTERS: dict[str, Any] = {
    "one_line": {"()": "urfmp.common.log_filters.SingleLineFilter"},
    "request_errors": {"()": "urfmp.common.log_filters.RequestErrorFilter"},
    "client_limit": {"()": "urfmp.common.log_filters.ClientLimitFilter"},
    "database_outage": {"()": "urfmp.common.log_filters.DatabaseOutageFilter"},
}

logger = logging.getLogger(__name__)
_client: ContextVar[str] = ContextVar("log_client", default="")


@contextmanager
def client_of_log(address: str) -> Iterator[None]:
    """Attribute the lines that are written inside to a client.

    Args:
        address: IP address of the client.
    """
    token = _client.set(address)
    try:
        yield
    finally:
        _client.reset(token)


def single_line(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


class SingleLineFilter(logging.Filter):
    """Shortens the log of an invalid request to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the traceback and shorten the message."""
        message = single_line(record.getMessage())
        if len(message) > MAX_LINE_LENGTH:
            message = message[:MAX_LINE_LENGTH] + "\u2026"
        record.msg, record.args, record.exc_info, record.exc_text = message, (), None, None
        return True


class DatabaseOutageFilter(logging.Filter):
    """Shortens errors of a lost database to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the traceback and append the error."""
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__name__ in {"OperationalError", "InterfaceError"}:
            message = f"{record.getMessage()} {single_line(str(error))}"
            record.msg, record.args, record.exc_info, record.exc_text = message, (), None, None
        return True


class RequestErrorFilter(SingleLineFilter):
    """Shortens the log of denied and rejected requests, and drops duplicates.

    Only an unexpected error keeps its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what `unavailable` has logged; shorten the others, except unexpected errors."""
        status = getattr(record, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
        if status == HTTPStatus.SERVICE_UNAVAILABLE and record.exc_info:
            return False
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return True
        return super().filter(record)


class ClientLimitFilter(logging.Filter):
    """Suppresses lines of clients that have written much within a minute.

    What was suppressed is reported once a minute, with the number of lines of each address.
    """

    def __init__(self) -> None:
        """Start with no client known."""
        super().__init__()
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self._window_end = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        client = _client_of(record)
        if not client:
            return True
        size = len(record.getMessage()) + _LINE_OVERHEAD_BYTES
        size += _TRACEBACK_BYTES if record.exc_info else 0
        with self._lock:
            if time.monotonic() > self._window_end:
                self._used.clear()
                self._window_end = time.monotonic() + WINDOW_SECONDS
            known = client if client in self._used or len(self._used) < _MAX_CLIENTS else _OTHERS
            if (
                self._used[known] + size <= MAX_BYTES_PER_CLIENT
                and self._used.total() + size <= MAX_BYTES_TOTAL
            ):
                self._used[known] += size
                return True
            is_first = not self._suppressed
            self._suppressed[known] += 1
        if is_first:
            timer = threading.Timer(WINDOW_SECONDS, self.report)
            timer.daemon = True
            timer.start()
        return False

    def report(self) -> None:
        """Log the numbers of suppressed lines, and forget them."""
        with self._lock:
            suppressed, self._suppressed = self._suppressed, Counter()
        if not suppressed:
            return
        most = suppressed.most_common(_MAX_REPORTED_CLIENTS)
        parts = [f"{count} of {client}" for client, count in most]
        if rest := suppressed.total() - sum(count for _, count in most):
            parts.append(f"{rest} of {len(suppressed) - len(most)} more")
        logger.warning("Log lines of requests suppressed within a minute: %s", ", ".join(parts))


def _client_of(record: logging.LogRecord) -> str:
    """Return the address whose request caused a line, or an empty text."""
    if record.name == __name__:
        return ""
    request = getattr(record, "request", None)
    address = str(getattr(request, "META", {}).get("REMOTE_ADDR") or "") or _client.get()
    if not address and record.name in _SERVERS and record.levelno >= logging.WARNING:
        found = _SERVER_CLIENT.search(record.getMessage())
        address = found[1] if found else record.name
    return _network(address)


def _network(address: str) -> str:
    """Return an address, or the network of one client that has many."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
