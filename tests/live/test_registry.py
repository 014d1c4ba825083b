"""Limits of the connection registry, and the points that its channels publish."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from urfmp.common.redis.events import telemetry_events
from urfmp.live.authentication import PresentedCredential, StreamScope
from urfmp.live.http.errors import HttpError
from urfmp.live.registry import (
    ConnectionLimits,
    ConnectionRegistry,
    OrganizationChannel,
    StreamConnection,
)
from urfmp.live.send_queue import SendQueue

ROBOT = uuid.uuid4()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_telemetry_events_contain_newest_point_of_each_metric():
    rows = [
        (ROBOT, "cycle.count", NOON + timedelta(seconds=1), 2.0, "count"),
        (ROBOT, "cycle.count", NOON, 1.0, "count"),
        (ROBOT, "power.total", NOON, 3.0, "W"),
    ]
    (event,) = telemetry_events(rows)
    assert [(point.metric_name, point.value) for point in event.points] == [
        ("cycle.count", 2.0),
        ("power.total", 3.0),
    ]


def test_publish_of_late_points_keeps_the_newest_values():
    """A robot sends old points next to new ones: pages show the newest value."""

    def event(*points):
        rows = [
            (ROBOT, metric, NOON + timedelta(seconds=at), value, None)
            for metric, at, value in points
        ]
        return telemetry_events(rows)[0]

    async def published():
        channel, queue = OrganizationChannel(), SendQueue()
        channel.fine.subscribe(queue, None)
        channel.publish(event(("a", 60, 2.0)))
        channel.publish(event(("a", 5, 1.0), ("b", 5, 7.0)))
        channel.publish(event(("a", 6, 1.0)))
        channel.publish(event(("a", 60, 2.0)))
        channel.publish(event(("a", 61, 3.0)))
        await asyncio.sleep(0.5)
        return channel, await queue.get()

    with ThreadPoolExecutor(max_workers=1) as pool:
        channel, data = pool.submit(asyncio.run, published()).result()
    assert b'"value":2.0' in data
    assert b'"value":7.0' in data
    assert b'"value":1.0' not in data
    assert channel.seen_until == {ROBOT: NOON + timedelta(seconds=61)}


def test_connect_over_limit_of_user_or_organization_returns_429():
    """Many sessions do not lift a user's limit, nor many users the organization's."""
    acme, globex = uuid.uuid4(), uuid.uuid4()

    async def opened():
        registry = ConnectionRegistry(ConnectionLimits(per_subject=50, per_organization=80))

        def open_streams(organization, user, number):
            for count in range(number):
                credential = PresentedCredential(f"{user}-{count // 20}", is_session=True)
                scope = StreamScope(user, organization, None, None)
                try:
                    registry.connect(StreamConnection(credential, scope))
                except HttpError as error:
                    assert (error.status, error.code) == (429, "too_many_streams")
                    assert error.retry_after
                    return count
            return number

        alice, bob, charlie = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        first = open_streams(acme, alice, 60), open_streams(acme, bob, 60)
        registry.disconnect(next(iter(registry.connections)))
        return *first, open_streams(acme, uuid.uuid4(), 2), open_streams(globex, charlie, 3)

    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(asyncio.run, opened()).result() == (50, 30, 1, 3)
