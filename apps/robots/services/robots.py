"""Register, change and retire robots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F

from apps.accounts.services.quotas import reserve_quota
from apps.robots.choices import Lifecycle, RobotAction, allows
from apps.robots.models import Robot, RobotClaimCode
from apps.robots.services.connection import (
    connection_encrypt,
    given_secrets,
    record_replaced_secrets,
    validate_stored_connection,
)
from apps.robots.services.retirement import run_retirement_steps
from apps.robots.services.validation import normalize_location, validate_robot
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action


def robot_register(*, organization_id: UUID, **fields: Any) -> Robot:
    """Add a robot; its history starts with the status offline.

    Raises:
        PlanLimitError: The plan allows no further robot.
        ValidationError: A field is invalid, or the serial number is taken; or the robot would
            begin as retired.
    """
    if fields.get("lifecycle") == Lifecycle.RETIRED:
        raise ValidationError({"lifecycle": "Register the robot in service, then retire it."})
    connection = fields.pop("connection_config", None)
    robot = Robot(organization_id=organization_id, **fields)
    with _unique_serial_number(robot), audit_action("robots.robot.create"):
        reserve_quota(organization_id, "robots")
        _normalize(robot)
        validate_robot(robot.configuration, robot.location)
        _validate_fields(robot)
        robot.connection_config = connection_encrypt(robot, connection, None)
        robot.save(force_insert=True)
        record_replaced_secrets(robot, given_secrets(connection))
    return robot


def robot_update(robot: Robot, **changes: Any) -> Robot:
    """Change a robot's master data and increment its version.

    Raises:
        ValidationError: A field is invalid, or the serial number is taken; or the lifecycle
            changes, which is an action of its own.
    """
    if changes.get("lifecycle", robot.lifecycle) != robot.lifecycle:
        msg = "The lifecycle changes with an action of its own, not with the other fields."
        raise ValidationError({"lifecycle": msg})
    return _save_changes(robot, changes)


@contextmanager
def _unique_serial_number(robot: Robot) -> Iterator[None]:
    """Report a taken serial number, and how to return its retired robot."""
    taken = "A robot with this serial number already exists."
    try:
        with unique_error_on("serial_number", taken, "robots_organization_serial_key"):
            yield
    except ValidationError as error:
        if taken not in getattr(error, "message_dict", {}).get("serial_number", ()):
            raise
        rows = Robot.objects.exclude(pk=robot.pk).filter(is_active=False)
        if (retired := rows.filter(serial_number=robot.serial_number).first()) is None:
            raise
        msg = (
            f"The retired robot {retired.name} has this serial number. Return it to service instead"
            f" (in the API: POST /api/v1/robots/{retired.pk}/return-to-service)."
        )
        raise ValidationError({**error.error_dict, "serial_number": msg}) from error


def _validate_fields(robot: Robot) -> None:
    """Validate the fields; the database checks constraints and references when it writes.

    Django would check each constraint with a query of its own, which takes most of the time of an
    import.
    """
    robot.full_clean(
        exclude={"organization", "lease_user"}, validate_unique=False, validate_constraints=False
    )


def _normalize(robot: Robot) -> None:
    # NULL, because any number of robots may lack a serial number, but '' is unique.
    robot.serial_number = robot.serial_number or None
    robot.location = normalize_location(robot.location)


def _save_changes(robot: Robot, changes: dict[str, Any]) -> Robot:
    """Save changed fields; audited as the caller's action, else an update."""
    if not changes:
        return robot
    with _unique_serial_number(robot), audit_action("robots.robot.update"):
        for name, value in changes.items():
            if name != "connection_config":
                setattr(robot, name, value)
        _normalize(robot)
        validate_robot(robot.configuration, robot.location)
        _validate_fields(robot)
        if changes.keys() & {"connection_config", "vendor"}:
            robot.connection_config = _locked_connection(robot, changes)
        robot.version = F("version") + 1
        # Only the changed fields: status reports may update the robot concurrently.
        robot.save(update_fields=[*changes, "version"])
        robot.refresh_from_db(fields=["version", "updated_at"])
        record_replaced_secrets(robot, given_secrets(changes.get("connection_config")))
    return robot


def _locked_connection(robot: Robot, changes: dict[str, Any]) -> dict[str, Any] | None:
    """Return the column of connection settings, which the robot's vendor must support.

    The row is locked: a secret that is replaced concurrently must not return to its old value.
    Its facility is already locked, as when a facility is renamed.
    """
    stored = robot_lock(robot.pk).connection_config
    if "connection_config" in changes:
        return connection_encrypt(robot, changes["connection_config"], stored)
    validate_stored_connection(robot, stored)
    return stored


def robot_retire(robot: Robot) -> Robot:
    """Retire a robot; its history is kept.

    Its open alerts are resolved, planned tasks and waiting commands cancelled, and its claim code
    deleted, in the same transaction. Locks the robot's row first, as services do that open alerts
    or plan tasks for it: none appears behind the retirement. Retiring twice changes nothing.

    Its API keys stop working: the look-up behind `key_credential()` (SQL function
    `api_key_credential`) requires an active robot, and ingest checks it again when it writes.
    """
    with audit_action("robots.robot.retire"):
        locked = robot_lock(robot.pk)
        if not allows(RobotAction.RETIRE, locked.service_state):
            return locked
        RobotClaimCode.objects.filter(robot=robot).delete()
        retired = _save_changes(robot, {"is_active": False, "lifecycle": Lifecycle.RETIRED})
        run_retirement_steps(retired)
        return retired


def robot_lock(robot_id: UUID) -> Robot:
    """Lock a robot's row against retirement and return until the transaction ends.

    Its organization is read with it.
    """
    rows = Robot.objects.select_related("organization")
    locked: Robot = rows.select_for_update(no_key=True, of=("self",)).get(pk=robot_id)
    return locked


def require_in_service(robot: Robot | None) -> None:
    """Lock a robot, if any, and require that it is in service.

    Raises:
        ValidationError: The robot is retired.
    """
    if robot is not None and not robot_lock(robot.pk).is_active:
        raise ValidationError({"robot": "The robot is retired. Return it to service first."})


def robot_return_to_service(robot: Robot) -> Robot:
    """Return a retired robot to service.

    Locks the robot's row, so that it cannot be retired between the quota check and the change.
    Returning twice changes nothing.

    Raises:
        PlanLimitError: The plan allows no further robot.
    """
    with audit_action("robots.robot.return_to_service"):
        locked = robot_lock(robot.pk)
        if not allows(RobotAction.RETURN_TO_SERVICE, locked.service_state):
            return locked
        reserve_quota(robot.organization_id, "robots")
        return _save_changes(robot, {"is_active": True, "lifecycle": Lifecycle.ACTIVE})
