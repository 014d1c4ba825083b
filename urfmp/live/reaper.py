"""Close streams that may not continue, and send heartbeats to the others."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from django.utils import timezone

from urfmp.live.authentication import StreamScope, authenticate
from urfmp.live.http.errors import HttpError
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool
from urfmp.live.registry import ConnectionRegistry, StreamConnection
from urfmp.live.selectors import revoked_credentials

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b": heartbeat\nevent: heartbeat\ndata: {}\n\n"
_SEND_TIMEOUT_SECONDS = 30.0
_PERMISSION_CHECK_SECONDS = 60.0
# Platform staff switch organizations at any time; their streams may not outlast the switch.
_PLATFORM_STAFF_CHECK_SECONDS = 0.5
# A stream closes within a second of its session's revocation; the query needs the rest.
_REVOCATION_CHECK_SECONDS = 0.8


class ConnectionReaper:
    """Closes streams of revoked credentials, lost permissions and stalled clients."""

    def __init__(self, registry: ConnectionRegistry, queries: QueryThreadPool) -> None:
        """Initialize the reaper.

        Args:
            registry: Connections to watch.
            queries: Threads for its queries.
        """
        self._registry = registry
        self._queries = queries
        self._is_failing = False

    async def heartbeat_loop(self) -> None:
        """Send heartbeats, close expired and stalled streams, and evict idle channels."""
        sent_at = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in list(self._registry.connections):
                if is_expired(connection, now):
                    connection.close()
            if now - sent_at >= _HEARTBEAT_SECONDS:
                sent_at = now
                for connection in self._registry.connections:
                    connection.queue.put_control("heartbeat", _HEARTBEAT)
            self._registry.evict_idle()

    async def revocation_loop(self) -> None:
        """Close streams of revoked credentials.

        While the database is not available, all streams stay open.
        """
        while True:
            await asyncio.sleep(_REVOCATION_CHECK_SECONDS)
            if not self._registry.connections:
                continue
            try:
                await self._close_revoked()
                self._is_failing = False
            except DATABASE_ERRORS as error:
                if not self._is_failing:
                    logger.warning("Cannot check sessions; streams stay open: %s", error)
                self._is_failing = True

    async def _close_revoked(self) -> None:
        digests = {connection.digest for connection in self._registry.connections}
        revoked = await self._queries.run(revoked_credentials, digests)
        for connection in list(self._registry.connections):
            if connection.digest in revoked:
                connection.close()

    async def permission_loop(self) -> None:
        """Authenticate open streams again: role, scopes or session may have changed."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in [
                connection
                for connection in self._registry.connections
                if needs_permission_check(connection, now)
            ]:
                connection.checked_at = time.monotonic()
                with suppress(*DATABASE_ERRORS):
                    await self._check_permissions(connection)

    async def _check_permissions(self, connection: StreamConnection) -> None:
        robots = connection.scope.robots or ()
        try:
            current = await self._queries.run(authenticate, connection.credential, robots)
        except HttpError:
            connection.close()
        else:
            opened = connection.scope
            if _carried(current) != _carried(opened):
                connection.close()


def _carried(scope: StreamScope) -> tuple[object, ...]:
    """Return what decides which events a stream carries."""
    return scope.organization_id, scope.robots, scope.sees_commands, scope.sees_alerts


def needs_permission_check(connection: StreamConnection, now: float) -> bool:
    """Return whether the connection's permissions are to be checked again.

    Args:
        connection: An open connection.
        now: Current time on the monotonic clock.
    """
    is_staff = connection.scope.is_platform_staff
    seconds = _PLATFORM_STAFF_CHECK_SECONDS if is_staff else _PERMISSION_CHECK_SECONDS
    return connection.checked_at < now - seconds


def is_expired(connection: StreamConnection, now: float) -> bool:
    """Return whether the session has expired or a send has timed out.

    Args:
        connection: An open connection.
        now: Current time on the monotonic clock.
    """
    expires_at = connection.scope.expires_at
    if expires_at is not None and timezone.now() >= expires_at:
        return True
    sending_since = connection.sending_since
    return sending_since is not None and now - sending_since > _SEND_TIMEOUT_SECONDS
