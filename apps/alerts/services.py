"""Create, acknowledge and resolve alerts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices import AlertAction, AlertState, allows
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import audit_action


def alert_create(*, organization_id: UUID, **fields: Any) -> Alert:
    """Create an alert.

    Raises:
        ValidationError: A field is invalid, or the robot belongs to another organization.
    """
    alert = Alert(organization_id=organization_id, **fields)
    if alert.robot is not None and alert.robot.organization_id != organization_id:
        raise ValidationError({"robot": "Robot not found."})
    check_json(metadata=alert.metadata)
    with audit_action("alerts.alert.create"):
        alert.full_clean()
        alert.save(force_insert=True)
    return alert


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


def alert_resolve(alert: Alert, user: User | None) -> Alert:
    """Resolve an alert, and acknowledge it if it is new.

    Resolving twice changes nothing.

    Args:
        alert: Alert to resolve. Its row is locked.
        user: User who resolves; None for an API key, which the audit log names.
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
            alert.save(
                update_fields=[
                    "is_acknowledged",
                    "acknowledged_by",
                    "acknowledged_at",
                    "is_resolved",
                    "resolved_at",
                ]
            )
    return alert


def _lock(alert: Alert) -> Alert:
    locked: Alert = Alert.objects.select_for_update().get(pk=alert.pk)
    return locked
