"""The web process's worker with short timeouts, and an application, for tests."""

from __future__ import annotations

import tempfile
from typing import Any

from urfmp.servers import gunicorn
from urfmp.servers.gunicorn.limits import Limits


class Worker(gunicorn.Worker):
    """The worker with limits that a test can reach."""

    limits = Limits(
        max_silence_seconds=5.0,
        max_arrival_seconds=2.0,
        min_rate=1_000_000,
        max_stall_seconds=1.0,
        max_body_bytes_total=20_000_000,
    )


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
