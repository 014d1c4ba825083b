"""Who is connected to this process, and how events reach them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from urfmp.common.redis.events import Event, StatusEvent, TelemetryEvent
from urfmp.live.authentication import Credential, Subscriber
from urfmp.live.http import Problem
from urfmp.live.replay_buffer import Feed
from urfmp.live.send_queue import Mailbox

CONNECTIONS_AT_MOST = 1_000
# A person may be signed in often, and an organization has many keys: neither keeps the others out.
OF_A_CREDENTIAL_AT_MOST, OF_ONE_AT_MOST, OF_AN_ORGANIZATION_AT_MOST = 20, 100, 500
_FLEET_INTERVAL, _FLEET_GAP = 1.0, 0.05
_ROBOT_INTERVAL, _ROBOT_GAP = 0.2, 0.02


class Client:
    """One open stream.

    Attributes:
        checked_at: When its rights were last looked up, on the monotonic clock.
        sending_since: When the send that is under way began; None between sends.
    """

    def __init__(self, credential: Credential, subscriber: Subscriber) -> None:
        """Take who it is."""
        self.credential = credential
        self.digest = credential.digest
        self.subscriber = subscriber
        self.mailbox = Mailbox()
        self.is_closed = False
        self.checked_at = time.monotonic()
        self.sending_since: float | None = None
        self.task = asyncio.current_task()

    def close(self) -> None:
        """End the stream, also where its client has stopped reading."""
        if self.is_closed:
            return
        self.is_closed = True
        self.mailbox.wake()
        if self.sending_since is not None and self.task:
            self.task.cancel()


class Watch:
    """One organization's feeds, and what is known of its robots.

    Attributes:
        fleet: For clients that watch everything: a value a second.
        detail: For clients that name their robots: five a second.
        seen_until: Time of each robot's newest point, so that polling does not repeat it.
        polled_at: When the database was last read for it, on the monotonic clock.
    """

    def __init__(self) -> None:
        """Start without clients."""
        self.fleet = Feed(_FLEET_INTERVAL, _FLEET_GAP)
        self.detail = Feed(_ROBOT_INTERVAL, _ROBOT_GAP)
        self.seen_until: dict[UUID, datetime] = {}
        self._newest: dict[UUID, dict[str, datetime]] = {}
        self._statuses: dict[UUID, tuple[str, datetime | None]] = {}
        self.polled_at = time.monotonic()

    def feed_for(self, robots: frozenset[UUID] | None) -> Feed:
        """Return the feed that fits what a client watches."""
        return self.fleet if robots is None else self.detail

    def is_watched(self) -> bool:
        """Tell whether it has clients."""
        return bool(self.fleet or self.detail)

    def robots(self) -> frozenset[UUID] | None:
        """Return the robots that somebody watches; None when somebody watches all."""
        return None if self.fleet else self.detail.robots()

    def add(self, event: Event) -> None:
        """Pass an event on, and remember what it says; late points are left out."""
        if isinstance(event, StatusEvent):
            self._statuses[event.robot_id] = (event.status, event.last_seen)
        else:
            event = self._without_late_points(event)
            if not event.points:
                return
            newest = max(point.time for point in event.points)
            known = self.seen_until.get(event.robot_id)
            if known is None or known < newest:
                self.seen_until[event.robot_id] = newest
        self.fleet.add(event)
        self.detail.add(event)

    def _without_late_points(self, event: TelemetryEvent) -> TelemetryEvent:
        """A robot that catches up sends old points: nobody should take them for what is now."""
        times = self._newest.setdefault(event.robot_id, {})
        points = []
        for point in event.points:
            known = times.get(point.metric_name)
            if known is None or known <= point.time:
                times[point.metric_name] = point.time
                points.append(point)
        return TelemetryEvent(event.robot_id, points)

    def add_if_new(self, event: Event) -> None:
        """Pass on what was read from the database, unless it is known already."""
        if isinstance(event, StatusEvent):
            if self._statuses.get(event.robot_id) == (event.status, event.last_seen):
                return
        else:
            until = self.seen_until.get(event.robot_id)
            if until and all(point.time <= until for point in event.points):
                return
        self.add(event)

    def is_forgotten(self) -> bool:
        """Put feeds to sleep that nobody has come back to; tell whether both are."""
        asleep = [feed.sleep_unless_read() for feed in (self.fleet, self.detail)]
        return all(asleep)


class Hub:
    """Everything that is connected to this process."""

    def __init__(self) -> None:
        """Start empty."""
        self.clients: set[Client] = set()
        self._watches: dict[UUID, Watch] = {}
        self._reserved = 0
        self.is_closing = False

    def reserve(self) -> None:
        """Take a place before the credential is looked up; `release` gives it back.

        Raises:
            Problem: The process is full, or about to end.
        """
        if self.is_closing or self._reserved >= CONNECTIONS_AT_MOST:
            raise _busy()
        self._reserved += 1

    def release(self) -> None:
        """Give a place back."""
        self._reserved -= 1

    def join(self, client: Client) -> Watch:
        """Let a client receive what is published from now on.

        Raises:
            Problem: Its session or key, whose that is, or the organization has too many streams
                in this process; or the process is about to end.
        """
        if self.is_closing:
            raise _busy()
        self._refuse_too_many(client)
        watch = self._watches.setdefault(client.subscriber.organization_id, Watch())
        robots = client.subscriber.robots
        watch.feed_for(robots).join(client.mailbox, robots)
        self.clients.add(client)
        return watch

    def _refuse_too_many(self, client: Client) -> None:
        own, kin = client.subscriber, [other.subscriber for other in self.clients]
        for most, count, whose in (
            (
                OF_A_CREDENTIAL_AT_MOST,
                sum(other.digest == client.digest for other in self.clients),
                "with this session, token or key",
            ),
            (OF_ONE_AT_MOST, sum(other.subject == own.subject for other in kin), "of this person"),
            (
                OF_AN_ORGANIZATION_AT_MOST,
                sum(other.organization_id == own.organization_id for other in kin),
                "of this organization",
            ),
        ):
            if count >= most:
                detail = f"{most} streams {whose} are open already."
                raise Problem(429, "too_many_streams", detail, retry_after=10)

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)
        watch = self._watches[client.subscriber.organization_id]
        watch.feed_for(client.subscriber.robots).leave(client.mailbox)

    def is_watched(self, organization_id: UUID) -> bool:
        """Tell whether an organization's events are wanted, so that others need no decoding."""
        return organization_id in self._watches

    def watches(self) -> Iterator[tuple[UUID, Watch]]:
        """Yield the organizations that have clients."""
        for organization_id, watch in list(self._watches.items()):
            if watch.is_watched():
                yield organization_id, watch

    def add(self, organization_id: UUID, event: Event) -> None:
        """Pass an event to an organization's clients."""
        if watch := self._watches.get(organization_id):
            watch.add(event)

    def forget_the_unwatched(self) -> None:
        """Drop the buffers of organizations that nobody has come back to."""
        for organization_id, watch in list(self._watches.items()):
            if watch.is_forgotten():
                del self._watches[organization_id]

    def close(self) -> None:
        """End all streams, and accept none any more."""
        self.is_closing = True
        for client in list(self.clients):
            client.close()


def _busy() -> Problem:
    return Problem(503, "busy", "This server has no room for a stream.", retry_after=5)
