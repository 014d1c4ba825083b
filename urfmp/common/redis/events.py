"""Tell the live processes what has just been stored.

One Redis channel per organization. Events are for eyes only: whoever misses one finds the same
in the database, so publishing never fails and never waits long.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from urfmp.common.redis.circuit_breaker import GuardedRedis

CHANNEL_PREFIX = "urfmp:events:"


class Point(msgspec.Struct, frozen=True):
    """One measured value; `time` is aware, `unit` a UCUM code."""

    metric_name: str
    time: datetime
    value: float | None
    unit: str | None = None


class TelemetryEvent(msgspec.Struct, frozen=True, tag_field="type", tag="telemetry"):
    """Points of one robot that have been stored."""

    robot_id: UUID
    points: list[Point]


class StatusEvent(msgspec.Struct, frozen=True, tag_field="type", tag="status"):
    """The status that a robot shows from now on, and when it was last heard of."""

    robot_id: UUID
    status: str
    reason: str | None = None
    last_seen: datetime | None = None


Event = TelemetryEvent | StatusEvent


def telemetry_events(
    rows: Iterable[tuple[UUID, str, datetime, float | None, str | None]],
) -> list[TelemetryEvent]:
    """Return one event for each robot, with the newest point of each of its metrics.

    What is left out could not be told apart on a screen: streams thin it away as well.

    Args:
        rows: `(robot_id, metric_name, time, value, unit)` in any order.
    """
    newest: dict[UUID, dict[str, Point]] = {}
    for robot_id, metric_name, moment, value, unit in rows:
        points = newest.setdefault(robot_id, {})
        known = points.get(metric_name)
        if known is None or known.time <= moment:
            points[metric_name] = Point(metric_name, moment, value, unit)
    return [TelemetryEvent(robot_id, [*points.values()]) for robot_id, points in newest.items()]


class _Publisher(GuardedRedis):
    def publish(self, channel: str, bodies: list[bytes]) -> bool:
        """Return whether Redis took all of them, and there was one."""
        with self.client.pipeline(transaction=False) as pipeline:
            for body in bodies:
                pipeline.publish(channel, body)
            taken = self.call(pipeline.execute, fallback="live pages read the database")
        return bool(taken)


@cache
def _publisher() -> _Publisher:
    return _Publisher(settings.REDIS_URL)


def publish(organization_id: UUID, *events: Event | dict[str, Any]) -> bool:
    """Send events to whoever watches an organization; call it after commit.

    Several events cost one round trip. Nothing is raised when Redis does not answer.

    Args:
        organization_id: Whose events they are.
        events: `TelemetryEvent`, `StatusEvent`, or dictionaries of the same form.

    Returns:
        Whether Redis took them.
    """
    bodies = [msgspec.json.encode(event) for event in events]
    return _publisher().publish(f"{CHANNEL_PREFIX}{organization_id}", bodies)
