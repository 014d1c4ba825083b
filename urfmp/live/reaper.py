"""Once a second: end the streams whose time is over, keep the others warm."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from django.utils import timezone

from urfmp.live.authentication import identify
from urfmp.live.event_sources import DATABASE_ERRORS
from urfmp.live.http import Problem
from urfmp.live.query_threads import DatabaseThreads
from urfmp.live.registry import Client, Hub
from urfmp.live.selectors import ended_credentials

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b": heartbeat\nevent: heartbeat\ndata: {}\n\n"
_SEND_SECONDS = 30.0
_RECHECK_SECONDS = 60.0
_ROAMING_RECHECK_SECONDS = 0.5
# Streams end within a second of their session, and the query itself takes a little.
_CHECK_SECONDS = 0.8


class Warden:
    """Ends the streams of ended sessions and keys, of lost rights, and of clients that hang."""

    def __init__(self, hub: Hub, database: DatabaseThreads) -> None:
        """Watch over a hub."""
        self._hub = hub
        self._database = database
        self._is_failing = False

    async def run_clock(self) -> None:
        """Send heartbeats; end what the clock alone can end."""
        beat_at = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for client in list(self._hub.clients):
                if _is_over(client, now):
                    client.close()
            if now - beat_at >= _HEARTBEAT_SECONDS:
                beat_at = now
                for client in self._hub.clients:
                    client.mailbox.note("heartbeat", _HEARTBEAT)
            self._hub.forget_the_unwatched()

    async def run_checks(self) -> None:
        """Ask the database; while it does not answer, streams stay open."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if not self._hub.clients:
                continue
            try:
                await self._close_ended()
                self._is_failing = False
            except DATABASE_ERRORS as error:
                if not self._is_failing:
                    logger.warning("Sessions cannot be checked, streams stay open: %s", error)
                self._is_failing = True

    async def _close_ended(self) -> None:
        digests = {client.digest for client in self._hub.clients}
        ended = await self._database.run(ended_credentials, digests)
        for client in list(self._hub.clients):
            if client.digest in ended:
                client.close()

    async def run_rechecks(self) -> None:
        """Look rights up again: a role, a scope or an hour of silence may have changed them."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for client in [client for client in self._hub.clients if _is_due(client, now)]:
                client.checked_at = time.monotonic()
                with suppress(*DATABASE_ERRORS):
                    await self._recheck(client)

    async def _recheck(self, client: Client) -> None:
        robots = client.subscriber.robots or ()
        try:
            present = await self._database.run(identify, client.credential, robots)
        except Problem:
            client.close()
        else:
            seen = client.subscriber
            if (present.organization_id, present.robots) != (seen.organization_id, seen.robots):
                client.close()


def _is_due(client: Client, now: float) -> bool:
    # Whoever goes on to another organization takes no stream of the one before along.
    seconds = _ROAMING_RECHECK_SECONDS if client.subscriber.roams else _RECHECK_SECONDS
    return client.checked_at < now - seconds


def _is_over(client: Client, now: float) -> bool:
    expires_at = client.subscriber.expires_at
    if expires_at is not None and timezone.now() >= expires_at:
        return True
    return client.sending_since is not None and now - client.sending_since > _SEND_SECONDS
