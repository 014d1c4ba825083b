"""Changes to alerts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from urfmp.common.db.json_values import check_json
from urfmp.common.tenancy.context import act


def alert_open(*, organization_id: UUID, **fields: Any) -> Alert:
    """Tell people that something is wrong.

    Raises:
        ValidationError: A field does not fit, or the robot is another organization's.
    """
    alert = Alert(organization_id=organization_id, **fields)
    if alert.robot is not None and alert.robot.organization_id != organization_id:
        raise ValidationError({"robot": "There is no such robot."})
    check_json(metadata=alert.metadata)
    with act("alerts.alert.create"):
        alert.full_clean()
        alert.save(force_insert=True)
    return alert


def alert_acknowledge(alert: Alert, user: User | None) -> Alert:
    """Note that somebody knows; the first one stays. Acknowledging twice changes nothing.

    Args:
        alert: Locked here: two people who click at once are not both the first.
        user: Who; None when a key acts, which the record names.

    Raises:
        AlertResolvedError: It is over.
    """
    with act("alerts.alert.acknowledge"):
        alert = _lock(alert)
        if alert.is_resolved:
            raise AlertResolvedError
        if not alert.is_acknowledged:
            alert.is_acknowledged = True
            alert.acknowledged_by = user
            alert.acknowledged_at = timezone.now()
            alert.save(update_fields=["is_acknowledged", "acknowledged_by", "acknowledged_at"])
    return alert


def alert_resolve(alert: Alert, user: User | None) -> Alert:
    """Note that it is over. Resolving implies having known; resolving twice changes nothing.

    Args:
        alert: Locked here.
        user: Who; None when a key acts, which the record names.
    """
    with act("alerts.alert.resolve"):
        alert = _lock(alert)
        if not alert.is_resolved:
            now = timezone.now()
            if not alert.is_acknowledged:
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
