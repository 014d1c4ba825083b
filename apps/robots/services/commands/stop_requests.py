"""Stop requests: first in line, whatever else fails.

A stop request is a request over a network and not a safety device. It waits neither for the audit
log, whose rows are spooled, nor for Redis, rate limits or a locked robot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.audit.services.spool import audit_spooled
from apps.robots.choices import MAX_LIFETIME, CommandPriority, CommandStatus, CommandType
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot, RobotCommand
from apps.robots.protocols.commands.payloads import validate_payload
from apps.robots.services.commands.changes import publish_command, run_outcome_steps
from apps.robots.services.commands.stop_latch import stop_latch_set
from apps.robots.services.robots import robot_lock
from urfmp.common.tenancy.context import audit_action, current_actor

# Time until which a robot fetches a stop request before users are alerted.
_FETCH_PERIOD = timedelta(seconds=10)


def stop_requests_create(
    *, robots: Sequence[Robot], user: User | None, reason: str = ""
) -> list[RobotCommand]:
    """Request robots to stop, and latch them until an authorized reset.

    Stores one command of the type `emergency_stop` for each robot; it expires after 24 hours or at
    the reset. All commands that wait for the robots are cancelled in the same transaction.
    Repeating it is harmless.

    Args:
        robots: Robots of the open organization.
        user: Author; None for an API key, which is that of the open transaction.
        reason: Text for users and robots.

    Raises:
        RobotRetiredError: A robot is retired.
        ValidationError: The reason is too long.
    """
    payload = {"reason": reason} if reason else {}
    validate_payload(CommandType.EMERGENCY_STOP, payload, {})
    if not all(robot.is_active for robot in robots):
        raise RobotRetiredError
    with audit_spooled("robots.command.request_stop"):
        commands = RobotCommand.objects.bulk_create(
            RobotCommand(
                organization_id=robot.organization_id,
                robot=robot,
                user=user,
                api_key_id=None if user else current_actor().api_key_id,
                type=CommandType.EMERGENCY_STOP,
                payload=payload,
                priority=CommandPriority.CRITICAL,
                expires_at=Now() + MAX_LIFETIME,
                answer_due_at=Now() + _FETCH_PERIOD,
                latch_due_at=Now(),
            )
            for robot in robots
        )
        publish_command(*commands)
        stop_latch_set([robot.pk for robot in robots], _latch_reason(user, reason))
        ids = [command.pk for command in commands]
        return list(RobotCommand.objects.filter(pk__in=ids).order_by("robot__name", "pk"))


def stop_requests_check() -> int:
    """Latch robots that were busy; alert users of unfetched stops.

    Run by a job.

    Returns:
        Number of stop requests processed.
    """
    unlatched = RobotCommand.objects.filter(latch_due_at__isnull=False)
    with audit_spooled("robots.command.request_stop"):
        robots: dict[UUID, RobotCommand] = {}
        for command in unlatched.select_related("user").order_by("created_at"):
            robots[command.robot_id] = command
        for robot_id, command in robots.items():
            reason = (command.payload or {}).get("reason", "")
            stop_latch_set([robot_id], _latch_reason(command.user, reason))
    waiting = RobotCommand.objects.filter(
        type=CommandType.EMERGENCY_STOP, status=CommandStatus.PENDING, answer_due_at__lte=Now()
    ).order_by("robot_id")
    unanswered = list(waiting)
    with audit_action("robots.command.lose"):
        for command in unanswered:
            robot_lock(command.robot_id)
            is_pending = waiting.filter(pk=command.pk).update(
                answer_due_at=None, version=F("version") + 1
            )
            if is_pending:
                run_outcome_steps(command)
    return len(robots) + len(unanswered)


def _latch_reason(user: User | None, reason: str) -> str:
    by = f"{user}" if user else "an API key"
    return f"Stop requested by {by}: {reason}" if reason else f"Stop requested by {by}."
