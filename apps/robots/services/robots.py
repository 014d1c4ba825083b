"""Changes to robots and to what is known of their state."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F

from apps.accounts.services.quotas import take_place
from apps.robots.choices import Lifecycle
from apps.robots.models import Robot
from apps.robots.services.validation import validate_robot
from urfmp.common.db.constraints import must_be_free
from urfmp.common.tenancy.context import act


def robot_register(*, organization_id: UUID, **fields: Any) -> Robot:
    """Add a robot. Its first status, offline, is written into its history.

    Raises:
        PlanLimitError: The plan has no room for another robot.
        ValidationError: A field does not fit, or the serial number is taken.
    """
    robot = Robot(organization_id=organization_id, **fields)
    robot.serial_number = robot.serial_number or None
    with _serial_number_must_be_free(), act("robots.robot.create"):
        take_place(organization_id, "robots")
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.save(force_insert=True)
    return robot


def robot_update(robot: Robot, **changes: Any) -> Robot:
    """Change what people know of a robot; raises its version.

    Raises:
        ValidationError: A field does not fit, or the serial number is taken; or the lifecycle
            would say that the robot retires or returns, which are acts of their own.
    """
    wanted = changes.get("lifecycle", robot.lifecycle)
    if (wanted == Lifecycle.RETIRED) is not (robot.lifecycle == Lifecycle.RETIRED):
        raise ValidationError({"lifecycle": "Retire the robot, or return it to service."})
    return _change(robot, changes)


def _serial_number_must_be_free() -> AbstractContextManager[None]:
    return must_be_free("serial_number", "Another robot has this serial number.")


def _change(robot: Robot, changes: dict[str, Any]) -> Robot:
    if not changes:
        return robot
    with _serial_number_must_be_free(), act("robots.robot.update"):
        for name, value in changes.items():
            setattr(robot, name, value)
        robot.serial_number = robot.serial_number or None
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.version = F("version") + 1
        # Only these: the state of the robot may be written by its own messages meanwhile.
        robot.save(update_fields=[*changes, "version"])
        robot.refresh_from_db(fields=["version", "updated_at"])
    return robot


def robot_retire(robot: Robot) -> Robot:
    """Take a robot out of service for good: its keys stop working, its history stays."""
    with act("robots.robot.retire"):
        return _change(robot, {"is_active": False, "lifecycle": Lifecycle.RETIRED})


def robot_return_to_service(robot: Robot) -> Robot:
    """Put a retired robot to work again.

    Locks the robot's row: nobody retires it between the count and the return.

    Raises:
        PlanLimitError: The plan has no room for another robot.
    """
    with act("robots.robot.return_to_service"):
        rows = Robot.objects.select_for_update(no_key=True)
        if not rows.values_list("is_active", flat=True).get(pk=robot.pk):
            take_place(robot.organization_id, "robots")
        return _change(robot, {"is_active": True, "lifecycle": Lifecycle.ACTIVE})
