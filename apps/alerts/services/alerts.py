"""Change alerts: report, acknowledge, assign, comment, snooze and resolve them.

Every change records an event of the alert's timeline in the same transaction.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices.alerts import (
    DERIVED_KEY_PREFIX,
    MAX_COMMENT_LENGTH,
    RESERVED_KEY_PREFIXES,
    AlertAction,
    AlertOutcome,
    AlertState,
    allows,
    is_worse,
)
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from apps.alerts.services.events import alert_event_record
from apps.robots.services.robots import require_in_service
from urfmp.common.db.fields import validate_datetime_range
from urfmp.common.db.json_values import check_json
from urfmp.common.db.locks import advisory_lock
from urfmp.common.db.names import normalize_name, validate_visible
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
        lock_condition(organization_id, alert.robot_id, alert.key)
        open_alerts = Alert.objects.unresolved().select_for_update(no_key=True)
        stored = open_alerts.filter(robot=alert.robot, key=alert.key).first()
        if stored is not None:
            return AlertReport(alert_repeat(stored, alert), AlertOutcome.REPEATED)
        return AlertReport(alert_open(alert), AlertOutcome.OPENED)


def _reported_key(key: str) -> str:
    try:
        cleaned: str = Alert._meta.get_field("key").clean(key, None)
    except ValidationError as error:
        raise ValidationError({"key": error}) from error
    if cleaned.startswith(RESERVED_KEY_PREFIXES):
        prefixes = ", ".join(RESERVED_KEY_PREFIXES)
        raise ValidationError({"key": f"Keys that begin with one of {prefixes} are reserved."})
    return cleaned


def lock_condition(organization_id: UUID, robot_id: UUID | None, key: str) -> None:
    """Lock a condition until the transaction ends."""
    advisory_lock(f"alerts.{organization_id}.{robot_id}.{key}")


def alert_open(alert: Alert) -> Alert:
    """Store a new alert, whose condition the caller has locked."""
    alert.save(force_insert=True)
    alert.refresh_from_db(fields=["occurrences", "started_at", "last_seen_at", "created_at"])
    alert_event_record(alert, AlertEventKind.OPENED)
    return alert


def alert_repeat(stored: Alert, report: Alert) -> Alert:
    """Count a further report of an open alert that is locked."""
    changes: dict[str, Any] = {"occurrences": F("occurrences") + 1, "last_seen_at": Now()}
    is_raised = is_worse(report.severity, stored.severity)
    if is_raised:
        changes |= {name: getattr(report, name) for name in ("severity", "message", "metadata")}
    Alert.objects.filter(pk=stored.pk).update(**changes)
    stored.refresh_from_db(fields=list(changes))
    alert_event_record(stored, AlertEventKind.REOCCURRED)
    if is_raised:
        alert_event_record(stored, AlertEventKind.SEVERITY_RAISED)
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
        alert = _lock_open(alert)
        if allows(AlertAction.ACKNOWLEDGE, alert.state):
            alert.is_acknowledged = True
            alert.acknowledged_by = user
            alert.acknowledged_at = timezone.now()
            alert.save(update_fields=["is_acknowledged", "acknowledged_by", "acknowledged_at"])
            alert_event_record(alert, AlertEventKind.ACKNOWLEDGED, user=user)
    return alert


def alert_assign(alert: Alert, user: User | None, *, assigned_to: User | None) -> Alert:
    """Assign an alert to a user, or to no user.

    Args:
        alert: Alert to assign. Its row is locked.
        user: User who assigns; None for an API key.
        assigned_to: User who takes care of the alert; None removes the assignment.

    Raises:
        AlertResolvedError: The alert is already resolved.
        ValidationError: The user is inactive or belongs to another organization.
    """
    if assigned_to is not None and (
        assigned_to.organization_id != alert.organization_id or not assigned_to.is_active
    ):
        raise ValidationError({"assigned_to": "User not found."})
    with audit_action("alerts.alert.assign"):
        alert = _lock_open(alert)
        if alert.assigned_to_id != (assigned_to.pk if assigned_to else None):
            alert.assigned_to = assigned_to
            alert.save(update_fields=["assigned_to"])
            alert_event_record(alert, AlertEventKind.ASSIGNED, user=user, assigned_to=assigned_to)
    return alert


def alert_comment(alert: Alert, user: User | None, *, text: str) -> Alert:
    """Add a comment to an alert, which may be resolved.

    Args:
        alert: Alert to comment. Its row is locked.
        user: Author; None for an API key.
        text: Comment.

    Raises:
        ValidationError: The text is empty, too long, or contains invisible characters.
    """
    text = text.strip()
    if not 0 < len(text) <= MAX_COMMENT_LENGTH:
        msg = f"Enter a comment of at most {MAX_COMMENT_LENGTH} characters."
        raise ValidationError({"text": msg})
    try:
        validate_visible(text)
    except ValidationError as error:
        raise ValidationError({"text": error}) from error
    with audit_action("alerts.alert.comment"):
        alert = _lock(alert)
        alert_event_record(alert, AlertEventKind.COMMENTED, user=user, text=text)
    return alert


def alert_snooze(alert: Alert, user: User | None, *, until: datetime) -> Alert:
    """Keep an alert from sending messages until a time.

    Args:
        alert: Alert to snooze. Its row is locked.
        user: User who snoozes; None for an API key.
        until: End of the snooze; must be in the future.

    Raises:
        AlertResolvedError: The alert is already resolved.
        ValidationError: The time is not in the future.
    """
    try:
        validate_datetime_range(until)
    except ValidationError as error:
        raise ValidationError({"until": error}) from error
    if until <= timezone.now():
        raise ValidationError({"until": "Enter a time in the future."})
    with audit_action("alerts.alert.snooze"):
        alert = _lock_open(alert)
        alert.snoozed_until = until
        alert.save(update_fields=["snoozed_until"])
        alert_event_record(alert, AlertEventKind.SNOOZED, user=user, until=until)
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
            _resolve(alert, now, resolution, user)
    return alert


def alert_resolve_unacknowledged(alert: Alert, *, resolution: str) -> Alert:
    """Resolve an alert whose condition ended by itself; resolving twice changes nothing.

    Args:
        alert: Alert to resolve. Its row is locked. It does not become acknowledged.
        resolution: Why the alert is resolved, for the users who read it later.
    """
    with audit_action("alerts.alert.resolve"):
        alert = _lock(alert)
        if allows(AlertAction.RESOLVE, alert.state):
            _resolve(alert, timezone.now(), resolution, None)
    return alert


def _resolve(alert: Alert, now: datetime, resolution: str | None, user: User | None) -> None:
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
    alert_event_record(alert, AlertEventKind.RESOLVED, user=user, text=resolution or "")


def alert_reopen(alert: Alert, report: Alert) -> Alert:
    """Reopen a resolved alert whose condition has returned.

    It has to be acknowledged anew.

    Args:
        alert: Resolved alert. Its row is locked; the caller has locked its condition.
        report: Severity, message and metadata of the new occurrence.
    """
    with audit_action("alerts.alert.reopen"):
        alert = _lock(alert)
        alert.is_resolved = alert.is_acknowledged = False
        alert.resolved_at = alert.resolution = None
        alert.acknowledged_at = alert.acknowledged_by = alert.snoozed_until = None
        for name in ("severity", "message", "metadata"):
            setattr(alert, name, getattr(report, name))
        alert.occurrences = F("occurrences") + 1
        alert.last_seen_at = Now()
        alert.save()
        alert.refresh_from_db(fields=["occurrences", "last_seen_at"])
        alert_event_record(alert, AlertEventKind.REOPENED)
    return alert


def _lock(alert: Alert) -> Alert:
    locked: Alert = Alert.objects.select_for_update().get(pk=alert.pk)
    return locked


def _lock_open(alert: Alert) -> Alert:
    alert = _lock(alert)
    if alert.state == AlertState.RESOLVED:
        raise AlertResolvedError
    return alert
