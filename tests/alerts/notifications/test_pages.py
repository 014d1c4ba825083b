"""Admin pages of notifications, and the user's own preferences."""

from __future__ import annotations

from datetime import time

import pytest
from django.core import mail
from django.urls import reverse

from apps.alerts.models import (
    Delivery,
    NotificationChannel,
    NotificationPreference,
    NotificationRoute,
    Silence,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


def page(model: str, name: str, *args) -> str:
    return reverse(f"admin:alerts_{model}_{name}", args=args)


def test_channel_route_and_test_in_the_admin_send_an_email(
    client, alice, organization_a, report, send, tenant, pass_time
):
    values = {"kind": "email", "name": "Admins", "roles": ["admin"], "is_enabled": "on"}
    answer = client.post(page("notificationchannel", "add"), values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with tenant(organization_a):
        channel = NotificationChannel.objects.get()
    assert client.post(page("notificationchannel", "act", channel.pk, "test")).status_code == 302
    assert send() == 1
    values = {
        "name": "Errors",
        "position": 10,
        "is_enabled": "on",
        "severities": ["error", "critical"],
        "hours": "always",
        "channels": [channel.pk],
        "minutes_1": 15,
        "channels_1": [channel.pk],
        "group_wait_seconds": 0,
        "group_interval_seconds": 0,
    }
    answer = client.post(page("notificationroute", "add"), values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with tenant(organization_a):
        route = NotificationRoute.objects.get()
        assert sorted(step.after_minutes for step in route.steps.all()) == [0, 15]
    report(organization_a)
    assert send() == 1
    assert [message.to for message in mail.outbox] == [[alice.email]] * 2
    shown = client.get(page("notificationchannel", "change", channel.pk)).content.decode()
    assert "Opened: Door is open" in shown
    changed = client.get(page("notificationroute", "change", route.pk)).content.decode()
    assert 'value="15"' in changed
    values |= {"minutes_1": "", "channels_1": []}
    assert client.post(page("notificationroute", "change", route.pk), values).status_code == 302
    with tenant(organization_a):
        assert [step.after_minutes for step in route.steps.all()] == [0]


def test_route_form_says_what_is_missing(client, organization_a, make_email_channel):
    channel = make_email_channel(organization_a)
    values = {
        "name": "R", "position": 1, "hours": "always", "minutes_1": 5, "channels_2": [channel.pk],
        "group_wait_seconds": 0, "group_interval_seconds": 0,
    }  # fmt: skip
    text = client.post(page("notificationroute", "add"), values).content.decode()
    assert "Choose a channel to escalate to." in text
    assert "Enter the minutes to escalate after." in text
    values |= {"minutes_1": "", "channels_2": []}
    text = client.post(page("notificationroute", "add"), values).content.decode()
    assert "Choose at least one channel that is notified at once." in text


def test_signing_secret_is_shown_on_demand_and_not_stored_by_browsers(
    client, organization_a, receiver, make_webhook
):
    channel = make_webhook(organization_a, receiver)
    answer = client.post(page("notificationchannel", "act", channel.pk, "show_secret"))
    assert "whsec_" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    change = client.get(page("notificationchannel", "change", channel.pk)).content.decode()
    assert "whsec_" not in change


def test_dead_letter_is_sent_again_from_its_page(client, organization_a, ids, tenant):
    pk = ids["delivery"]
    listed = client.get(page("delivery", "changelist") + "?state__exact=dead")
    assert "Dead letter" in listed.content.decode()
    assert client.post(page("delivery", "act", pk, "replay")).status_code == 302
    with tenant(organization_a):
        assert Delivery.objects.get(pk=pk).state == "queued"


def test_silence_is_created_and_ended_in_the_admin(client, alice, organization_a, tenant):
    values = {
        "reason": "Planned work", "severities": ["warning"], "ends_at_0": "2030-01-01",
        "ends_at_1": "12:00",
    }  # fmt: skip
    answer = client.post(page("silence", "add"), values)
    assert answer.status_code == 200  # longer than a year
    values["ends_at_0"] = f"{_next_week():%Y-%m-%d}"
    answer = client.post(page("silence", "add"), values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with tenant(organization_a):
        silence = Silence.objects.get()
        assert silence.created_by == alice
    assert client.post(page("silence", "act", silence.pk, "end")).status_code == 302
    with tenant(organization_a):
        assert Silence.objects.get().is_over


def _next_week():
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() + timedelta(days=7)


@pytest.mark.parametrize(
    "model", ["notificationchannel", "notificationroute", "silence", "delivery"]
)
def test_lists_and_forms_need_few_queries(
    model, client, organization_a, ids, django_assert_max_num_queries
):
    with django_assert_max_num_queries(20):
        client.get(page(model, "changelist"))
    key = {"notificationchannel": "notification-channel", "notificationroute": "notification-route"}
    with django_assert_max_num_queries(20):
        client.get(page(model, "change", ids[key.get(model, model)]))


def test_own_notifications_are_saved_for_the_user_alone(
    client, alice, organization_a, client_for, bob, tenant
):
    address = reverse("admin:own_notifications_page")
    answer = client.post(
        address, {"min_severity": "error", "quiet_from": "22:00", "quiet_until": "06:30"}
    )
    assert answer.status_code == 302
    with tenant(organization_a):
        stored = NotificationPreference.objects.get()
        assert (stored.user, stored.quiet_until) == (alice, time(6, 30))
    assert "22:00" in client.get(address).content.decode()
    assert "22:00" not in client_for(bob).get(address).content.decode()
    answer = client.post(address, {"min_severity": "error", "quiet_from": "22:00"})
    assert answer.status_code == 400
    assert "Enter both the start and the end" in answer.content.decode()
