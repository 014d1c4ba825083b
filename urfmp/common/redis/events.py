"""Publish stored changes to the live processes.

There is one Redis channel per organization. A lost event loses no data, because the database has
the same values. Publishing therefore never fails and never waits long.
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
    """A robot's new status, and when the robot last reported."""

    robot_id: UUID
    status: str
    reason: str | None = None
    last_seen: datetime | None = None


class CommandEvent(msgspec.Struct, frozen=True, tag_field="type", tag="command"):
    """A command's new status; `progress` is in percent.

    Events can arrive in any order: the one with the highest version is the newest.
    """

    robot_id: UUID
    command_id: UUID
    command_type: str
    status: str
    version: int
    progress: int | None = None


class AlertEvent(msgspec.Struct, frozen=True, tag_field="type", tag="alert"):
    """A change of an alert.

    `kind` is that of the event in its timeline. `robot_id` is None if the alert has no robot.
    """

    robot_id: UUID | None
    alert_id: UUID
    kind: str
    severity: str
    title: str
    time: datetime


Event = TelemetryEvent | StatusEvent | CommandEvent | AlertEvent


def telemetry_events(
    rows: Iterable[tuple[UUID, str, datetime, float | None, str | None]],
) -> list[TelemetryEvent]:
    """Return one event per robot, with the newest point per metric.

    Older points of the same batch are left out: streams throttle them anyway.

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
        """Return whether Redis accepted at least one event."""
        with self.client.pipeline(transaction=False) as pipeline:
            for body in bodies:
                pipeline.publish(channel, body)
            reply = self.call(pipeline.execute, fallback="live pages read the database")
        return bool(reply)


@cache
def _publisher() -> _Publisher:
    return _Publisher(settings.REDIS_URL)


def publish(organization_id: UUID, *events: Event | dict[str, Any]) -> bool:
    """Publish events to an organization's streams; call it after commit.

    Several events take one round trip. Nothing is raised when Redis does not answer.

    Args:
        organization_id: Organization that the events belong to.
        events: `TelemetryEvent`, `StatusEvent`, `CommandEvent`, `AlertEvent`, or dictionaries of
            the same form.

    Returns:
        Whether Redis accepted the events.
    """
    bodies = [msgspec.json.encode(event) for event in events]
    return _publisher().publish(f"{CHANNEL_PREFIX}{organization_id}", bodies)
