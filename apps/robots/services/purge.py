"""Delete a retired robot and everything that belongs to it.

Apps above this one add a step in `AppConfig.ready()`. Steps run inside the transaction of the
purge: everything goes, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from apps.accounts.models import ApiKey
from apps.audit.services.audit_logs import audit_record
from apps.robots.choices import RobotAction, allows
from apps.robots.exceptions import RobotInServiceError
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory
from apps.robots.services.robots import robot_lock
from urfmp.common.db.names import normalize_name
from urfmp.common.tenancy.context import Actor, audit_action, current_actor, tenant_transaction

PurgeStep = Callable[[Robot], int]
"""A function that gets the robot, locked and retired, and returns the number of rows that go.

It deletes rows that PostgreSQL does not delete with the robot.
"""

_ACTION = "robots.robot.purge"
_steps: dict[str, PurgeStep] = {}


def add_purge_step(name: str, step: PurgeStep) -> None:
    """Add a step to each purge.

    Args:
        name: Name of the rows in the audit log, in the plural.
        step: Function that counts them, and deletes them if they do not go with the robot.
    """
    _steps[name] = step


def robot_purge(robot: Robot, *, name: str) -> None:
    """Enqueue the deletion of a retired robot and all its data.

    A job deletes it, because a year of telemetry takes minutes. A robot that is returned to service
    before the job starts is kept. The robot's row is locked, so that it is retired when the job is
    enqueued. Purging twice enqueues one job.

    Args:
        robot: Robot to purge.
        name: Name of the robot, which the user has typed to confirm.

    Raises:
        RobotInServiceError: The robot is in service.
        ValidationError: The name is that of another robot.
    """
    with audit_action("robots.robot.request_purge"):
        locked = robot_lock(robot.pk)
        if not allows(RobotAction.PURGE, locked.service_state):
            raise RobotInServiceError
        if normalize_name(name) != locked.name:
            msg = "This is not the name of the robot. Type it as the page shows it."
            raise ValidationError({"name": msg})
        if not _enqueue(locked):
            return
        audit_record(
            action="robots.robot.request_purge",
            resource_type="robots.robot",
            resource_id=locked.pk,
            request_data=_identity(locked),
        )


def _identity(robot: Robot) -> dict[str, Any]:
    return {"name": robot.name, "serial_number": robot.serial_number}


def _enqueue(robot: Robot) -> bool:
    """Enqueue the job unless it waits already; return whether it was enqueued."""
    lock = f"robots.purge:{robot.pk}"
    actor = {name: value and str(value) for name, value in asdict(current_actor()).items()}
    try:
        # A savepoint, because the error of a second job would abort the transaction.
        with transaction.atomic():
            app.configure_task("robots.purge", queueing_lock=lock).defer(
                organization_id=str(robot.organization_id), robot_id=str(robot.pk), actor=actor
            )
    except AlreadyEnqueued:
        return False
    return True


def robot_purge_run(*, organization_id: UUID, robot_id: UUID, actor: Actor) -> bool:
    """Delete a retired robot and all its data, and audit the counts.

    One transaction: after a crash nothing is deleted, and the job runs again. The robot's row is
    locked, so that nothing is added meanwhile.

    Args:
        organization_id: Organization that owns the robot.
        robot_id: Robot to delete; one that no longer exists changes nothing.
        actor: User who requested the purge.

    Returns:
        Whether the robot was deleted.
    """
    with tenant_transaction(organization_id, actor), audit_action(_ACTION):
        robot: Robot | None = Robot.objects.select_for_update().filter(pk=robot_id).first()
        if robot is None:
            return False
        target: dict[str, Any] = {
            "action": _ACTION,
            "resource_type": "robots.robot",
            "resource_id": robot.pk,
            "request_data": _identity(robot),
        }
        if not allows(RobotAction.PURGE, robot.service_state):
            message = "The robot was returned to service."
            audit_record(**target, success=False, error_message=message)
            return False
        counts = {
            "status_changes": RobotStatusHistory.objects.filter(robot_id=robot.pk).count(),
            "commands": RobotCommand.objects.filter(robot_id=robot.pk).count(),
            "api_keys": ApiKey.objects.filter(robot_id=robot.pk).count(),
        }
        counts |= {name: step(robot) for name, step in _steps.items()}
        # PostgreSQL deletes all other rows of the robot; Django would load them first.
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM robots WHERE id = %s", [robot.pk])
        audit_record(**target, response_data={"deleted": counts})
    return True
