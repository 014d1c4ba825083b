from __future__ import annotations

import asyncio
import logging
import signal
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool

from urfmp.db.backends.postgresql.hang_detection import GuardedAsyncConnection
from urfmp.db.startup import reject_privileged_role

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2


class Command(BaseCommand):
    """Run jobs and periodic tasks until SIGINT or SIGTERM."""

    help = "Run jobs and periodic tasks. Any number of workers may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, default=4)

    def handle(self, *args: Any, **options: Any) -> None:
        reject_privileged_role()
        asyncio.run(_work(options["concurrency"]))


async def _work(concurrency: int) -> None:
    """Run until a signal stops it; reconnect while the database is unavailable."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        worker = asyncio.ensure_future(_run(concurrency))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not worker.done():
            worker.cancel()
        try:
            await worker
        except asyncio.CancelledError:
            return
        except (ConnectorException, OperationalError, OSError) as error:
            logger.warning("The worker lost its database connection and retries: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)


async def _run(concurrency: int) -> None:
    pool: Any = partial(AsyncConnectionPool, connection_class=GuardedAsyncConnection)
    connector = PsycopgConnector(kwargs=connector_params(), pool_factory=pool)
    with app.replace_connector(connector) as worker_app:
        async with worker_app.open_async():
            await worker_app.run_worker_async(
                concurrency=concurrency,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=5,
            )
