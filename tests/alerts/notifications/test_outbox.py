"""Deliveries are written in the transaction of the alert's change, as routes say."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.alerts.models import Delivery
from apps.alerts.services.alerts import alert_acknowledge, alert_resolve
from apps.alerts.services.notifications.routes import route_update

pytestmark = pytest.mark.django_db


def _pairs(rows):
    return sorted((row.notice, row.channel.name) for row in rows)


def test_report_without_route_writes_no_delivery(organization_a, report, deliveries):
    report(organization_a)
    assert deliveries(organization_a) == []


def test_report_rolled_back_leaves_no_delivery(
    organization_a, receiver, make_webhook, make_route, report, deliveries, tenant
):
    make_route(organization_a, make_webhook(organization_a, receiver))
    with tenant(organization_a):
        report(organization_a)
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)
    assert deliveries(organization_a) == []


def test_routes_first_match_wins_unless_it_continues(
    organization_a, receiver, make_webhook, make_route, report, deliveries, tenant
):
    first = make_webhook(organization_a, receiver, name="First")
    second = make_webhook(organization_a, receiver, name="Second")
    route = make_route(organization_a, first, name="A", position=1, severities=["error"])
    make_route(organization_a, second, name="B", position=2)
    report(organization_a, key="one")
    assert _pairs(deliveries(organization_a)) == [("opened", "First")]
    with tenant(organization_a):
        route_update(route, continues=True)
    report(organization_a, key="two")
    assert _pairs(deliveries(organization_a, alert__key="two")) == [
        ("opened", "First"),
        ("opened", "Second"),
    ]
    report(organization_a, key="three", severity="info")
    assert _pairs(deliveries(organization_a, alert__key="three")) == [("opened", "Second")]


def test_routes_match_type_and_facility(
    organization_a,
    receiver,
    make_webhook,
    make_route,
    make_facility,
    make_robot,
    report,
    deliveries,
):
    hall = make_facility(organization_a, "Hall 1")
    robot = make_robot(organization_a, location={"facility": "Hall 1"})
    channel = make_webhook(organization_a, receiver)
    make_route(organization_a, channel, types=["telemetry"], facility=hall)
    report(organization_a, type="telemetry")
    report(organization_a, type="status", robot=robot)
    assert deliveries(organization_a) == []
    report(organization_a, type="telemetry", robot=robot)
    assert len(deliveries(organization_a)) == 1


def test_repeat_notifies_only_if_more_severe(
    organization_a, receiver, make_webhook, make_route, report, deliveries
):
    make_route(organization_a, make_webhook(organization_a, receiver))
    for severity in ("warning", "warning", "info", "critical", "error"):
        report(organization_a, severity=severity)
    found = [(row.notice, row.severity) for row in deliveries(organization_a)]
    assert found == [("opened", "warning"), ("worsened", "critical")]


def test_email_channel_reaches_active_users_who_may_view_alerts(
    organization_a,
    alice,
    bob,
    make_user,
    make_email_channel,
    make_route,
    report,
    deliveries,
    tenant,
):
    custom = make_user(organization_a, "custom", "custom@acme.example")
    gone = make_user(organization_a, "admin", "gone@acme.example")
    with tenant(organization_a):
        type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    addresses = ["Bob@acme.example", custom.email, gone.email, "hall@other.example"]
    channel = make_email_channel(organization_a, roles=["admin"], addresses=addresses)
    make_route(organization_a, channel)
    report(organization_a)
    found = {(row.address, row.user) for row in deliveries(organization_a)}
    assert found == {(alice.email, alice), (bob.email, bob), ("hall@other.example", None)}


def test_acknowledgement_cancels_escalations_and_resolution_the_rest(
    organization_a, alice, receiver, make_webhook, make_route, report, deliveries, tenant,
    pass_time,
):  # fmt: skip
    channel = make_webhook(organization_a, receiver)
    other = make_webhook(organization_a, receiver, name="Chief")
    make_route(organization_a, channel, escalate=[(other, 15)])
    alert = report(organization_a)
    pass_time(organization_a, seconds=1)
    states = {row.notice: row.state for row in deliveries(organization_a)}
    assert states == {"opened": "queued", "escalated": "queued"}
    with tenant(organization_a):
        alert_acknowledge(alert, alice)
    states = {row.notice: row.state for row in deliveries(organization_a)}
    assert states == {"opened": "queued", "escalated": "cancelled"}
    with tenant(organization_a):
        alert_resolve(alert, alice)
    # No opening was sent, so no resolution is sent either.
    states = {row.notice: row.state for row in deliveries(organization_a)}
    assert states == {"opened": "cancelled", "escalated": "cancelled"}


def test_resolution_is_notified_where_the_opening_was_sent(
    organization_a, alice, receiver, make_webhook, make_route, report, send, deliveries, tenant
):
    make_route(organization_a, make_webhook(organization_a, receiver))
    alert = report(organization_a)
    send()
    with tenant(organization_a):
        alert_resolve(alert, alice, resolution="Closed.")
    send()
    found = [(row.notice, row.state) for row in deliveries(organization_a)]
    assert found == [("opened", "delivered"), ("resolved", "delivered")]
    # It was notified once: a further report opens an alert of its own.
    report(organization_a)
    assert len(deliveries(organization_a)) == 3


def test_disabled_channel_gets_no_delivery(
    organization_a, receiver, make_webhook, make_route, report, deliveries
):
    channel = make_webhook(organization_a, receiver, is_enabled=False)
    make_route(organization_a, channel)
    report(organization_a)
    assert deliveries(organization_a) == []


def test_alert_that_ends_in_its_transaction_leaves_no_delivery(
    organization_a, receiver, make_webhook, make_route, report, deliveries, tenant
):
    channel = make_webhook(organization_a, receiver)
    make_route(organization_a, channel, escalate=[(channel, 15)])
    with tenant(organization_a):
        alert_resolve(report(organization_a), None)
    assert deliveries(organization_a) == []
