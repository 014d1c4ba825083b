"""Update last seen and notify live pages after a commit."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from apps.robots.services.status import robots_touch
from apps.telemetry.services.ingest.encoded_batch import micros_to_datetime, newest_points
from apps.telemetry.services.ingest.writer import PendingWrite
from urfmp.common.redis.events import publish, telemetry_events
from urfmp.common.tenancy.context import tenant_transaction

# A robot that keeps sending is touched at least this often.
_MAX_TOUCH_DELAY_SECONDS = 4.0
# All other robots of the organization are touched together, at most this often.
_TOUCH_INTERVAL_SECONDS = 1.0
_MAX_ORGANIZATIONS = 1_000


def publish_points(organization_id: UUID, writes: list[PendingWrite]) -> None:
    """Update the robots' last seen and publish the newest points.

    The points are committed: a failure here loses none of them.
    """
    committed = [write for write in writes if write.error is None and write.is_live]
    robot_ids = {id_ for write in committed for id_ in write.batch.robots}
    if due := _last_seen_throttle.due(organization_id, robot_ids):
        with suppress(DatabaseError, InterfaceError), tenant_transaction(organization_id):
            robots_touch(due)
    points = [
        (
            *write.batch.series[point.key_prefix],
            micros_to_datetime(point.time),
            point.value,
            point.unit,
        )
        for write in committed
        for point in newest_points(write.stored)
    ]
    if points:
        publish(organization_id, *telemetry_events(points))


@dataclass
class _OrganizationLastSeen:
    """Touched and waiting robots of an organization, in this process."""

    touched_at: dict[UUID, float] = field(default_factory=dict)
    waiting: set[UUID] = field(default_factory=set)
    last_touch: float = -_MAX_TOUCH_DELAY_SECONDS


class _LastSeenThrottle:
    """Limits how often the process updates `last_seen` of the same robots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._organizations: dict[UUID, _OrganizationLastSeen] = {}

    def due(self, organization_id: UUID, robot_ids: set[UUID]) -> set[UUID]:
        """Return the robots to touch now: all waiting ones, or none.

        A robot that was not touched for a while is due at once. The others wait for the next
        second, in which one batch touches all of them.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._organizations) > _MAX_ORGANIZATIONS:
                self._organizations.clear()
            seen = self._organizations.setdefault(organization_id, _OrganizationLastSeen())
            seen.waiting |= robot_ids
            is_late = any(
                now - seen.touched_at.get(id_, -_MAX_TOUCH_DELAY_SECONDS)
                >= _MAX_TOUCH_DELAY_SECONDS
                for id_ in robot_ids
            )
            if not is_late and now - seen.last_touch < _TOUCH_INTERVAL_SECONDS:
                return set()
            due, seen.waiting, seen.last_touch = seen.waiting, set(), now
            seen.touched_at = {
                id_: at
                for id_, at in seen.touched_at.items()
                if now - at < _MAX_TOUCH_DELAY_SECONDS
            }
            seen.touched_at.update(dict.fromkeys(due, now))
            return due


_last_seen_throttle = _LastSeenThrottle()
