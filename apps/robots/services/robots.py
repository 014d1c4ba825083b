"""Register, change and retire robots."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F

from apps.accounts.services.quotas import reserve_quota
from apps.robots.choices import Lifecycle, RobotAction, allows
from apps.robots.models import Robot
from apps.robots.services.validation import normalize_location, validate_robot
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action


def robot_register(*, organization_id: UUID, **fields: Any) -> Robot:
    """Add a robot; its history starts with the status offline.

    Raises:
        PlanLimitError: The plan allows no further robot.
        ValidationError: A field is invalid, or the serial number is taken.
    """
    robot = Robot(organization_id=organization_id, **fields)
    robot.serial_number = robot.serial_number or None
    with _unique_serial_number(), audit_action("robots.robot.create"):
        reserve_quota(organization_id, "robots")
        robot.location = normalize_location(robot.location)
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.save(force_insert=True)
    return robot


def robot_update(robot: Robot, **changes: Any) -> Robot:
    """Change a robot's master data and increment its version.

    Raises:
        ValidationError: A field is invalid, or the serial number is taken; or the change
            of the lifecycle retires the robot or returns it to service, which are own actions.
    """
    wanted = changes.get("lifecycle", robot.lifecycle)
    if (wanted == Lifecycle.RETIRED) is not (robot.lifecycle == Lifecycle.RETIRED):
        raise ValidationError({"lifecycle": "Retire the robot, or return it to service."})
    return _save_changes(robot, changes)


def _unique_serial_number() -> AbstractContextManager[None]:
    return unique_error_on(
        "serial_number",
        "A robot with this serial number already exists.",
        "robots_organization_serial_key",
    )


def _save_changes(robot: Robot, changes: dict[str, Any]) -> Robot:
    if not changes:
        return robot
    with _unique_serial_number(), audit_action("robots.robot.update"):
        for name, value in changes.items():
            setattr(robot, name, value)
        robot.serial_number = robot.serial_number or None
        robot.location = normalize_location(robot.location)
        validate_robot(robot.configuration, robot.location)
        robot.full_clean()
        robot.version = F("version") + 1
        # Only the changed fields: status reports may update the robot concurrently.
        robot.save(update_fields=[*changes, "version"])
        robot.refresh_from_db(fields=["version", "updated_at"])
    return robot


def robot_retire(robot: Robot) -> Robot:
    """Retire a robot; its history is kept.

    Its API keys stop working: the look-up behind `key_credential()` (SQL function
    `api_key_credential`) requires an active robot, and ingest checks it again when it writes.
    """
    with audit_action("robots.robot.retire"):
        return _save_changes(robot, {"is_active": False, "lifecycle": Lifecycle.RETIRED})


def robot_return_to_service(robot: Robot) -> Robot:
    """Return a retired robot to service.

    Locks the robot's row, so that it cannot be retired between the quota check and the change.

    Raises:
        PlanLimitError: The plan allows no further robot.
    """
    with audit_action("robots.robot.return_to_service"):
        locked = Robot.objects.select_for_update(no_key=True).get(pk=robot.pk)
        if allows(RobotAction.RETURN_TO_SERVICE, locked.service_state):
            reserve_quota(robot.organization_id, "robots")
        return _save_changes(robot, {"is_active": True, "lifecycle": Lifecycle.ACTIVE})
