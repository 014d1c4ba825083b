"""Change many alerts at once, and undo it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices.alerts import AlertAction, AlertState, BulkAction, allows
from apps.alerts.choices.events import AlertEventKind
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert
from apps.alerts.services.alerts import (
    alert_acknowledge,
    alert_assign,
    alert_resolve,
    alert_snooze,
    lock_condition,
)
from apps.alerts.services.events import alert_event_record
from urfmp.common.tenancy.context import audit_action


@dataclass(frozen=True)
class Change:
    """What an action changed of an alert, as text.

    Attributes:
        alert_id: Id of the alert.
        before: Assigned user or end of the snooze before the action; empty for none.
        after: The same after the action, or the time of the acknowledgement or resolution.
    """

    alert_id: str
    before: str
    after: str


def alerts_act(
    alerts: Iterable[Alert],
    user: User,
    *,
    action: BulkAction,
    assigned_to: User | None = None,
    until: datetime | None = None,
) -> list[Change]:
    """Act on alerts, and return those that changed.

    Args:
        alerts: Alerts that the user may change. Their rows are locked in the order of their ids,
            so that parallel actions on the same alerts do not wait for each other.
        user: User who acts.
        action: What to do.
        assigned_to: User who takes care of the alerts; None removes the assignment.
        until: End of a snooze.

    Raises:
        ValidationError: The user or time is invalid.
    """
    changes = []
    for alert in sorted(alerts, key=lambda alert: str(alert.pk)):
        try:
            before, after = _act(alert, user, action, assigned_to, until)
        except AlertResolvedError:
            continue
        if before != after:
            changes.append(Change(str(alert.pk), before, after))
    return changes


def _act(
    alert: Alert,
    user: User,
    action: BulkAction,
    assigned_to: User | None,
    until: datetime | None,
) -> tuple[str, str]:
    alert = Alert.objects.select_for_update().get(pk=alert.pk)
    before = _value(alert, action)
    if action == BulkAction.ACKNOWLEDGE:
        changed = alert_acknowledge(alert, user)
    elif action == BulkAction.ASSIGN:
        changed = alert_assign(alert, user, assigned_to=assigned_to)
    elif action == BulkAction.SNOOZE:
        changed = alert_snooze(alert, user, until=until or timezone.now())
    else:
        changed = alert_resolve(alert, user)
    return before, _value(changed, action)


def _value(alert: Alert, action: BulkAction) -> str:
    """Return what an action changes, as text."""
    value = {
        BulkAction.ACKNOWLEDGE: alert.acknowledged_at,
        BulkAction.ASSIGN: alert.assigned_to_id,
        BulkAction.SNOOZE: alert.snoozed_until,
        BulkAction.RESOLVE: alert.resolved_at,
    }[action]
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def alerts_undo(
    changes: Iterable[Change], alerts: Iterable[Alert], user: User, *, action: BulkAction
) -> int:
    """Undo an action; return how many alerts it restored.

    An alert that has changed since stays as it is. Recipients of messages hear of an alert whose
    resolution is undone as of one that was opened again.

    Args:
        changes: Result of `alerts_act()`.
        alerts: The alerts that the user may change; others are not restored. Their rows are locked.
        user: User who undoes.
        action: Action of the changes.
    """
    by_id = {str(alert.pk): alert for alert in alerts}
    undo = {
        BulkAction.ACKNOWLEDGE: _undo_acknowledgement,
        BulkAction.ASSIGN: _undo_assignment,
        BulkAction.SNOOZE: _undo_snooze,
        BulkAction.RESOLVE: _undo_resolution,
    }[action]
    restored = 0
    with audit_action(f"alerts.alert.undo_{action}"):
        for change in sorted(changes, key=lambda change: change.alert_id):
            found = by_id.get(change.alert_id)
            if found is None:
                continue
            if action == BulkAction.RESOLVE:
                # A report of the same condition may open another alert at this moment.
                lock_condition(found.organization_id, found.robot_id, found.key)
            alert = Alert.objects.select_for_update().get(pk=found.pk)
            if _value(alert, action) == change.after:
                restored += undo(alert, user, change.before)
    return restored


def _undo_acknowledgement(alert: Alert, user: User, _before: str) -> bool:
    if alert.state != AlertState.ACKNOWLEDGED:
        return False
    alert.is_acknowledged = False
    alert.acknowledged_by = alert.acknowledged_at = None
    alert.save(update_fields=["is_acknowledged", "acknowledged_by", "acknowledged_at"])
    alert_event_record(alert, AlertEventKind.UNACKNOWLEDGED, user=user)
    return True


def _undo_assignment(alert: Alert, user: User, before: str) -> bool:
    previous = User.objects.filter(pk=UUID(before), is_active=True).first() if before else None
    if alert.state == AlertState.RESOLVED:
        return False
    alert_assign(alert, user, assigned_to=previous)
    return True


def _undo_snooze(alert: Alert, user: User, before: str) -> bool:
    previous = datetime.fromisoformat(before) if before else None
    if alert.state == AlertState.RESOLVED:
        return False
    if previous is not None and previous > timezone.now():
        alert_snooze(alert, user, until=previous)
        return True
    alert.snoozed_until = None
    alert.save(update_fields=["snoozed_until"])
    alert_event_record(alert, AlertEventKind.UNSNOOZED, user=user)
    return True


def _undo_resolution(alert: Alert, user: User, _before: str) -> bool:
    same = Alert.objects.unresolved().filter(robot_id=alert.robot_id, key=alert.key)
    if allows(AlertAction.RESOLVE, alert.state) or same.exists():
        return False
    alert.is_resolved = False
    alert.resolved_at = alert.resolution = None
    alert.save(update_fields=["is_resolved", "resolved_at", "resolution"])
    alert_event_record(alert, AlertEventKind.REOPENED, user=user)
    return True
