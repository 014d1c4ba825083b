"""What happens to the work and alerts of a robot that retires.

Apps above this one add a step in `AppConfig.ready()`. Steps run inside the transaction and the
audited action of the retirement: either all of it happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models.functions import Now

from apps.robots.choices import WAITING_STATUSES, CommandStatus
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.changes import change_status

RetirementStep = Callable[[Robot, str], None]
"""A function that gets the robot, locked and retired, and the reason for what it closes."""

_steps: list[RetirementStep] = []


def add_retirement_step(step: RetirementStep) -> None:
    """Add a step to each retirement; adding it again changes nothing."""
    if step not in _steps:
        _steps.append(step)


def run_retirement_steps(robot: Robot) -> None:
    """Close what a retired robot leaves open.

    Args:
        robot: Robot whose row the caller has locked.
    """
    reason = f"The robot {robot.name} was retired."
    _cancel_commands(robot, reason)
    for step in _steps:
        step(robot, reason)


def _cancel_commands(robot: Robot, reason: str) -> None:
    """Cancel commands that were not handed over."""
    rows = RobotCommand.objects.filter(robot=robot, status__in=WAITING_STATUSES)
    for command in rows.select_for_update(no_key=True).order_by("pk"):
        change_status(command, CommandStatus.CANCELLED, completed_at=Now(), error_message=reason)
