"""Change a command's status, publish it, and wake the robot's transport."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.audit.services.spool import audit_spooled
from apps.robots.choices import (
    IN_FLIGHT_STATUSES,
    WAITING_STATUSES,
    CommandStatus,
    CommandType,
    may_follow,
)
from apps.robots.exceptions import CommandNotFoundError, CommandStateError
from apps.robots.models import RobotCommand
from urfmp.common.redis.events import CommandEvent, publish

# Channel of PostgreSQL's LISTEN; the payload is the id of a robot with a command to fetch.
WAKE_CHANNEL = "urfmp_commands"

CommandStep = Callable[[RobotCommand], None]
"""A function of a command that became unknown or was settled."""

_steps: list[CommandStep] = []


def add_outcome_step(step: CommandStep) -> None:
    """Run a step when commands become unknown or are settled.

    Apps above this one add it in `AppConfig.ready()`. It runs in the transaction of the change;
    the robot's row is locked when a command becomes unknown. It also runs for a stop request that
    the robot does not fetch, and for each change of one.
    """
    if step not in _steps:
        _steps.append(step)


def command_lock(command_id: UUID, robot_id: UUID | None = None) -> RobotCommand:
    """Lock a command against other changes and return it.

    Args:
        command_id: Id of the command.
        robot_id: Robot that the command must belong to.

    Raises:
        CommandNotFoundError: The robot, or the organization, has no such command.
    """
    rows = RobotCommand.objects.select_for_update(no_key=True).filter(pk=command_id)
    command: RobotCommand | None = (
        rows.filter(robot_id=robot_id).first() if robot_id else rows.first()
    )
    if command is None:
        raise CommandNotFoundError
    return command


def require_transition(command: RobotCommand, status: str) -> None:
    """Require that a command's status may change to another one.

    Raises:
        CommandStateError: It may not.
    """
    if not may_follow(command.status, status):
        before, after = command.get_status_display(), CommandStatus(status).label
        msg = f"A command that is {before.lower()} cannot become {after.lower()}."
        raise CommandStateError(msg, command_status=command.status)


def change_status(command: RobotCommand, status: str, **fields: Any) -> RobotCommand:
    """Store a command's new status and fields, and publish them.

    The row is written only if its status is still the one that the caller has read, so that of
    two concurrent changes one fails. The audit rows of a stop request are spooled.

    Raises:
        CommandStateError: The status does not allow the change, or changed in the meantime.
    """
    require_transition(command, status)
    before = command.status
    is_stop = command.type == CommandType.EMERGENCY_STOP
    # The robot gets a stop request after the effects of the commit.
    is_hand_over = status == CommandStatus.SENT
    version, is_alerted = command.version, command.answer_due_at is None
    with audit_spooled("", entered_by_job=is_hand_over) if is_stop else nullcontext():
        changed = RobotCommand.objects.filter(pk=command.pk, status=before).update(
            status=status, version=F("version") + 1, **fields
        )
        if not changed:
            msg = "The command was changed at the same time. Read it again."
            raise CommandStateError(msg)
        command.refresh_from_db()
        publish_command(command)
        if before in IN_FLIGHT_STATUSES:
            # The robot's next command may have waited for this one.
            wake_robots({command.robot_id})
        # Users are alerted of an unfetched stop by a change of its own, perhaps since it was read.
        is_fetched_in_time = is_hand_over and not is_alerted and command.version == version + 1
        if (is_stop and not is_fetched_in_time) or CommandStatus.UNKNOWN in {before, status}:
            run_outcome_steps(command)
    return command


def cancel_waiting(robot_ids: Collection[UUID], reason: str) -> None:
    """Cancel the commands that wait for robots, except stop requests.

    Args:
        robot_ids: Robots of one organization, whose rows the caller has locked.
        reason: Text that is stored with each command.
    """
    waiting = RobotCommand.objects.filter(
        robot_id__in=robot_ids, status__in=WAITING_STATUSES
    ).exclude(type=CommandType.EMERGENCY_STOP)
    cancelled = list(waiting.select_for_update(no_key=True).order_by("pk"))
    RobotCommand.objects.filter(pk__in=[command.pk for command in cancelled]).update(
        status=CommandStatus.CANCELLED,
        completed_at=Now(),
        error_message=reason,
        version=F("version") + 1,
    )
    for command in cancelled:
        command.status, command.version = CommandStatus.CANCELLED, command.version + 1
    publish_command(*cancelled)


def run_outcome_steps(command: RobotCommand) -> None:
    """Run the steps after an unknown command or unanswered stop."""
    for step in _steps:
        step(command)


def publish_command(*commands: RobotCommand) -> None:
    """Publish an organization's commands after the commit; wake waiting robots."""
    if not commands:
        return
    events = [
        CommandEvent(
            robot_id=command.robot_id,
            command_id=command.pk,
            command_type=command.type,
            status=command.status or CommandStatus.PENDING,
            version=command.version,
            progress=command.progress,
        )
        for command in commands
    ]
    organization_id = commands[0].organization_id
    transaction.on_commit(lambda: publish(organization_id, *events))
    wake_robots(
        {command.robot_id for command in commands if command.status == CommandStatus.PENDING}
    )


def wake_robots(robot_ids: Collection[UUID]) -> None:
    """Notify the processes at which robots wait, at the commit.

    PostgreSQL delivers the notification at the commit, whether or not Redis is there. A process
    that listens may miss it while it reconnects, so each process also polls every second.
    """
    if robot_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id",
                [WAKE_CHANNEL, [str(robot_id) for robot_id in robot_ids]],
            )
