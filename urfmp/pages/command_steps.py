"""What happened to a command, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.robots.choices import ANSWERABLE_STATUSES, WAITING_STATUSES, CommandStatus
from apps.robots.models import RobotCommand


@dataclass(frozen=True)
class CommandStep:
    """One step in a command's life.

    Attributes:
        label: Name of the step.
        time: When it happened, or will happen at the latest.
        text: User or reason.
        is_ahead: Whether it is in the future.
    """

    label: str
    time: datetime
    text: str = ""
    is_ahead: bool = False


def command_steps(command: RobotCommand) -> list[CommandStep]:
    """Return the steps of a command in the order of their times."""
    steps = [CommandStep("Created", command.created_at, command.author)]
    for label, time in (
        ("Sent to the robot", command.sent_at),
        ("Accepted by the robot", command.acknowledged_at),
        ("Execution started", command.executed_at),
    ):
        if time is not None:
            steps.append(CommandStep(label, time))
    if command.completed_at is not None:
        steps.append(
            CommandStep(str(command.get_status_display()), command.completed_at, _ended_by(command))
        )
    steps.sort(key=lambda step: step.time)
    return [*steps, *_ahead(command)]


def _ended_by(command: RobotCommand) -> str:
    if command.settled_by is not None:
        return f"Settled by {command.settled_by}"
    return str(command.cancelled_by or "")


def _ahead(command: RobotCommand) -> list[CommandStep]:
    """Return what happens next if nothing else does."""
    if command.status == CommandStatus.PENDING_APPROVAL and command.approval_due_at:
        return [CommandStep("Approval is possible until", command.approval_due_at, is_ahead=True)]
    if command.status in WAITING_STATUSES:
        found = []
        if command.scheduled_at is not None:
            found.append(CommandStep("Not before", command.scheduled_at, is_ahead=True))
        return [*found, CommandStep("Expires", command.expires_at, is_ahead=True)]
    if command.status in ANSWERABLE_STATUSES and command.answer_due_at:
        return [
            CommandStep("Unknown unless the robot answers by", command.answer_due_at, is_ahead=True)
        ]
    return []
