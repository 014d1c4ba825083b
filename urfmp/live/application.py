"""The ASGI application of the live process: routes, lifespan and background tasks."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from urfmp.common.http.health import MAX_CHECK_SECONDS, check_database
from urfmp.live.commands.arrivals import DeviceAuthenticator
from urfmp.live.commands.endpoint import NextCommandEndpoint
from urfmp.live.commands.stream import CommandStreamEndpoint
from urfmp.live.commands.waiting import WaitingRobots
from urfmp.live.commands.wakeups import (
    DueCommandsPoller,
    NotificationListener,
    RevokedKeysPoller,
)
from urfmp.live.event_sources import PollingSource, RedisSource
from urfmp.live.event_stream import EventStreamEndpoint, database_unavailable
from urfmp.live.http.errors import EXCEPTION_HANDLERS
from urfmp.live.http.middleware import OptionsMiddleware, ResponseHeadersMiddleware
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool
from urfmp.live.reaper import ConnectionReaper
from urfmp.live.registry import ConnectionRegistry

logger = logging.getLogger(__name__)


class LiveProcess:
    """Connections, threads and background tasks that the routes share."""

    def __init__(self) -> None:
        """Initialize the process; threads and tasks start in `lifespan`."""
        self.registry = ConnectionRegistry()
        self.waiting_robots = WaitingRobots()
        self.request_queries = QueryThreadPool("requests", max_threads=4, timeout_seconds=5.0)
        # Not behind the queries of streams: a stop request is handed over by these.
        self.command_queries = QueryThreadPool("commands", max_threads=4, timeout_seconds=5.0)
        self.device_authenticator = DeviceAuthenticator(self.command_queries)
        self._background_queries = QueryThreadPool(
            "background", max_threads=2, timeout_seconds=10.0
        )
        # Not behind the queries of requests, which may all wait for the database.
        self._health_queries = QueryThreadPool(
            "health", max_threads=1, timeout_seconds=2 * MAX_CHECK_SECONDS
        )

    @asynccontextmanager
    async def lifespan(self, application: Starlette) -> AsyncIterator[None]:
        """Run the background tasks while the server runs."""
        redis = RedisSource(self.registry)
        polling = PollingSource(self.registry, redis, self._background_queries)
        reaper = ConnectionReaper(self.registry, self._background_queries)
        loops = (
            redis.run(),
            polling.run(),
            reaper.heartbeat_loop(),
            reaper.revocation_loop(),
            reaper.permission_loop(),
            NotificationListener(self.waiting_robots).run(),
            DueCommandsPoller(self.waiting_robots, self._background_queries).run(),
            RevokedKeysPoller(self.waiting_robots, self._background_queries).run(),
        )
        tasks = [asyncio.create_task(_supervise(loop)) for loop in loops]
        _shorten_garbage_collection()
        _call_on_signals(self.close)
        try:
            yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.request_queries.close()
            self.command_queries.close()
            self._background_queries.close()
            self._health_queries.close()

    def close(self) -> None:
        """End all streams and polls, and accept no others."""
        self.registry.close()
        self.waiting_robots.close()

    async def healthz(self, request: Request) -> Response:
        """Return whether the database responds."""
        try:
            await self._health_queries.run(check_database)
        except DATABASE_ERRORS:
            raise database_unavailable() from None
        return JSONResponse({"status": "ok"})


def create_application() -> Starlette:
    """Return the ASGI application."""
    process = LiveProcess()
    events = EventStreamEndpoint(process.registry, process.request_queries)
    commands = process.waiting_robots, process.device_authenticator, process.command_queries
    next_command = NextCommandEndpoint(*commands)
    command_stream = CommandStreamEndpoint(*commands)
    application = Starlette(
        routes=[
            _read_route("/healthz", process.healthz),
            _read_route("/api/v1/events", events),
            _route("/api/v1/device/commands/next", next_command, "POST"),
            _read_route("/api/v1/device/commands/events", command_stream),
        ],
        middleware=[Middleware(ResponseHeadersMiddleware)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=process.lifespan,
    )
    application.router.redirect_slashes = False
    return application


def _read_route(path: str, endpoint: Callable[..., Any]) -> Route:
    """Return a route for GET, HEAD and OPTIONS."""
    return _route(path, endpoint, "GET")


def _route(path: str, endpoint: Callable[..., Any], method: str) -> Route:
    """Return a route for one method and OPTIONS."""
    return Route(
        path, endpoint, methods=[method, "OPTIONS"], middleware=[Middleware(OptionsMiddleware)]
    )


def _call_on_signals(callback: Callable[[], None]) -> None:
    """Call back on SIGTERM and SIGINT, before the server's own handler.

    The server leaves the lifespan only after all streams have ended.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        server_handler = signal.getsignal(number)

        def handle(
            received: int, frame: FrameType | None, server_handler: Any = server_handler
        ) -> None:
            loop.call_soon_threadsafe(callback)
            if callable(server_handler):
                server_handler(received, frame)

        signal.signal(number, handle)


def _shorten_garbage_collection() -> None:
    """Keep the garbage collector from pausing all streams.

    A full collection visits every object of thousands of connections and of Django, for up to
    seconds, and runs repeatedly while robots connect. It now runs after four million objects more,
    and leaves out what was loaded at the start. Younger objects are collected as always.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 200)


async def _supervise(loop: Coroutine[Any, Any, None]) -> None:
    """Run an endless loop; shut the process down if it fails."""
    try:
        await loop
    except Exception:
        logger.exception("A background task of the live process failed; shutting down.")
        signal.raise_signal(signal.SIGTERM)
