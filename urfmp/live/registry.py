"""Open connections, and the channels that deliver events to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from urfmp.common.redis.events import AlertEvent, Event, StatusEvent, TelemetryEvent
from urfmp.live.authentication import PresentedCredential, StreamScope
from urfmp.live.http.errors import HttpError
from urfmp.live.replay_buffer import ThrottledBuffer
from urfmp.live.send_queue import SendQueue

_COARSE_INTERVAL_SECONDS = 1.0
_COARSE_BATCH_SECONDS = 0.05
_FINE_INTERVAL_SECONDS = 0.2
_FINE_BATCH_SECONDS = 0.02
# Alerts whose newest event is known, so that polling does not repeat it.
_MAX_KNOWN_ALERTS = 1_000


@dataclass(frozen=True)
class ConnectionLimits:
    """Maximum open streams per process.

    A user may have many sessions and an organization many API keys: the limits per subject and
    per organization leave room for the others.

    Attributes:
        total: All streams.
        per_credential: Streams of one session, access token or API key.
        per_subject: Streams of one user, or of one API key.
        per_organization: Streams of one organization.
    """

    total: int = 1_000
    per_credential: int = 20
    per_subject: int = 100
    per_organization: int = 500


class StreamConnection:
    """One open stream.

    Attributes:
        credential: Credential that opened the stream.
        digest: Digest of the credential.
        scope: Events that the stream may carry.
        queue: Frames that wait to be sent.
        is_closed: Whether the stream is closed or closing.
        checked_at: Time of the last permission check, on the monotonic clock.
        sending_since: Start of the send in progress, on the monotonic clock; None between sends.
    """

    def __init__(self, credential: PresentedCredential, scope: StreamScope) -> None:
        """Initialize the connection that the current task serves.

        Args:
            credential: Credential that opens the stream.
            scope: Events that the stream may carry.
        """
        self.credential = credential
        self.digest = credential.digest
        self.scope = scope
        self.queue = SendQueue(
            accepts_commands=scope.sees_commands, accepts_alerts=scope.sees_alerts
        )
        self.is_closed = False
        self.checked_at = time.monotonic()
        self.sending_since: float | None = None
        self._task = asyncio.current_task()

    def close(self) -> None:
        """Close the stream, even while a send waits for a stalled client."""
        if self.is_closed:
            return
        self.is_closed = True
        self.queue.wake()
        if self.sending_since is not None and self._task:
            self._task.cancel()


class OrganizationChannel:
    """Buffers of one organization, and the latest known state of its robots.

    Attributes:
        coarse: Buffer for streams of the whole fleet: one value a second.
        fine: Buffer for streams of named robots: five values a second.
        seen_until: Time of each robot's newest point, so that polling skips older ones.
        polled_at: Time of the last poll of the database, on the monotonic clock.
    """

    def __init__(self) -> None:
        """Initialize a channel without subscribers."""
        self.coarse = ThrottledBuffer(_COARSE_INTERVAL_SECONDS, _COARSE_BATCH_SECONDS)
        self.fine = ThrottledBuffer(_FINE_INTERVAL_SECONDS, _FINE_BATCH_SECONDS)
        self.seen_until: dict[UUID, datetime] = {}
        self._newest: dict[UUID, dict[str, datetime]] = {}
        self._statuses: dict[UUID, tuple[str, datetime | None]] = {}
        self._alerts: dict[UUID, datetime] = {}
        self.polled_at = time.monotonic()

    def buffer_for(self, robots: frozenset[UUID] | None) -> ThrottledBuffer:
        """Return the buffer for streams of some robots, or of all."""
        return self.coarse if robots is None else self.fine

    @property
    def has_subscribers(self) -> bool:
        """True if a connection receives the channel's events."""
        return self.coarse.has_subscribers or self.fine.has_subscribers

    def subscribed_robots(self) -> frozenset[UUID] | None:
        """Return the subscribed robots; None if a connection receives all."""
        return None if self.coarse.has_subscribers else self.fine.subscribed_robots()

    def publish(self, event: Event) -> None:
        """Add an event to both buffers, without late points."""
        if isinstance(event, StatusEvent):
            self._statuses[event.robot_id] = (event.status, event.last_seen)
        elif isinstance(event, AlertEvent):
            self._alerts.pop(event.alert_id, None)
            self._alerts[event.alert_id] = event.time
            if len(self._alerts) > _MAX_KNOWN_ALERTS:
                del self._alerts[next(iter(self._alerts))]
        elif isinstance(event, TelemetryEvent):
            event = self._without_late_points(event)
            if not event.points:
                return
            newest = max(point.time for point in event.points)
            known = self.seen_until.get(event.robot_id)
            if known is None or known < newest:
                self.seen_until[event.robot_id] = newest
        self.coarse.add(event)
        self.fine.add(event)

    def _without_late_points(self, event: TelemetryEvent) -> TelemetryEvent:
        """Return the event without late points, which would look like current values.

        Robots that were offline send old points next to new ones.
        """
        times = self._newest.setdefault(event.robot_id, {})
        points = []
        for point in event.points:
            known = times.get(point.metric_name)
            if known is None or known <= point.time:
                times[point.metric_name] = point.time
                points.append(point)
        return TelemetryEvent(event.robot_id, points)

    def publish_if_new(self, event: Event) -> None:
        """Publish an event read from the database, if it is new."""
        if isinstance(event, StatusEvent):
            if self._statuses.get(event.robot_id) == (event.status, event.last_seen):
                return
        elif isinstance(event, AlertEvent):
            known = self._alerts.get(event.alert_id)
            if known is not None and event.time <= known:
                return
        elif isinstance(event, TelemetryEvent):
            until = self.seen_until.get(event.robot_id)
            if until and all(point.time <= until for point in event.points):
                return
        self.publish(event)

    def evict_if_idle(self) -> bool:
        """Drop the frames of idle buffers; return whether both buffers are idle."""
        idle = [buffer.evict_if_idle() for buffer in (self.coarse, self.fine)]
        return all(idle)


class ConnectionRegistry:
    """All open streams of this process, and the channels of their organizations."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """Initialize an empty registry.

        Args:
            limits: Numbers of streams; None for the defaults.
        """
        self.connections: set[StreamConnection] = set()
        self._limits = limits or ConnectionLimits()
        self._channels: dict[UUID, OrganizationChannel] = {}
        self._reserved = 0
        self._is_closing = False

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Reserve a stream slot, before the credential is authenticated.

        Raises:
            HttpError: 503 if the process is full or shutting down.
        """
        if self._is_closing or self._reserved >= self._limits.total:
            raise _busy()
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def connect(self, connection: StreamConnection) -> OrganizationChannel:
        """Subscribe a connection to its organization's events.

        Raises:
            HttpError: 429 if its credential, subject or organization has too many streams; 503
                if the process is shutting down.
        """
        if self._is_closing:
            raise _busy()
        self._check_limits(connection)
        scope = connection.scope
        channel = self._channels.setdefault(scope.organization_id, OrganizationChannel())
        channel.buffer_for(scope.robots).subscribe(connection.queue, scope.robots)
        self.connections.add(connection)
        return channel

    def _check_limits(self, connection: StreamConnection) -> None:
        own = connection.scope
        peers = [peer.scope for peer in self.connections]
        for limit, count, owner in (
            (
                self._limits.per_credential,
                sum(peer.digest == connection.digest for peer in self.connections),
                "this session, token or key",
            ),
            (
                self._limits.per_subject,
                sum(peer.subject == own.subject for peer in peers),
                "this user or key",
            ),
            (
                self._limits.per_organization,
                sum(peer.organization_id == own.organization_id for peer in peers),
                "this organization",
            ),
        ):
            if count >= limit:
                detail = f"{owner.capitalize()} has {limit} open streams, the maximum."
                raise HttpError(429, "too_many_streams", detail, retry_after=10)

    def disconnect(self, connection: StreamConnection) -> None:
        """Unsubscribe a connection."""
        self.connections.discard(connection)
        scope = connection.scope
        channel = self._channels[scope.organization_id]
        channel.buffer_for(scope.robots).unsubscribe(connection.queue)

    def has_channel(self, organization_id: UUID) -> bool:
        """Return whether the organization's events are needed; others are not decoded."""
        return organization_id in self._channels

    def active_channels(self) -> Iterator[tuple[UUID, OrganizationChannel]]:
        """Yield the channels that have subscribers, by organization."""
        for organization_id, channel in list(self._channels.items()):
            if channel.has_subscribers:
                yield organization_id, channel

    def publish(self, organization_id: UUID, event: Event) -> None:
        """Deliver an event to the organization's connections."""
        if channel := self._channels.get(organization_id):
            channel.publish(event)

    def evict_idle(self) -> None:
        """Drop the channels that had no subscribers for a minute."""
        for organization_id, channel in list(self._channels.items()):
            if channel.evict_if_idle():
                del self._channels[organization_id]

    def close(self) -> None:
        """Close all streams and reject new ones."""
        self._is_closing = True
        for connection in list(self.connections):
            connection.close()


def _busy() -> HttpError:
    return HttpError(503, "busy", "The server cannot open more streams.", retry_after=5)
