"""Where events come from: Redis, or the database while Redis is away."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from urfmp.common.redis.events import CHANNEL_PREFIX, Event
from urfmp.live.query_threads import DatabaseThreads
from urfmp.live.registry import Hub, Watch
from urfmp.live.selectors import new_events

logger = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Event).decode
_QUIET_SECONDS = 0.75
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 1.0
# With Redis there, a slow look into the database mends whatever got lost on the way.
_MENDING_SECONDS = 10.0
# Publishers leave Redis alone for a while after a failure, so it is back for us before for them.
_OVERLAP_SECONDS = 5.0
# A row is stamped when its transaction begins and seen when it ends.
_LONGEST_TRANSACTION = timedelta(seconds=5)

DATABASE_ERRORS = (DatabaseError, InterfaceError, TimeoutError, OSError)


class RedisSource:
    """The process's one subscription, to all organizations' channels.

    Attributes:
        is_connected: Whether it hears what is published.
    """

    def __init__(self, hub: Hub) -> None:
        """Connect later, in `run`."""
        self._hub = hub
        self.is_connected = False
        self.connected_at = 0.0
        self._is_missed = False

    async def run(self) -> None:
        """Listen for ever; return to Redis whenever it is back."""
        while True:
            client = Redis.from_url(
                settings.REDIS_URL,
                socket_connect_timeout=1.0,
                socket_timeout=1.0,
                retry=Retry(NoBackoff(), 0),
            )
            try:
                async with client, client.pubsub() as pubsub:
                    await pubsub.psubscribe(f"{CHANNEL_PREFIX}*")
                    await self._listen(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                if not self._is_missed:
                    logger.warning("Redis is not answering, streams read the database: %s", error)
                self._is_missed = True
            finally:
                self.is_connected = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, pubsub: PubSub) -> None:
        """Pass messages on; raise when Redis neither talks nor answers a ping."""
        is_asked = False
        while True:
            message = await pubsub.get_message(timeout=_QUIET_SECONDS)
            if message is not None:
                is_asked = False
                self._note_connected()
                if message["type"] == "pmessage":
                    self._receive(message["channel"], message["data"])
            elif is_asked:
                msg = "no answer to a ping"
                raise TimeoutError(msg)
            else:
                await pubsub.ping()
                is_asked = True

    def _note_connected(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            self.connected_at = time.monotonic()
            self._is_missed = False
            logger.info("Streams listen to Redis.")

    def _receive(self, channel: bytes, data: bytes) -> None:
        try:
            organization_id = UUID(channel.decode().removeprefix(CHANNEL_PREFIX))
            if self._hub.is_watched(organization_id):
                self._hub.add(organization_id, _decode(data))
        except (ValueError, msgspec.MsgspecError) as error:
            logger.warning("An event could not be read: %s", error)


class PollingSource:
    """The database, asked for the organizations that have clients."""

    def __init__(self, hub: Hub, redis: RedisSource, database: DatabaseThreads) -> None:
        """Poll once a second while `redis` does not hear anything, and slowly otherwise."""
        self._hub = hub
        self._redis = redis
        self._database = database
        self._is_failing = False

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            for organization_id, watch in self._hub.watches():
                if time.monotonic() - watch.polled_at >= self._pause() - _POLL_SECONDS / 2:
                    await self._poll(organization_id, watch)

    def _pause(self) -> float:
        redis = self._redis
        settled = redis.is_connected and time.monotonic() - redis.connected_at > _OVERLAP_SECONDS
        return _MENDING_SECONDS if settled else _POLL_SECONDS

    async def _poll(self, organization_id: UUID, watch: Watch) -> None:
        began = time.monotonic()
        since = timedelta(seconds=began - watch.polled_at) + _LONGEST_TRANSACTION
        try:
            events = await self._database.run(
                new_events,
                organization_id,
                watch.robots(),
                changed_since=timezone.now() - since,
                seen_until=dict(watch.seen_until),
            )
        except DATABASE_ERRORS as error:
            if not self._is_failing:
                logger.warning("The database is not answering, streams wait: %s", error)
            self._is_failing = True
            return
        self._is_failing = False
        watch.polled_at = began
        for event in events:
            watch.add_if_new(event)
