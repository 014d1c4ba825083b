"""Write changes of the effective status and their history.

A trigger adds each change to the status history. It reads reason, metadata and time from settings
of the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from apps.robots.models import Robot
from apps.robots.models.status import effective_status
from urfmp.common.redis.events import StatusEvent, publish

# Keys with which the platform marks rows of the status history.
LATCHED_KEY = "stop_latched_at"
RESUMED_KEY = "reported_at"
RECONNECTED = "Reconnected."
# Only these columns are loaded, for up to hundreds of robots at once.
STATUS_FIELDS = (
    "organization_id",
    "status",
    "reported_at",
    "reported_status",
    "last_seen",
    "presence_lost_at",
    "offline_after_seconds",
    "stop_latched_at",
    "maintenance_locked_at",
)


@dataclass
class StatusChange:
    """What is stored with a change of status.

    Attributes:
        reason: Text for users.
        metadata: Further data.
        time: Time of the change; None for now.
        previous: Status of the newest row, if it is not the robot's status.
        is_resumed: Whether the new status is one that the robot reported earlier.
    """

    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    time: datetime | None = None
    previous: str = ""
    is_resumed: bool = False

    def settings(self) -> dict[str, str]:
        """Return the transaction settings that the trigger reads."""
        metadata = msgspec.json.encode(self.metadata).decode() if self.metadata else ""
        return {
            "app.status_reason": self.reason or "",
            "app.status_metadata": metadata,
            "app.status_time": (self.time or timezone.now()).isoformat(),
            "app.status_previous": self.previous,
            "app.status_resumed": "on" if self.is_resumed else "",
        }


def status_write(robot: Robot, now: datetime, change: StatusChange) -> None:
    """Save a robot's report, contact and effective status, and publish the status.

    Args:
        robot: Robot whose row the caller has locked.
        now: Time at which the robot's silence is measured.
        change: What the history stores if the status changes.
    """
    robot.status = effective_status(robot, now)
    settings = change.settings()
    _set_local(settings)
    robot.save(
        update_fields=["reported_at", "reported_status", "last_seen", "presence_lost_at", "status"]
    )
    _set_local(dict.fromkeys(settings, ""))
    _publish_on_commit([robot], change.reason)


def statuses_write(
    robots: Sequence[Robot], status: str, change: StatusChange, **columns: Any
) -> None:
    """Save the same effective status for several robots; three statements.

    Args:
        robots: Robots of one organization whose rows the caller has locked.
        status: New effective status.
        change: What the history stores for each of them.
        columns: Other columns that get the same value.
    """
    settings = change.settings()
    _set_local(settings)
    Robot.objects.filter(pk__in=[robot.pk for robot in robots]).update(status=status, **columns)
    _set_local(dict.fromkeys(settings, ""))
    for robot in robots:
        for name, value in {"status": status, **columns}.items():
            setattr(robot, name, value)
    _publish_on_commit(robots, change.reason)


def _publish_on_commit(robots: Sequence[Robot], reason: str | None) -> None:
    events = [
        StatusEvent(robot.pk, robot.status or "", reason, robot.last_seen) for robot in robots
    ]
    organization_id = robots[0].organization_id
    transaction.on_commit(lambda: publish(organization_id, *events))


def _set_local(settings: dict[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    parameters = [text for item in settings.items() for text in item]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", parameters)
