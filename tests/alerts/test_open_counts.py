"""Counts of open alerts for the header of every page."""

from __future__ import annotations

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.selectors import open_counts
from apps.alerts.selectors.open_counts import open_alert_counts
from apps.alerts.services.alerts import alert_report, alert_resolve
from apps.alerts.services.notifications.preferences import preference_update


def report(organization, number, severity):
    return alert_report(
        organization_id=organization.id, type="system", severity=severity, title=f"No. {number}",
        message="m",
    ).alert  # fmt: skip


def test_counts_group_open_alerts_by_severity_in_one_query(
    organization_a, organization_b, alice, charlie, tenant, django_assert_num_queries
):
    with tenant(organization_b):
        report(organization_b, 1, "critical")
    with tenant(organization_a):
        assert open_alert_counts(alice).label == "No open alerts"
        for number, severity in enumerate(["info", "warning", "warning", "critical"]):
            alert = report(organization_a, number, severity)
        alert_resolve(alert, alice)
        preference_update(
            alice, min_severity="info", quiet_from=None, quiet_until=None, has_sound=True
        )
        with django_assert_num_queries(1):
            counts = open_alert_counts(alice)
    assert counts.by_severity == [(AlertSeverity.WARNING, 2), (AlertSeverity.INFO, 1)]
    assert (counts.worst, counts.has_sound) == (AlertSeverity.WARNING, True)
    assert counts.label == "3 open alerts: 2 warning, 1 info"
    with tenant(organization_b):
        counts = open_alert_counts(charlie)
    assert (counts.total, counts.worst, counts.has_sound) == (1, AlertSeverity.CRITICAL, False)
    assert counts.label == "1 open alert: 1 critical"


def test_counts_stop_at_the_limit(organization_a, alice, tenant, monkeypatch):
    monkeypatch.setattr(open_counts, "MAX_COUNT", 3)
    with tenant(organization_a):
        for number in range(4):
            report(organization_a, number, "error")
        counts = open_alert_counts(alice)
    assert (counts.text, counts.label) == ("2+", "2+ open alerts: 2+ error")
