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
from apps.alerts.choices.alerts import (
    DERIVED_KEY_PREFIX,
    RESERVED_KEY_PREFIXES,
    AlertAction,
    AlertOutcome,
    AlertState,
    allows,
    is_worse,
)
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
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


def _lock(alert: Alert) -> Alert:
    locked: Alert = Alert.objects.select_for_update().get(pk=alert.pk)
    return locked
