"""The web process's worker: gunicorn with an event loop.

Start it with `--worker-class urfmp.servers.gunicorn.Worker`.
"""

from __future__ import annotations

from urfmp.servers.gunicorn.worker import Worker

__all__ = ["Worker"]
