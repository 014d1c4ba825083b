"""The endpoint of the event stream: server-sent events for browsers and integrations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from urfmp.live.access_denied import AuditedEndpoint
from urfmp.live.authentication import authenticate, presented_credential, requested_robots
from urfmp.live.http.errors import HttpError
from urfmp.live.http.requests import query_parameters
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool
from urfmp.live.registry import ConnectionRegistry, OrganizationChannel, StreamConnection
from urfmp.live.selectors import recent_statuses

logger = logging.getLogger(__name__)

_RETRY = b"retry: 2000\n\n"
_RESET = b'event: reset\ndata: {"type":"reset"}\n\n'
# A page is rendered before its stream opens: the stream starts with the changes since then.
_RECENT = timedelta(minutes=1)


class EventStreamEndpoint(AuditedEndpoint):
    """ASGI endpoint that opens one stream for each request.

    All state belongs to this process and may be lost: clients reconnect, and read what they
    missed through the API.
    """

    def __init__(self, registry: ConnectionRegistry, queries: QueryThreadPool) -> None:
        """Initialize the endpoint.

        Args:
            registry: Registry that the connections join.
            queries: Threads for the queries of requests.
        """
        super().__init__(queries)
        self._registry = registry

    async def serve(self, request: Request, send: Send) -> None:
        """Serve a stream until it closes."""
        credential = presented_credential(request)
        robots = requested_robots(request)
        with self._registry.reserve():
            try:
                scope = await self._queries.run(authenticate, credential, robots, is_request=True)
            except DATABASE_ERRORS:
                raise database_unavailable() from None
            connection = StreamConnection(credential, scope)
            channel = self._registry.connect(connection)
            try:
                response = EventStreamResponse(
                    connection, self._content(request, connection, channel), scope.limit_headers
                )
                await response(request.scope, request.receive, send)
            finally:
                self._registry.disconnect(connection)

    def _content(
        self, request: Request, connection: StreamConnection, channel: OrganizationChannel
    ) -> AsyncIterator[bytes]:
        """Return the content of the stream.

        Reads the replay buffer immediately, before another event can enter the send queue.
        """
        if request.method == "HEAD":
            return _no_events()
        last_id = request.headers.get("Last-Event-ID") or query_parameters(request).get(
            "last_event_id", ""
        )
        welcome = _welcome_event(connection, channel, last_id)
        return self._events(connection, channel, welcome, is_resumed=bool(last_id))

    async def _events(
        self,
        connection: StreamConnection,
        channel: OrganizationChannel,
        welcome: bytes,
        *,
        is_resumed: bool,
    ) -> AsyncIterator[bytes]:
        yield welcome
        if not is_resumed:
            await self._queue_recent_statuses(connection, channel)
        while not connection.is_closed:
            if data := await connection.queue.get():
                yield data

    async def _queue_recent_statuses(
        self, connection: StreamConnection, channel: OrganizationChannel
    ) -> None:
        """Queue the status changes since the page was rendered."""
        scope = connection.scope
        try:
            events = await self._queries.run(
                recent_statuses, scope.organization_id, scope.robots, _RECENT
            )
        except DATABASE_ERRORS as error:
            logger.warning("A stream starts without recent statuses: %s", error)
        else:
            buffer = channel.buffer_for(scope.robots)
            connection.queue.put_if_absent([buffer.unnumbered_frame(event) for event in events])


class EventStreamResponse(StreamingResponse):
    """A stream that ends when its connection is closed, from either side."""

    media_type = "text/event-stream"

    def __init__(
        self,
        connection: StreamConnection,
        content: AsyncIterator[bytes],
        headers: Mapping[str, str],
    ) -> None:
        """Initialize the response.

        Args:
            connection: Connection that the response serves.
            content: Encoded events.
            headers: Further header fields.
        """
        super().__init__(content, headers={"X-Accel-Buffering": "no", **headers})
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; close the connection when the client disconnects."""
        listener = asyncio.create_task(self._close_on_disconnect(receive))
        try:
            await self.stream_response(send)
        except asyncio.CancelledError:
            # `StreamConnection.close` cancels a send that the client blocks.
            if not self._connection.is_closed:
                raise
        finally:
            listener.cancel()

    async def stream_response(self, send: Send) -> None:
        """Send the events, noting since when each send waits for the client."""

        async def timed_send(message: Message) -> None:
            self._connection.sending_since = asyncio.get_running_loop().time()
            try:
                await send(message)
            finally:
                self._connection.sending_since = None

        await super().stream_response(timed_send)

    async def _close_on_disconnect(self, receive: Receive) -> None:
        await self.listen_for_disconnect(receive)
        self._connection.close()


def database_unavailable() -> HttpError:
    """Return the error for a request that the database cannot serve."""
    return HttpError(503, "unavailable", "The database is not available.", retry_after=2)


async def _no_events() -> AsyncIterator[bytes]:
    data: tuple[bytes, ...] = ()
    for part in data:
        yield part


def _welcome_event(
    connection: StreamConnection, channel: OrganizationChannel, last_id: str
) -> bytes:
    """Return the first event, and queue the missed ones.

    It has the subject, the organization and an id to resume from. A reset follows if missed
    events are not retained.

    Args:
        connection: Connection that was just registered.
        channel: Channel of the connection's organization.
        last_id: Id of the last event that the client received; empty for a new stream.
    """
    scope = connection.scope
    buffer = channel.buffer_for(scope.robots)
    missed = buffer.replay_after(last_id, scope.robots) if last_id else []
    for frame in missed or ():
        connection.queue.put(frame)
    welcome = {
        "type": "welcome",
        "subject": scope.subject,
        "organization": scope.organization_id,
    }
    position = last_id if missed else buffer.position
    return b"%bid: %b\nevent: welcome\ndata: %b\n\n%b" % (
        _RETRY,
        position.encode(),
        msgspec.json.encode(welcome),
        _RESET if missed is None else b"",
    )
