"""The endpoint at which a robot waits for its next command."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

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

MAX_WAIT_SECONDS = 30


class NextCommandEndpoint(AuditedEndpoint):
    """ASGI endpoint of `POST device/commands/next`.

    Its responses are 200 with a command, and 204 if none became due within `wait` seconds. A
    command is claimed only for a client that is still connected.
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
        """Respond with the robot's next command, or with 204 after the wait."""
        credential = presented_credential(request)
        seconds = _wait_seconds(request)
        with self._waiting.reserve():
            try:
                device = await self._authenticator.authenticate(credential)
                with self._waiting.waiter(device.organization_id, device.robot_id) as waiter:
                    command = await self._next_command(request, credential, device, waiter, seconds)
            except DATABASE_ERRORS:
                raise database_unavailable() from None
        response = Response(status_code=204)
        if command is not None:
            response = Response(msgspec.json.encode(command), media_type="application/json")
        await response(request.scope, request.receive, send)

    async def _next_command(
        self,
        request: Request,
        credential: PresentedCredential,
        device: Device,
        waiter: Waiter,
        seconds: float,
    ) -> HandedOverCommand | None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        disconnect = asyncio.create_task(wait_for_disconnect(request))
        has_waited, may_be_due = False, device.has_due_command
        try:
            while not (disconnect.done() or waiter.is_superseded):
                if may_be_due:
                    command = await self._queries.run(
                        claim_command,
                        device,
                        credential,
                        request_id(request),
                        has_waited=has_waited,
                    )
                    if command is not None:
                        return command
                await wait_until_woken(waiter, disconnect, max(0.0, end - loop.time()))
                has_waited = may_be_due = True
                if loop.time() >= end:
                    return None
        finally:
            disconnect.cancel()
        return None


def _wait_seconds(request: Request) -> float:
    """Return how long a request waits for a command.

    Raises:
        HttpError: 400 for an unknown parameter or an invalid number.
    """
    query = query_parameters(request)
    errors = {name: ["Unknown parameter."] for name in sorted(set(query) - {"wait"})}
    text = query.get("wait", str(MAX_WAIT_SECONDS))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= MAX_WAIT_SECONDS):
        errors["wait"] = [f"Enter a whole number of seconds from 0 to {MAX_WAIT_SECONDS}."]
    if errors:
        raise HttpError(400, "invalid", "Some parameters are invalid.", errors=errors)
    return float(text)
