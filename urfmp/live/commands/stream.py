"""The stream on which a robot receives its commands: server-sent events."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from apps.robots.exceptions import AcknowledgementOverdueError
from urfmp.live.access_denied import AuditedEndpoint
from urfmp.live.authentication import PresentedCredential, presented_credential
from urfmp.live.commands.arrivals import DeviceAuthenticator
from urfmp.live.commands.queries import (
    Device,
    HandedOverCommand,
    claim_command,
)
from urfmp.live.commands.waiting import Waiter, WaitingRobots, wait_until_woken
from urfmp.live.event_stream import database_unavailable
from urfmp.live.http.errors import HttpError
from urfmp.live.http.requests import query_parameters, request_id, wait_for_disconnect
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"
_SEND_TIMEOUT_SECONDS = 30.0
_RETRY_RANGE_SECONDS = (1.0, 2.0)


class CommandStreamEndpoint(AuditedEndpoint):
    """ASGI endpoint of `GET device/commands/events`.

    A command is claimed only for a client that is still connected, and after the previous one was
    acknowledged; stop requests are not held back. The stream ends when the key is revoked, a newer
    poll or stream of the robot arrives, or an acknowledgement is overdue.
    """

    def __init__(
        self, waiting: WaitingRobots, authenticator: DeviceAuthenticator, queries: QueryThreadPool
    ) -> None:
        """Initialize the endpoint.

        Args:
            waiting: Robots that wait at this process.
            authenticator: Authenticates robots that begin to wait.
            queries: Threads for the other queries.
        """
        super().__init__(queries)
        self._waiting = waiting
        self._authenticator = authenticator

    async def serve(self, request: Request, send: Send) -> None:
        """Serve a stream until it closes."""
        credential = presented_credential(request)
        _require_no_parameters(request)
        with self._waiting.reserve():
            try:
                device = await self._authenticator.authenticate(credential)
            except DATABASE_ERRORS:
                raise database_unavailable() from None
            if request.method == "HEAD":
                response = Response(media_type=CommandStreamResponse.media_type)
                await response(request.scope, request.receive, send)
                return
            digest = credential.digest
            with self._waiting.waiter(device.organization_id, device.robot_id, digest) as waiter:
                content = self._events(request, credential, device, waiter)
                await CommandStreamResponse(content)(request.scope, request.receive, send)

    async def _events(
        self,
        request: Request,
        credential: PresentedCredential,
        device: Device,
        waiter: Waiter,
    ) -> AsyncGenerator[bytes]:
        """Yield the robot's commands as they become due, and heartbeats."""
        disconnect = asyncio.create_task(wait_for_disconnect(request))
        loop = asyncio.get_running_loop()
        heartbeat_at = loop.time() + _HEARTBEAT_SECONDS
        has_waited, may_be_due = False, device.has_due_command
        previous_id: UUID | None = None
        try:
            yield _welcome(device)
            while not (disconnect.done() or waiter.is_superseded):
                command = None
                try:
                    if may_be_due:
                        command = await self._queries.run(
                            claim_command,
                            device,
                            credential,
                            request_id(request),
                            has_waited=has_waited,
                            previous_id=previous_id,
                        )
                except (HttpError, AcknowledgementOverdueError) as error:
                    logger.debug("A stream of commands ends: %s", error)
                    return
                except DATABASE_ERRORS:
                    await asyncio.sleep(random.uniform(*_RETRY_RANGE_SECONDS))  # noqa: S311
                if command is not None:
                    previous_id, has_waited, may_be_due = command.id, True, True
                    yield _frame(command)
                    continue
                may_be_due = await wait_until_woken(
                    waiter, disconnect, max(0.0, heartbeat_at - loop.time())
                )
                has_waited = True
                if loop.time() >= heartbeat_at:
                    heartbeat_at = loop.time() + _HEARTBEAT_SECONDS
                    yield _HEARTBEAT
        finally:
            disconnect.cancel()


class CommandStreamResponse(StreamingResponse):
    """A stream that ends with its content, or without a reader."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncGenerator[bytes]) -> None:
        """Initialize the response.

        Args:
            content: Encoded events.
        """
        super().__init__(content, headers={"X-Accel-Buffering": "no"})
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""

        async def timed_send(message: Message) -> None:
            await asyncio.wait_for(send(message), _SEND_TIMEOUT_SECONDS)

        async with aclosing(self._content):
            try:
                await self.stream_response(timed_send)
            except (TimeoutError, OSError) as error:
                logger.debug("A stream of commands is not read: %s", error)


def _welcome(device: Device) -> bytes:
    data = msgspec.json.encode({"type": "welcome", "robot": device.robot_id})
    return b"retry: 2000\nevent: welcome\ndata: %b\n\n" % data


def _frame(command: HandedOverCommand) -> bytes:
    return b"event: command\nid: %b\ndata: %b\n\n" % (
        str(command.id).encode(),
        msgspec.json.encode(command),
    )


def _require_no_parameters(request: Request) -> None:
    """Reject query parameters.

    Raises:
        HttpError: 400 for any parameter.
    """
    if names := sorted(set(query_parameters(request))):
        errors = {name: ["Unknown parameter."] for name in names}
        raise HttpError(400, "invalid", "Some parameters are invalid.", errors=errors)
