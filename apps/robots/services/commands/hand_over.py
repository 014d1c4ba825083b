"""Hand a robot its next command, at most once."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from apps.robots.choices import MOTION_TYPES, CommandStatus, CommandType
from apps.robots.exceptions import AcknowledgementOverdueError, CommandStateError
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.changes import change_status
from apps.robots.services.commands.checks import hand_over_error, has_motion_in_flight
from apps.robots.services.robots import robot_lock
from urfmp.common.db.constraints import violated_check
from urfmp.common.tenancy.context import Actor, tenant_transaction

# Time until which a robot acknowledges a command that it was sent.
ACKNOWLEDGE_PERIOD = timedelta(seconds=10)
# Commands that are read at once; most are handed over, so that the first is enough.
_MAX_BATCH = 20
# Constraint that the trigger names when it rejects the hand-over of an expired command.
_EXPIRED = "robot_commands_expired"


def command_claim_next(
    *,
    organization_id: UUID,
    robot_id: UUID,
    actor: Actor | None = None,
    acknowledge_within: timedelta = ACKNOWLEDGE_PERIOD,
    previous_id: UUID | None = None,
) -> RobotCommand | None:
    """Hand over a robot's next command, or return None.

    The status `sent` is committed before this returns: a command whose hand-over fails afterwards
    becomes unknown and is never sent again. Stop requests are first, then the highest priority,
    then the oldest. A command that may not be handed over any more is rejected with the reason; a
    motion command behind another one in flight waits.

    Call it outside of any transaction. Locks the robot's row, so that two callers for one robot
    run one after the other. A stop request does not wait for that lock.

    Args:
        organization_id: Organization of the robot.
        robot_id: Robot that asks.
        actor: The robot's API key or gateway, for the audit log.
        acknowledge_within: Time for the acknowledgement.
        previous_id: Command that was handed over last on a connection on which the robot does not
            ask. Until the robot has acknowledged it, only a stop request follows.

    Raises:
        AcknowledgementOverdueError: A command is due, and the robot did not acknowledge the
            previous one in time. The connection may be lost; commands must not follow there.
        RuntimeError: A transaction is open, so that `sent` could be rolled back after the command
            has left.
    """
    with tenant_transaction(
        organization_id, actor, action="robots.command.hand_over", durable=True
    ):
        first = _due_commands(robot_id).first()
        if first is None:
            return None
        is_stop = first.type == CommandType.EMERGENCY_STOP
        if previous_id is not None and _awaits_acknowledgement(previous_id) and not is_stop:
            return None
        if is_stop:
            # Nothing may delay it: neither checks nor the lock of the robot's row.
            with suppress(CommandStateError):
                if _mark_sent(first, acknowledge_within):
                    return first
        return _claim(robot_lock(robot_id), acknowledge_within)


def _awaits_acknowledgement(command_id: UUID) -> bool:
    """Return whether a command was handed over and is not acknowledged yet.

    Raises:
        AcknowledgementOverdueError: The time for the acknowledgement is over.
    """
    rows = RobotCommand.objects.filter(
        pk=command_id,
        status__in=(CommandStatus.SENT, CommandStatus.UNKNOWN),
        acknowledged_at__isnull=True,
    )
    is_overdue = Q(status=CommandStatus.UNKNOWN) | Q(answer_due_at__lte=Now())
    found = rows.annotate(is_overdue=ExpressionWrapper(is_overdue, BooleanField()))
    overdue = found.values_list("is_overdue", flat=True).first()
    if overdue:
        raise AcknowledgementOverdueError
    return overdue is not None


def _due_commands(robot_id: UUID) -> QuerySet[RobotCommand]:
    """Return a robot's due commands in the order of hand-over."""
    rows: QuerySet[RobotCommand] = RobotCommand.objects.due().filter(robot_id=robot_id)
    return rows.order_by("lane", Coalesce("scheduled_at", "created_at"), "created_at", "id")


def _claim(robot: Robot, acknowledge_within: timedelta) -> RobotCommand | None:
    rows = _due_commands(robot.pk)
    if has_motion_in_flight(robot):
        rows = rows.exclude(type__in=MOTION_TYPES)
    # A command that is not sent is not due any more.
    while commands := list(rows[:_MAX_BATCH]):
        for command in commands:
            try:
                if error := hand_over_error(robot, command):
                    _reject(command, error.message)
                elif _mark_sent(command, acknowledge_within):
                    return command
            except CommandStateError:
                continue  # a user cancelled it, or it expired, at the same time
    return None


def _reject(command: RobotCommand, reason: str) -> None:
    change_status(
        command, CommandStatus.REJECTED, completed_at=Now(), error_message=f"Not sent: {reason}"
    )


def _mark_sent(command: RobotCommand, acknowledge_within: timedelta) -> bool:
    """Mark a command as sent; return False if it has expired.

    A trigger rejects the status of an expired command. The change of a stop request is a savepoint
    by itself.
    """
    is_stop = command.type == CommandType.EMERGENCY_STOP
    try:
        with nullcontext() if is_stop else transaction.atomic():
            change_status(
                command,
                CommandStatus.SENT,
                sent_at=Now(),
                answer_due_at=Now() + acknowledge_within,
            )
    except IntegrityError as error:
        if violated_check(error) != _EXPIRED:
            raise
        return False
    return True
