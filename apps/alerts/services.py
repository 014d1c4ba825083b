"""Report, acknowledge and resolve alerts."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices import (
    DERIVED_KEY_PREFIX,
    RESERVED_KEY_PREFIXES,
    AlertAction,
    AlertOutcome,
    AlertSeverity,
    AlertSource,
    AlertState,
    AlertType,
    allows,
    is_worse,
)
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from apps.robots.choices import CommandStatus, CommandType
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.robots import require_in_service
from urfmp.common.db.json_values import check_json
from urfmp.common.db.names import normalize_name
from urfmp.common.tenancy.context import audit_action


class AlertReport(NamedTuple):
    """An open alert, and whether the report opened it."""

    alert: Alert
    outcome: AlertOutcome


def derived_key(*, type: str, source: str | None, title: str) -> str:  # noqa: A002 - the column
    """Return the key of a report without one.

    The SQL function `alert_key` returns the same.
    Values that change from report to report belong to the message, not the title.
    """
    text = "\x1f".join((type, source or "", normalize_name(title)))
    return DERIVED_KEY_PREFIX + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def alert_report(*, organization_id: UUID, key: str = "", **fields: Any) -> AlertReport:
    """Report a condition: open an alert, or repeat the open one.

    A repeat increments `occurrences` and moves `last_seen_at`. If it is more severe, the alert gets
    its severity, message and metadata, so that they describe the peak. An advisory lock on the
    condition lets parallel reports of it open one alert; it ends with the transaction.

    Args:
        organization_id: Organization of the alert.
        key: Identity of the condition within its robot, or within the organization without one;
            default: derived from type, source and title.
        fields: Further columns of the alert.

    Raises:
        ValidationError: A field is invalid, or the robot is retired or belongs to another
            organization.
    """
    alert = Alert(organization_id=organization_id, **fields)
    if alert.robot is not None and alert.robot.organization_id != organization_id:
        raise ValidationError({"robot": "Robot not found."})
    check_json(metadata=alert.metadata)
    alert.key = _reported_key(key) or derived_key(
        type=alert.type, source=alert.source, title=alert.title
    )
    with audit_action("alerts.alert.report"):
        # The constraint over the key is enforced by the lock: a repeat is not an error.
        alert.full_clean(exclude={"key"})
        require_in_service(alert.robot)
        _lock_condition(alert)
        open_alerts = Alert.objects.unresolved().select_for_update(no_key=True)
        stored = open_alerts.filter(robot=alert.robot, key=alert.key).first()
        if stored is not None:
            return AlertReport(_repeat(stored, alert), AlertOutcome.REPEATED)
        alert.save(force_insert=True)
        alert.refresh_from_db(fields=["occurrences", "last_seen_at", "created_at"])
    return AlertReport(alert, AlertOutcome.OPENED)


def _reported_key(key: str) -> str:
    try:
        cleaned: str = Alert._meta.get_field("key").clean(key, None)
    except ValidationError as error:
        raise ValidationError({"key": error}) from error
    if cleaned.startswith(RESERVED_KEY_PREFIXES):
        prefixes = " and ".join(RESERVED_KEY_PREFIXES)
        raise ValidationError({"key": f"Keys that begin with {prefixes} are reserved."})
    return cleaned


def _lock_condition(alert: Alert) -> None:
    condition = f"alerts.{alert.organization_id}.{alert.robot_id}.{alert.key}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [condition])


def _repeat(stored: Alert, report: Alert) -> Alert:
    changes: dict[str, Any] = {"occurrences": F("occurrences") + 1, "last_seen_at": Now()}
    if is_worse(report.severity, stored.severity):
        changes |= {name: getattr(report, name) for name in ("severity", "message", "metadata")}
    Alert.objects.filter(pk=stored.pk).update(**changes)
    stored.refresh_from_db(fields=list(changes))
    return stored


def alert_acknowledge(alert: Alert, user: User | None) -> Alert:
    """Acknowledge an alert.

    The first user who acknowledges is stored; a second acknowledgement changes nothing.

    Args:
        alert: Alert to acknowledge. Its row is locked, so that of two concurrent requests only one
            is the first.
        user: User who acknowledges; None for an API key, which the audit log names.

    Raises:
        AlertResolvedError: The alert is already resolved.
    """
    with audit_action("alerts.alert.acknowledge"):
        alert = _lock(alert)
        if alert.state == AlertState.RESOLVED:
            raise AlertResolvedError
        if allows(AlertAction.ACKNOWLEDGE, alert.state):
            alert.is_acknowledged = True
            alert.acknowledged_by = user
            alert.acknowledged_at = timezone.now()
            alert.save(update_fields=["is_acknowledged", "acknowledged_by", "acknowledged_at"])
    return alert


def alert_resolve(alert: Alert, user: User | None, *, resolution: str | None = None) -> Alert:
    """Resolve an alert, and acknowledge it if it is new.

    Resolving twice changes nothing.

    Args:
        alert: Alert to resolve. Its row is locked.
        user: User who resolves; None for an API key, which the audit log names.
        resolution: Why the alert is resolved, for the users who read it later.
    """
    with audit_action("alerts.alert.resolve"):
        alert = _lock(alert)
        if allows(AlertAction.RESOLVE, alert.state):
            now = timezone.now()
            if allows(AlertAction.ACKNOWLEDGE, alert.state):
                alert.is_acknowledged = True
                alert.acknowledged_by = user
                alert.acknowledged_at = now
            alert.is_resolved = True
            alert.resolved_at = now
            alert.resolution = resolution
            alert.save(
                update_fields=[
                    "is_acknowledged",
                    "acknowledged_by",
                    "acknowledged_at",
                    "is_resolved",
                    "resolved_at",
                    "resolution",
                ]
            )
    return alert


def alerts_resolve_of_retired_robot(robot: Robot, reason: str) -> None:
    """Resolve a retired robot's open alerts.

    The rows are locked in the order of their ids. They do not become acknowledged.

    Args:
        robot: Robot that retires; the caller has locked it.
        reason: Why the alerts are resolved.
    """
    alerts = Alert.objects.unresolved().filter(robot=robot).order_by("pk")
    ids = list(alerts.select_for_update().values_list("pk", flat=True))
    Alert.objects.filter(pk__in=ids).update(
        is_resolved=True, resolved_at=timezone.now(), resolution=reason
    )


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


def alerts_delete_of_purged_robot(robot: Robot) -> int:
    """Delete all alerts of a robot that is purged; return their number.

    Args:
        robot: Robot that is purged; the caller has locked it.
    """
    return int(Alert.objects.filter(robot=robot).delete()[0])


def _lock(alert: Alert) -> Alert:
    locked: Alert = Alert.objects.select_for_update().get(pk=alert.pk)
    return locked
