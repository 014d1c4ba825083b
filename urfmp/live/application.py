"""The ASGI application: routes, streams, and the work in the background."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Coroutine
from datetime import timedelta
from types import FrameType
from typing import Any

import msgspec

from apps.accounts.middleware.access_denied import is_recorded
from urfmp.live.access_denied import note_refusal
from urfmp.live.authentication import credential_of, identify, requested_robots
from urfmp.live.event_sources import DATABASE_ERRORS, PollingSource, RedisSource
from urfmp.live.http import (
    Header,
    Problem,
    Receive,
    Request,
    Scope,
    Send,
    answer_json,
    answer_preflight,
    answer_problem,
    header_fields,
    headers_for,
)
from urfmp.live.query_threads import DatabaseThreads, ping
from urfmp.live.reaper import Warden
from urfmp.live.registry import Client, Hub, Watch
from urfmp.live.selectors import recent_statuses

logger = logging.getLogger(__name__)

_STREAM_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]
_RETRY = b"retry: 2000\n\n"
_RESET = b'event: reset\ndata: {"type":"reset"}\n\n'
# A page is drawn before its stream opens: what changed in between is told at the beginning.
_RECENTLY = timedelta(minutes=1)


class LiveApplication:
    """Server-sent events for browsers and integrations.

    All state is of this process and may be lost: clients come back, and read the rest elsewhere.

    Attributes:
        routes: What answers at which path.
    """

    def __init__(self) -> None:
        """Start nothing before the server says so."""
        self._hub = Hub()
        self._callers = DatabaseThreads("callers", threads=4, seconds=5.0)
        self._background = DatabaseThreads("background", threads=2, seconds=10.0)
        self._tasks: list[asyncio.Task[None]] = []
        self.routes = {"/healthz": self._healthz, "/api/v1/events": self._events}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or go through the server's life."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(Request(scope), receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    # Life

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _start(self) -> None:
        redis = RedisSource(self._hub)
        polling = PollingSource(self._hub, redis, self._background)
        warden = Warden(self._hub, self._background)
        for work in (
            redis.run(),
            polling.run(),
            warden.run_clock(),
            warden.run_checks(),
            warden.run_rechecks(),
        ):
            self._tasks.append(asyncio.create_task(_watched(work)))
        self._close_on_signals()

    def _close_on_signals(self) -> None:
        """End the streams at once on SIGTERM: the server tells us only after they have ended."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            servers_own = signal.getsignal(number)

            def handle(
                received: int, frame: FrameType | None, servers_own: Any = servers_own
            ) -> None:
                loop.call_soon_threadsafe(self._hub.close)
                if callable(servers_own):
                    servers_own(received, frame)

            signal.signal(number, handle)

    async def _stop(self) -> None:
        self._hub.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._callers.close()
        self._background.close()

    # Requests

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            await self._dispatch(request, receive, send)
        except Problem as error:
            await answer_problem(request, send, error)

    async def _dispatch(self, request: Request, receive: Receive, send: Send) -> None:
        route = self.routes.get(request.path)
        if route is None:
            raise Problem(404, "not_found", "There is nothing at this address.")
        if request.method == "OPTIONS":
            await answer_preflight(request, send)
        elif request.method in {"GET", "HEAD"}:
            await route(request, receive, send)
        else:
            raise Problem(405, "method_not_allowed", "Use GET.")

    async def _healthz(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            await self._callers.run(ping)
        except DATABASE_ERRORS:
            raise _unavailable() from None
        await answer_json(request, send, 200, {"status": "ok"})

    async def _events(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            await self._open(request, receive, send)
        except Problem as error:
            if is_recorded(error.status):
                await self._note_refusal(request, error)
            raise

    async def _note_refusal(self, request: Request, error: Problem) -> None:
        """Record it before it is answered; the answer stays as it is whatever becomes of that."""
        try:
            await self._callers.run(note_refusal, request, error)
        except DATABASE_ERRORS as fault:
            logger.warning("A refusal could not be recorded: %s", fault)

    async def _open(self, request: Request, receive: Receive, send: Send) -> None:
        credential = credential_of(request)
        robots = requested_robots(request)
        self._hub.reserve()
        try:
            try:
                subscriber = await self._callers.run(identify, credential, robots, is_request=True)
            except DATABASE_ERRORS:
                raise _unavailable() from None
            client = Client(credential, subscriber)
            watch = self._hub.join(client)
            try:
                await self._stream(request, client, watch, receive, send)
            finally:
                self._hub.leave(client)
        finally:
            self._hub.release()

    async def _stream(
        self, request: Request, client: Client, watch: Watch, receive: Receive, send: Send
    ) -> None:
        limits = header_fields(client.subscriber.limit_headers)
        headers = headers_for(request, [*_STREAM_HEADERS, *limits])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        last = request.headers.get("Last-Event-ID") or request.query.get("last_event_id", "")
        greeting = _greeting(client, watch, last)
        listener = asyncio.create_task(_close_when_gone(client, receive))
        try:
            await _send(client, send, greeting)
            if not last:
                await self._put_recent_statuses(client, watch)
            while not client.is_closed:
                if data := await client.mailbox.take():
                    await _send(client, send, data)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            # `Client.close` cuts off a client that has stopped reading.
            if not client.is_closed:
                raise
        finally:
            listener.cancel()

    async def _put_recent_statuses(self, client: Client, watch: Watch) -> None:
        """Tell what has changed since the page was drawn; a client that comes back was told."""
        robots, organization_id = client.subscriber.robots, client.subscriber.organization_id
        try:
            events = await self._callers.run(recent_statuses, organization_id, robots, _RECENTLY)
        except DATABASE_ERRORS as error:
            logger.warning("A stream begins without the latest statuses: %s", error)
        else:
            feed = watch.feed_for(robots)
            client.mailbox.put_unless_newer([feed.frame(event) for event in events])


def _greeting(client: Client, watch: Watch, last: str) -> bytes:
    """Return a stream's beginning: whose it is, an id to come back to, a reset if it is due.

    What the client has missed is put into its mailbox. Runs before anything else can get there.

    Args:
        client: Who has just joined.
        watch: The client's organization.
        last: The id of the last event that the client got; empty for a new one.
    """
    subscriber = client.subscriber
    feed = watch.feed_for(subscriber.robots)
    missed = feed.since(last, subscriber.robots) if last else []
    for frame in missed or ():
        client.mailbox.put(frame)
    welcome = {
        "type": "welcome",
        "subject": subscriber.subject,
        "organization": subscriber.organization_id,
    }
    position = last if missed else feed.position
    return b"%bid: %b\nevent: welcome\ndata: %b\n\n%b" % (
        _RETRY,
        position.encode(),
        msgspec.json.encode(welcome),
        _RESET if missed is None else b"",
    )


async def _send(client: Client, send: Send, data: bytes) -> None:
    client.sending_since = asyncio.get_running_loop().time()
    try:
        await send({"type": "http.response.body", "body": data, "more_body": True})
    finally:
        client.sending_since = None


async def _close_when_gone(client: Client, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            client.close()
            return


async def _watched(work: Coroutine[Any, Any, None]) -> None:
    """Run what must never end; say so if it does, and end the process rather than limp on."""
    try:
        await work
    except Exception:
        logger.exception("A part of the live process failed; it ends, to be started again.")
        signal.raise_signal(signal.SIGTERM)


def _unavailable() -> Problem:
    return Problem(503, "unavailable", "The database is not available.", retry_after=2)
