"""Store what a robot reports about a command."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.db.models.functions import Coalesce, Now

from apps.robots.choices import CommandOutcome, CommandStatus, CommandType
from apps.robots.exceptions import CommandStateError
from apps.robots.models import RobotCommand
from apps.robots.services.commands.changes import (
    change_status,
    command_lock,
    publish_command,
    require_transition,
)
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import audit_action

MAX_OUTPUT_BYTES = 64 * 1024
MAX_MESSAGE_CHARS = 4000
MAX_PROGRESS_TEXT_CHARS = 500

# Time until which a robot reports progress or the result; each report extends it.
_REPORT_PERIOD = timedelta(minutes=10)
_FIRMWARE_REPORT_PERIOD = timedelta(hours=1)


def command_acknowledge(*, robot_id: UUID, command_id: UUID) -> RobotCommand:
    """Store that a robot has received a command and will execute it.

    A robot acknowledges before it executes. A repeated acknowledgement changes nothing.

    Raises:
        CommandNotFoundError: The robot has no such command.
        CommandStateError: The acknowledgement is too late, or the command has ended. The robot
            must not execute it.
    """
    with audit_action("robots.command.acknowledge"):
        command = command_lock(command_id, robot_id)
        if command.status in {CommandStatus.ACKNOWLEDGED, CommandStatus.EXECUTING}:
            return command
        return change_status(
            command,
            CommandStatus.ACKNOWLEDGED,
            acknowledged_at=Now(),
            answer_due_at=Now() + _report_period(command),
        )


def command_report_progress(
    *, robot_id: UUID, command_id: UUID, progress: int | None = None, text: str | None = None
) -> RobotCommand:
    """Store that a robot executes a command, and how far it is.

    Args:
        robot_id: Robot that reports.
        command_id: Command that it executes.
        progress: Completed part in percent, 0 to 100; None if the robot does not know.
        text: Robot's own words.

    Raises:
        CommandNotFoundError: The robot has no such command.
        CommandStateError: The command has ended, or its outcome is unknown.
        ValidationError: The progress or text is invalid.
    """
    _check_progress(progress, text)
    with audit_action("robots.command.execute"):
        command = command_lock(command_id, robot_id)
        fields = {
            "progress": command.progress if progress is None else progress,
            "progress_text": text or None,
            "answer_due_at": Now() + _report_period(command),
        }
        if command.status != CommandStatus.EXECUTING:
            return change_status(
                command,
                CommandStatus.EXECUTING,
                acknowledged_at=Coalesce("acknowledged_at", Now()),
                executed_at=Now(),
                **fields,
            )
        RobotCommand.objects.filter(pk=command.pk).update(**fields)
        command.refresh_from_db()
        publish_command(command)
        return command


def command_report_result(
    *,
    robot_id: UUID,
    command_id: UUID,
    outcome: str,
    output: dict[str, Any] | None = None,
    error_message: str | None = None,
) -> RobotCommand:
    """Store the result of a command.

    A repeated report of the same outcome changes nothing. A result that arrives after the command
    became unknown settles it; `rejected` is then stored as failed.

    Args:
        robot_id: Robot that reports.
        command_id: Command that it executed.
        outcome: One of `CommandOutcome`; rejected if the robot did not begin.
        output: Data of the result, at most 64 KiB as JSON.
        error_message: Reason of a failure, at most 4000 characters.

    Raises:
        CommandNotFoundError: The robot has no such command.
        CommandStateError: The command was not handed over, or has another outcome.
        ValidationError: The output or message is invalid.
    """
    _check_result(outcome, output, error_message)
    with audit_action(f"robots.command.{_VERBS[CommandOutcome(outcome)]}"):
        command = command_lock(command_id, robot_id)
        if command.status == outcome and command.sent_at is not None:
            return command
        if command.status == CommandStatus.UNKNOWN and outcome == CommandOutcome.REJECTED:
            outcome = CommandOutcome.FAILED
        if command.sent_at is None:
            msg = "The command was not handed over to the robot."
            raise CommandStateError(msg, command_status=command.status)
        require_transition(command, outcome)
        fields: dict[str, Any] = {"completed_at": Now(), "answer_due_at": None}
        if outcome == CommandOutcome.COMPLETED:
            fields |= {"progress": 100}
        if outcome != CommandOutcome.REJECTED:
            fields |= {
                "acknowledged_at": Coalesce("acknowledged_at", Now()),
                "executed_at": Coalesce("executed_at", Now()),
            }
        return change_status(
            command, outcome, result=output, error_message=error_message or None, **fields
        )


_VERBS = {
    CommandOutcome.COMPLETED: "complete",
    CommandOutcome.FAILED: "fail",
    CommandOutcome.REJECTED: "reject",
}


def _report_period(command: RobotCommand) -> timedelta:
    is_firmware = command.type == CommandType.UPDATE_FIRMWARE
    return _FIRMWARE_REPORT_PERIOD if is_firmware else _REPORT_PERIOD


def _check_progress(progress: int | None, text: str | None) -> None:
    errors = {}
    if progress is not None and (type(progress) is not int or not 0 <= progress <= 100):
        errors["progress"] = "Enter a whole number from 0 to 100."
    if text is not None and len(text) > MAX_PROGRESS_TEXT_CHARS:
        errors["text"] = f"Enter at most {MAX_PROGRESS_TEXT_CHARS} characters."
    if errors:
        raise ValidationError(errors)
    check_json(text=text)


def _check_result(outcome: str, output: Any, error_message: str | None) -> None:
    errors = {}
    if outcome not in CommandOutcome.values:
        errors["outcome"] = f"Enter one of {', '.join(CommandOutcome.values)}."
    if output is not None and not isinstance(output, dict):
        errors["output"] = "Enter an object such as {}."
    if error_message is not None and len(error_message) > MAX_MESSAGE_CHARS:
        errors["error_message"] = f"Enter at most {MAX_MESSAGE_CHARS} characters."
    if errors:
        raise ValidationError(errors)
    check_json(output=output, error_message=error_message)
    if output is not None and len(msgspec.json.encode(output)) > MAX_OUTPUT_BYTES:
        raise ValidationError({"output": f"Send at most {MAX_OUTPUT_BYTES} bytes."})
