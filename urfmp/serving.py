"""The web process's worker: gunicorn's threads, with refusals as the API writes them.

Started by `--worker-class urfmp.serving.Worker`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

from urfmp.common.problems import CONTENT_TYPE, problem

# What cannot be read as a request never comes to Django. By what gunicorn answers it with.
_PROBLEMS = {
    400: ("malformed", "The request cannot be read."),
    403: ("permission_denied", "You may not do this."),
    414: ("address_too_long", "The address is too long; send less in it, or in parts."),
    417: ("expectation_failed", "Expect nothing but 100-continue."),
    431: ("headers_too_large", "The headers are too many or too large; send fewer cookies."),
    501: ("unsupported_transfer_coding", "Send the body plain, with a Content-Length."),
}
# Seconds: enough for another worker to wake up.
_LEFT_TO_OTHERS = 0.001
_FAULT = "server_error", "The server failed; the fault is recorded."
_HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class _Intercepted:
    """Stands for the client, and takes what gunicorn would have sent."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.sent = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def gettimeout(self) -> float:
        """Say that nothing blocks, so that nothing is changed about the client."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data


class Worker(ThreadWorker):
    """gunicorn's threaded worker, which leaves connections to its neighbours.

    And without its HTML: that has no policy, and quotes the request.
    """

    def accept(self, listener: Any) -> None:
        """Take a connection; with more than there are threads, wait a moment afterwards.

        Whoever is awake takes what comes, so one worker could get all of many connections that
        are opened at once, and keep them for as long as they are kept alive.
        """
        super().accept(listener)
        if self.nr_conns > self.cfg.threads:
            time.sleep(_LEFT_TO_OTHERS)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what cannot be read; gunicorn judges it, and writes the log."""
        page = _Intercepted(client)
        super().handle_error(req, page, addr, exc)
        with suppress(OSError):
            util.write_nonblock(client, refusal(_status(page.sent)))


def _status(page: bytes) -> int:
    words = page[:16].split(b" ")
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 500


def refusal(status: int) -> bytes:
    """Return a whole answer, after which the connection is closed."""
    code, detail = _PROBLEMS.get(status, _FAULT)
    body = msgspec.json.encode(problem(status, code, detail))
    headers = {**_HEADERS, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
