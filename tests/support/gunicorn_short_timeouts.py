"""The web process's worker with short timeouts, and an application, for tests."""

from __future__ import annotations

import tempfile
from typing import Any

from urfmp.servers import gunicorn

gunicorn._MAX_SILENCE_SECONDS = 5.0
gunicorn._RECEIVE_TIMEOUT_SECONDS = 1
gunicorn._SEND_TIMEOUT_SECONDS = 1
gunicorn._MAX_ARRIVAL_SECONDS = 2.0
gunicorn._MIN_BYTES_PER_SECOND = 1_000_000

Worker = gunicorn.Worker


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Read the body at `/read` only; return a short, a long or a file response."""
    body = environ["wsgi.input"].read() if environ["PATH_INFO"] == "/read" else b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/file":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
        file.truncate(20_000_000)
        return environ["wsgi.file_wrapper"](file)
    long = bytes(20_000_000) if environ["PATH_INFO"] == "/long" else b""
    return [b"Hello %d" % len(body), long]
