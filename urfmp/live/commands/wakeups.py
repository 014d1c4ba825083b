"""Wake robots: by notifications, by polling, and after a key's revocation."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
from django.db import connections

from apps.robots.selectors.due_commands import robots_with_due_commands
from apps.robots.services.commands.changes import WAKE_CHANNEL
from urfmp.live.commands.waiting import WaitingRobots
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool
from urfmp.live.selectors import revoked_credentials

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
# Scheduled commands become due without a notification, and notifications are missed while the
# listener reconnects or behind a transaction pooler.
_POLL_SECONDS = 1.0
# A stream closes within a second of its key's revocation; the query needs the rest.
_REVOCATION_CHECK_SECONDS = 0.8


class NotificationListener:
    """The process's only LISTEN connection."""

    def __init__(self, waiting: WaitingRobots) -> None:
        """Initialize the listener; `run` connects.

        Args:
            waiting: Robots to wake.
        """
        self._waiting = waiting
        self._is_failing = False

    async def run(self) -> None:
        """Receive notifications forever, reconnecting after errors."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**_parameters()) as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                if not self._is_failing:
                    logger.warning("Notifications are not available; polling: %s", error)
                self._is_failing = True
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(f"LISTEN {WAKE_CHANNEL}")
        self._is_failing = False
        self._waiting.wake_all()
        async for notification in connection.notifies():
            with suppress(ValueError):
                self._waiting.wake(UUID(notification.payload))


def _parameters() -> dict[str, Any]:
    """Return the connection parameters of the process's role."""
    own = {"context", "cursor_factory", "prepare_threshold", "autocommit"}
    parameters = connections["default"].get_connection_params()
    kept = {name: value for name, value in parameters.items() if name not in own}
    return {**kept, "autocommit": True}


class DueCommandsPoller:
    """Polls the database for commands of waiting robots that are due."""

    def __init__(self, waiting: WaitingRobots, queries: QueryThreadPool) -> None:
        """Initialize the poller.

        Args:
            waiting: Robots to wake.
            queries: Threads for the queries.
        """
        self._waiting = waiting
        self._queries = queries

    async def run(self) -> None:
        """Poll forever."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            for organization_id in self._waiting.organizations():
                try:
                    due = await self._queries.run(robots_with_due_commands, organization_id)
                except DATABASE_ERRORS as error:
                    logger.debug("Due commands could not be read: %s", error)
                    break
                for robot_id in due:
                    self._waiting.wake(robot_id)


class RevokedKeysPoller:
    """Wakes streams whose key was revoked or expired, so that they end."""

    def __init__(self, waiting: WaitingRobots, queries: QueryThreadPool) -> None:
        """Initialize the poller.

        Args:
            waiting: Robots to wake.
            queries: Threads for the queries.
        """
        self._waiting = waiting
        self._queries = queries

    async def run(self) -> None:
        """Poll forever."""
        pause = _REVOCATION_CHECK_SECONDS
        while True:
            await asyncio.sleep(pause)
            if not (digests := self._waiting.key_digests()):
                continue
            began = time.monotonic()
            try:
                revoked = await self._queries.run(revoked_credentials, digests)
            except DATABASE_ERRORS as error:
                logger.debug("Keys could not be verified: %s", error)
            else:
                self._waiting.wake_keys(revoked)
            # The check of many thousands of keys must not occupy the database.
            pause = max(_REVOCATION_CHECK_SECONDS, 4 * (time.monotonic() - began))
