"""Actions on many alerts, and undo."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.alerts.choices.alerts import AlertState, BulkAction
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.services.alerts import alert_assign, alert_report, alert_resolve, alert_snooze
from apps.alerts.services.bulk import alerts_act, alerts_undo
from apps.audit.models import AuditLog


@pytest.fixture
def alerts(organization_a, tenant):
    with tenant(organization_a):
        return [
            alert_report(
                organization_id=organization_a.id, type="system", severity="error",
                title=f"No. {number}", message="m",
            ).alert
            for number in range(3)
        ]  # fmt: skip


def columns():
    names = ("pk", "is_acknowledged", "acknowledged_by", "acknowledged_at", "assigned_to",
             "snoozed_until", "is_resolved", "resolved_at")  # fmt: skip
    return {row[0]: row[1:] for row in Alert.objects.values_list(*names)}


@pytest.mark.parametrize("action", [BulkAction.ACKNOWLEDGE, BulkAction.ASSIGN, BulkAction.SNOOZE])
def test_undo_restores_what_the_action_changed(action, organization_a, alerts, alice, bob, tenant):
    later = timezone.now() + timedelta(hours=1)
    with tenant(organization_a):
        alert_assign(alerts[0], bob, assigned_to=bob)
        alert_snooze(alerts[1], bob, until=later)
        before = columns()
        changes = alerts_act(
            alerts, alice, action=action, assigned_to=alice, until=later + timedelta(hours=1)
        )
        assert len(changes) == 3
        assert not before.items() & columns().items()
        assert alerts_undo(changes, alerts, alice, action=action) == 3
        assert columns() == before
        assert alerts_undo(changes, alerts, alice, action=action) == 0, "only once"
        kinds = AlertEvent.objects.filter(user=alice).count()
        assert kinds == 6, "the action and its undoing are in the timelines"
        assert AuditLog.objects.filter(action=f"alerts.alert.undo_{action}").count() == 3


def test_undo_keeps_alerts_that_changed_since(organization_a, alerts, alice, bob, tenant):
    with tenant(organization_a):
        changes = alerts_act(alerts, alice, action=BulkAction.ACKNOWLEDGE)
        alert_resolve(alerts[0], bob)
        visible = alerts[:2]
        assert alerts_undo(changes, visible, alice, action=BulkAction.ACKNOWLEDGE) == 1
        states = {alert.pk: alert.state for alert in Alert.objects.all()}
    assert [states[alert.pk] for alert in alerts] == [
        AlertState.RESOLVED, AlertState.NEW, AlertState.ACKNOWLEDGED,
    ]  # fmt: skip


def test_undone_resolution_opens_alert_unless_condition_returned(
    organization_a, alerts, alice, tenant
):
    with tenant(organization_a):
        changes = alerts_act(alerts, alice, action=BulkAction.RESOLVE)
        again = alert_report(
            organization_id=organization_a.id, type="system", severity="error", title="No. 0",
            message="m",
        ).alert  # fmt: skip
        assert alerts_undo(changes, alerts, alice, action=BulkAction.RESOLVE) == 2
        opened = set(Alert.objects.unresolved().values_list("pk", flat=True))
        assert opened == {again.pk, alerts[1].pk, alerts[2].pk}
        event = AlertEvent.objects.filter(alert=alerts[1]).last()
    assert (event.kind, event.user_id) == ("reopened", alice.pk)


def test_act_leaves_out_what_it_does_not_change(organization_a, alerts, alice, bob, tenant):
    with tenant(organization_a):
        alerts_act(alerts[:1], bob, action=BulkAction.ACKNOWLEDGE)
        alert_resolve(alerts[1], bob)
        changes = alerts_act(alerts, alice, action=BulkAction.ACKNOWLEDGE)
        acknowledged_by = dict(Alert.objects.values_list("pk", "acknowledged_by"))
    assert [change.alert_id for change in changes] == [str(alerts[2].pk)]
    assert acknowledged_by[alerts[0].pk] == bob.pk
