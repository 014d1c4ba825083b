from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.alerts.choices.events import AlertEventKind
from apps.alerts.exceptions import AlertResolvedError
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.services import events
from apps.alerts.services.alerts import (
    alert_acknowledge,
    alert_assign,
    alert_comment,
    alert_reopen,
    alert_report,
    alert_resolve,
    alert_resolve_unacknowledged,
    alert_snooze,
)
from apps.audit.models import AuditLog

REPORT = {"type": "system", "severity": "warning", "title": "Hot", "message": "m"}


def report(organization, **fields):
    return alert_report(organization_id=organization.id, **{**REPORT, **fields}).alert


def timeline(alert):
    return [
        (event.kind, event.severity, event.user_id, event.occurrences)
        for event in AlertEvent.objects.filter(alert=alert)
    ]


def test_life_of_an_alert_is_its_timeline(organization_a, alice, bob, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
        report(organization_a)
        report(organization_a)
        report(organization_a, severity="error")
        alert_acknowledge(alert, alice)
        alert_assign(alert, alice, assigned_to=bob)
        alert_comment(alert, bob, text="  Fan is dirty.\nCleaning it. ")
        alert_snooze(alert, bob, until=timezone.now() + timedelta(hours=1))
        alert_resolve(alert, bob, resolution="Fan cleaned")
        alert_reopen(alert, Alert(severity="warning", message="again", metadata=None))
        assert timeline(alert) == [
            ("opened", "warning", None, 1),
            ("reoccurred", "warning", None, 3),
            ("severity_raised", "error", None, 1),
            ("acknowledged", "error", alice.pk, 1),
            ("assigned", "error", alice.pk, 1),
            ("commented", "error", bob.pk, 1),
            ("snoozed", "error", bob.pk, 1),
            ("resolved", "error", bob.pk, 1),
            ("reopened", "warning", None, 1),
        ]
        alert.refresh_from_db()
        texts = AlertEvent.objects.exclude(text="").values_list("text", flat=True)
        assert [*texts] == ["Fan is dirty.\nCleaning it.", "Fan cleaned"]
    assert (alert.state, alert.occurrences, alert.snoozed_until) == ("new", 5, None)
    assert alert.assigned_to_id == bob.pk


def test_acts_without_change_record_nothing(organization_a, alice, bob, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
        for _ in range(2):
            alert_acknowledge(alert, alice)
            alert_assign(alert, alice, assigned_to=bob)
        for _ in range(2):
            alert_resolve(alert, alice)
        alert_resolve_unacknowledged(alert, resolution="over")
        kinds = [kind for kind, *_ in timeline(alert)]
    assert kinds == ["opened", "acknowledged", "assigned", "resolved"]


def test_open_alert_alone_can_be_assigned_and_snoozed(organization_a, alice, tenant):
    soon = timezone.now() + timedelta(hours=1)
    with tenant(organization_a):
        alert = report(organization_a)
        alert_resolve_unacknowledged(alert, resolution="The condition ended.")
        alert.refresh_from_db()
        assert (alert.is_resolved, alert.is_acknowledged) == (True, False)
        with pytest.raises(AlertResolvedError):
            alert_assign(alert, alice, assigned_to=alice)
        with pytest.raises(AlertResolvedError):
            alert_snooze(alert, alice, until=soon)
        alert_comment(alert, alice, text="Seen")


def test_invalid_values_are_rejected(organization_a, alice, charlie, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
        for call, field in (
            (lambda: alert_assign(alert, alice, assigned_to=charlie), "assigned_to"),
            (lambda: alert_comment(alert, alice, text=" \n"), "text"),
            (lambda: alert_comment(alert, alice, text="x" * 5001), "text"),
            (lambda: alert_comment(alert, alice, text="\u200b"), "text"),
            (lambda: alert_snooze(alert, alice, until=timezone.now()), "until"),
            (
                lambda: alert_snooze(
                    alert, alice, until=timezone.now() + timedelta(days=365 * 200)
                ),
                "until",
            ),
        ):
            with pytest.raises(ValidationError) as raised:
                call()
            assert set(raised.value.message_dict) == {field}
        assert len(timeline(alert)) == 1


def test_step_runs_in_transaction_of_the_change(organization_a, alice, monkeypatch, tenant):
    seen = []

    def step(alert, event):
        seen.append((alert.state, event.kind))
        if event.kind == AlertEventKind.RESOLVED:
            msg = "no outbox"
            raise RuntimeError(msg)

    monkeypatch.setattr(events, "_steps", [])
    events.add_alert_event_step(step)
    with tenant(organization_a):
        alert = report(organization_a)
        alert_acknowledge(alert, alice)
        with pytest.raises(RuntimeError):
            alert_resolve(alert, alice)
        alert.refresh_from_db()
        assert alert.state == "acknowledged"
        assert [kind for kind, *_ in timeline(alert)] == ["opened", "acknowledged"]
    assert seen == [("new", "opened"), ("acknowledged", "acknowledged"), ("resolved", "resolved")]


def test_comment_and_tampering_are_audited(organization_a, alice, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
        alert_comment(alert, alice, text="Look at this")
        AlertEvent.objects.filter(kind="opened").update(severity="info")
        AlertEvent.objects.filter(kind="commented").delete()
        rows = AuditLog.objects.filter(resource_type="alert_event")
        assert sorted(row.action for row in rows) == [
            "alerts.alert.comment",
            "alerts.alert_event.delete",
            "alerts.alert_event.update",
        ]


def test_api_shows_timeline_and_changes_alert(organization_a, alice, bob, client_for, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
    client: Client = client_for(alice)
    until = (timezone.now() + timedelta(hours=2)).isoformat()
    for verb, body in (
        ("assign", {"assigned_to": str(bob.pk)}),
        ("comment", {"text": "Hello"}),
        ("snooze", {"until": until}),
    ):
        answer = client.post(f"/api/v1/alerts/{alert.pk}/{verb}", body, "application/json")
        assert answer.status_code == 200, answer.content
    assert answer.json()["assigned_to"] == str(bob.pk)
    answer = client.get(f"/api/v1/alerts/{alert.pk}/events")
    assert [event["kind"] for event in answer.json()] == [
        "snoozed", "commented", "assigned", "opened",
    ]  # fmt: skip
    assert client.get(f"/admin/alerts/alert/{alert.pk}/change/").content.count(b"Hello") == 1


def test_viewer_cannot_comment_or_assign(organization_a, bob, client_for, tenant):
    with tenant(organization_a):
        alert = report(organization_a)
    client = client_for(bob)
    for verb, body in (("assign", {"assigned_to": None}), ("comment", {"text": "x"})):
        answer = client.post(f"/api/v1/alerts/{alert.pk}/{verb}", body, "application/json")
        assert answer.status_code == 403
    assert client.get(f"/api/v1/alerts/{alert.pk}/events").status_code == 200
