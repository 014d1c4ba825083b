"""Follow the outcome of commands."""

from __future__ import annotations

from apps.alerts.choices.alerts import AlertSeverity, AlertSource, AlertType
from apps.alerts.models import Alert
from apps.alerts.services.alerts import alert_report, alert_resolve
from apps.robots.choices import CommandStatus, CommandType
from apps.robots.models import RobotCommand


def alert_follow_command(command: RobotCommand) -> None:
    """Open an alert for an unknown command; resolve it later.

    Args:
        command: Command that became or was unknown, or a stop request that changed or that the
            robot does not fetch. Its robot is locked if an alert is opened.
    """
    key = f"command:{command.pk}"
    is_stop = command.type == CommandType.EMERGENCY_STOP
    if is_stop and command.status in {CommandStatus.PENDING, CommandStatus.TIMEOUT}:
        title = "The robot did not fetch the stop request"
        message = "It may still be moving. Use the emergency stop at the robot."
    elif command.status == CommandStatus.UNKNOWN:
        title = f"Outcome of {command.get_type_display()} is unknown"
        message = (
            f"{command.error_message} It is not sent again. Look at the robot, then settle the"
            " command: completed or failed."
        )
    else:
        _resolve_of_command(command, key)
        return
    severity = AlertSeverity.ERROR if command.is_motion else AlertSeverity.WARNING
    if command.robot.is_active:
        alert_report(
            organization_id=command.organization_id,
            robot=command.robot,
            key=key,
            type=AlertType.COMMAND,
            source=AlertSource.SYSTEM,
            severity=AlertSeverity.CRITICAL if is_stop else severity,
            title=title,
            message=message,
            metadata={"command_id": str(command.pk)},
        )


def _resolve_of_command(command: RobotCommand, key: str) -> None:
    alerts = Alert.objects.unresolved().select_for_update(no_key=True)
    if (alert := alerts.filter(robot=command.robot, key=key).first()) is not None:
        outcome = command.get_status_display().lower()
        decided = f"{command.settled_by} settled it" if command.settled_by else "The command is"
        alert_resolve(alert, command.settled_by, resolution=f"{decided}: {outcome}.")
