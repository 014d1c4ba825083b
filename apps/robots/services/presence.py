"""Contact and silence of robots.

Each contact sets `last_seen`. A robot without contact for its grace time is offline: that of the
robot (`offline_after_seconds`), else of its organization, else of the installation. A lost
connection makes it offline at once.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.organizations.models import Organization
from apps.robots.choices import RobotStatus
from apps.robots.models import Robot
from apps.robots.models.status import effective_status, effective_status_expression
from apps.robots.services.status_changes import (
    RECONNECTED,
    STATUS_FIELDS,
    StatusChange,
    status_write,
    statuses_write,
)
from urfmp.common.tenancy.context import current_organization_id, tenant_transaction

# Writing last_seen at most this often is enough: no grace time is shorter.
_LAST_SEEN_INTERVAL = timedelta(seconds=5)
# One transaction of the job locks at most as many robots, so that their reports wait briefly.
_MAX_ROBOTS_PER_TRANSACTION = 500
_CONNECTION_LOST = "Connection lost."
# Why the status changes without a contact, by the status before.
_ENDED = {
    RobotStatus.OFFLINE: "The time until robots are offline was extended.",
    RobotStatus.MAINTENANCE: "Maintenance lock released.",
    RobotStatus.EMERGENCY_STOP: "Stop latch released.",
}


def robots_touch(robot_ids: Iterable[UUID]) -> int:
    """Set robots' last_seen to now, and their status if they were offline.

    Each robot is written at most once in 5 s, unless its connection was lost meanwhile. Rows are
    locked in the order of their ids, so that two batches with the same robots cannot deadlock.

    Returns:
        Number of rows written.
    """
    with transaction.atomic():
        now = timezone.now()
        is_due = (
            Q(last_seen__isnull=True)
            | Q(last_seen__lt=now - _LAST_SEEN_INTERVAL)
            | Q(presence_lost_at__isnull=False)
        )
        robots = list(
            Robot.objects.select_for_update(no_key=True)
            .filter(is_due, pk__in=list(robot_ids), is_active=True)
            .only(*STATUS_FIELDS)
            .order_by("pk")
        )
        unchanged: list[UUID] = []
        changed: dict[str, list[Robot]] = defaultdict(list)
        for robot in robots:
            robot.last_seen, robot.presence_lost_at = now, None
            status = effective_status(robot, now)
            if status == robot.status:
                unchanged.append(robot.pk)
            else:
                changed[status].append(robot)
        contact = {"last_seen": now, "presence_lost_at": None}
        for status, group in changed.items():
            statuses_write(group, status, StatusChange(RECONNECTED, is_resumed=True), **contact)
        Robot.objects.filter(pk__in=unchanged).update(**contact)
    return len(robots)


def robot_presence_lost(
    *, robot_id: UUID, reason: str = _CONNECTION_LOST, lost_at: datetime | None = None
) -> bool:
    """Make a robot offline at once, because its connection is lost.

    The next contact ends it. A stop latch and a maintenance lock outrank it. The robot's row is
    locked, so that a contact at the same time is either before or after the loss.

    Args:
        robot_id: Robot whose connection is lost.
        reason: Text for users, stored in the history.
        lost_at: When the connection was lost, if that is known; a robot with a later contact has
            another connection and stays as it is.

    Returns:
        Whether the loss was recorded: the robot was in contact until then.
    """
    with transaction.atomic():
        robot: Robot = (
            Robot.objects.select_for_update(no_key=True).only(*STATUS_FIELDS).get(pk=robot_id)
        )
        if robot.last_seen is None or robot.presence_lost_at is not None:
            return False
        if lost_at is not None and robot.last_seen > lost_at:
            return False
        now = timezone.now()
        robot.presence_lost_at = now
        status_write(robot, now, StatusChange(reason))
    return True


def robots_update_presence() -> int:
    """Correct the statuses of the open organization's robots.

    Silent robots become offline, and others return when their grace time is extended. At most
    500 robots are changed; call it again if that many were. Rows that are locked wait for the
    next run. The others are locked in the order of their ids.

    Returns:
        Number of robots changed.
    """
    with transaction.atomic():
        now = timezone.now()
        organization = Organization.objects.only("settings").get(pk=current_organization_id())
        default_seconds = organization.effective_settings.offline_after_seconds
        robots = list(
            Robot.objects.select_for_update(skip_locked=True, no_key=True)
            .annotate(due_status=effective_status_expression(now, default_seconds))
            .exclude(status=F("due_status"))
            .only(*STATUS_FIELDS)
            .order_by("pk")[:_MAX_ROBOTS_PER_TRANSACTION]
        )
        groups: dict[tuple[str, str | None, bool], list[Robot]] = defaultdict(list)
        for robot in robots:
            status = str(robot.due_status)
            seconds = robot.offline_after_seconds or default_seconds
            groups[_change_reason(robot, status, seconds)].append(robot)
        for (status, reason, is_resumed), group in groups.items():
            statuses_write(group, status, StatusChange(reason, is_resumed=is_resumed))
    return len(robots)


def _change_reason(robot: Robot, status: str, seconds: int) -> tuple[str, str | None, bool]:
    """Return status, reason, and whether an earlier report resumes."""
    if status == RobotStatus.OFFLINE:
        is_lost = robot.presence_lost_at is not None
        return status, _CONNECTION_LOST if is_lost else f"No data for {seconds} seconds.", False
    if status in {RobotStatus.EMERGENCY_STOP, RobotStatus.MAINTENANCE}:
        return status, None, False
    return status, _ENDED.get(RobotStatus(robot.status)) if robot.status else None, True


def robots_contacted(organization_id: UUID, robot_ids: set[UUID]) -> None:
    """Record contacts of robots, after what they sent is committed.

    Runs in a transaction of its own, which is left out for robots that the process recorded a
    moment ago. A failure is not raised, because the next contact follows.
    """
    if due := _throttle.due(organization_id, robot_ids):
        with suppress(DatabaseError, InterfaceError), tenant_transaction(organization_id):
            robots_touch(due)


# A robot that keeps sending is touched at least this often.
_MAX_TOUCH_DELAY_SECONDS = 4.0
# All other robots of the organization are touched together, at most this often.
_TOUCH_INTERVAL_SECONDS = 1.0
_MAX_ORGANIZATIONS = 1_000


@dataclass
class _OrganizationContacts:
    """Touched and waiting robots of an organization, in this process."""

    touched_at: dict[UUID, float] = field(default_factory=dict)
    waiting: set[UUID] = field(default_factory=set)
    last_touch: float = -_MAX_TOUCH_DELAY_SECONDS


class _ContactThrottle:
    """Limits how often the process updates `last_seen` of the same robots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._organizations: dict[UUID, _OrganizationContacts] = {}

    def due(self, organization_id: UUID, robot_ids: set[UUID]) -> set[UUID]:
        """Return the robots to touch now: all waiting ones, or none.

        A robot that was not touched for a while is due at once. The others wait for the next
        second, in which one batch touches all of them.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._organizations) > _MAX_ORGANIZATIONS:
                self._organizations.clear()
            seen = self._organizations.setdefault(organization_id, _OrganizationContacts())
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


_throttle = _ContactThrottle()
