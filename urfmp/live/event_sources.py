"""Sources of events: Redis, and the database while Redis is not available."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from uuid import UUID

import msgspec
from django.conf import settings
from django.utils import timezone
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from urfmp.common.redis.events import CHANNEL_PREFIX, Event
from urfmp.live.query_threads import DATABASE_ERRORS, QueryThreadPool
from urfmp.live.registry import ConnectionRegistry, OrganizationChannel
from urfmp.live.selectors import new_events

logger = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Event).decode
_SILENCE_SECONDS = 0.75
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 1.0
# While Redis is connected, a slow poll of the database recovers lost messages.
_RECONCILE_SECONDS = 10.0
# Publishers avoid Redis for some seconds after an error, so subscribers reconnect before them.
_OVERLAP_SECONDS = 5.0
# A row's time is that of the start of its transaction; it becomes visible at the commit.
_MAX_TRANSACTION = timedelta(seconds=5)


class RedisSource:
    """The process's only subscription, to the channels of all organizations.

    Attributes:
        is_connected: Whether published events are received.
        connected_at: Time of the last connection, on the monotonic clock.
    """

    def __init__(self, registry: ConnectionRegistry) -> None:
        """Initialize the source; `run` connects.

        Args:
            registry: Registry that receives the events.
        """
        self._registry = registry
        self.is_connected = False
        self.connected_at = 0.0
        self._is_failing = False

    async def run(self) -> None:
        """Receive events forever, reconnecting after errors."""
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
                if not self._is_failing:
                    logger.warning("Redis is not available; polling the database: %s", error)
                self._is_failing = True
            finally:
                self.is_connected = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, pubsub: PubSub) -> None:
        """Deliver messages; raise an error if Redis does not answer a ping."""
        is_ping_sent = False
        while True:
            message = await pubsub.get_message(timeout=_SILENCE_SECONDS)
            if message is not None:
                is_ping_sent = False
                self._set_connected()
                if message["type"] == "pmessage":
                    self._receive(message["channel"], message["data"])
            elif is_ping_sent:
                msg = "no answer to a ping"
                raise TimeoutError(msg)
            else:
                await pubsub.ping()
                is_ping_sent = True

    def _set_connected(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            self.connected_at = time.monotonic()
            self._is_failing = False
            logger.info("Subscribed to Redis.")

    def _receive(self, channel: bytes, data: bytes) -> None:
        try:
            organization_id = UUID(channel.decode().removeprefix(CHANNEL_PREFIX))
            if self._registry.has_channel(organization_id):
                self._registry.publish(organization_id, _decode(data))
        except (ValueError, msgspec.MsgspecError) as error:
            logger.warning("An event could not be decoded: %s", error)


class PollingSource:
    """Polls the database for organizations that have open streams."""

    def __init__(
        self, registry: ConnectionRegistry, redis: RedisSource, queries: QueryThreadPool
    ) -> None:
        """Initialize the source.

        Args:
            registry: Registry that receives the events.
            redis: Redis source; while it is connected, polling is slow.
            queries: Threads for the queries.
        """
        self._registry = registry
        self._redis = redis
        self._queries = queries
        self._is_failing = False

    async def run(self) -> None:
        """Poll forever."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            for organization_id, channel in self._registry.active_channels():
                if time.monotonic() - channel.polled_at >= self._interval() - _POLL_SECONDS / 2:
                    await self._poll(organization_id, channel)

    def _interval(self) -> float:
        redis = self._redis
        is_stable = redis.is_connected and time.monotonic() - redis.connected_at > _OVERLAP_SECONDS
        return _RECONCILE_SECONDS if is_stable else _POLL_SECONDS

    async def _poll(self, organization_id: UUID, channel: OrganizationChannel) -> None:
        started_at = time.monotonic()
        since = timedelta(seconds=started_at - channel.polled_at) + _MAX_TRANSACTION
        try:
            events = await self._queries.run(
                new_events,
                organization_id,
                channel.subscribed_robots(),
                changed_since=timezone.now() - since,
                seen_until=dict(channel.seen_until),
            )
        except DATABASE_ERRORS as error:
            if not self._is_failing:
                logger.warning("The database is not available; streams wait: %s", error)
            self._is_failing = True
            return
        self._is_failing = False
        channel.polled_at = started_at
        for event in events:
            channel.publish_if_new(event)
