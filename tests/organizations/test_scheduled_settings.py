"""Settings that weaken logins or delete data: step-up, notice, cancellation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import AuditLog
from apps.organizations.exceptions import NoScheduledSettingsError
from apps.organizations.models import Organization
from apps.organizations.services.organizations import organization_update
from apps.organizations.services.scheduled_settings import (
    scheduled_settings_apply,
    scheduled_settings_cancel,
)
from apps.organizations.tasks import apply_scheduled_settings
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.security import authentication_time, recent_auth

BASE = {"timezone": "Europe/Berlin"}
WEAKER = [
    ({"second_factor_required": True}, {"second_factor_required": False}),
    ({"second_factor_required": True}, {"second_factor_required": None}),
    ({"second_approval_required": True}, {"second_approval_required": None}),
    ({"maintenance_approval_above_cost": 5}, {"maintenance_approval_above_cost": None}),
    ({"maintenance_approval_above_cost": 5}, {"maintenance_approval_above_cost": 6}),
    (
        {"maintenance_approval_types": ["upgrade", "custom"]},
        {"maintenance_approval_types": ["custom"]},
    ),
    ({}, {"telemetry_retention_days": 364}),
    ({}, {"status_history_retention_days": 1}),
    ({"telemetry_retention_days": 30}, {"telemetry_retention_days": 29}),
]


@pytest.fixture
def stored(organization_a, tenant):
    def read():
        with tenant(organization_a):
            return Organization.objects.get(pk=organization_a.pk)

    return read


@pytest.fixture
def store(organization_a, tenant):
    """Write settings without a service."""

    def write(**values):
        with tenant(organization_a):
            Organization.objects.filter(pk=organization_a.pk).update(**values)

    return write


@pytest.fixture
def is_stale(monkeypatch):
    """Let 15 minutes pass since every login."""

    def pass_time():
        class Clock:
            @staticmethod
            def time():
                return timezone.now().timestamp() + 15 * 60

        for module in (authentication_time, recent_auth):
            monkeypatch.setattr(module, "time", Clock)

    return pass_time


@pytest.fixture
def change(organization_a, tenant):
    def update(**settings):
        with tenant(organization_a):
            return organization_update(organization_a, settings={**BASE, **settings})

    return update


def url(organization):
    return f"/api/v1/organizations/{organization.pk}"


def patch(client, organization, settings):
    return client.patch(url(organization), {"settings": settings}, content_type="application/json")


@pytest.mark.parametrize(("before", "after"), WEAKER)
def test_api_requires_step_up(
    before, after, organization_a, alice, api_post, store, is_stale, monkeypatch
):
    pair = api_post("auth/login", {"email": alice.email, "password": PASSWORD}).json()
    client = Client(headers={"authorization": f"Bearer {pair['access_token']}"})
    if before.get("second_factor_required"):  # which the session would need as well
        monkeypatch.setattr(
            "apps.accounts.middleware.second_factor.is_second_factor_required", lambda _: False
        )
    store(settings=before)
    is_stale()
    refused = patch(client, organization_a, after)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    step_up = client.post(
        "/api/v1/auth/step-up", {"password": PASSWORD}, content_type="application/json"
    )
    assert step_up.status_code == 204
    assert patch(client, organization_a, after).status_code == 200


@pytest.mark.parametrize(("before", "after"), WEAKER)
def test_api_key_cannot_weaken(before, after, organization_a, make_key, store, stored):
    key = Client(headers={"x-api-key": make_key(organization_a, ["organization:write"])})
    store(settings=before)
    refused = patch(key, organization_a, after)
    assert (refused.status_code, refused.json()["code"]) == (403, "user_required")
    row = stored()
    assert (row.settings, row.scheduled_settings) == (before, None)
    # Anything that does not weaken is allowed.
    stronger = {"timezone": "UTC", "telemetry_retention_days": 365}
    assert patch(key, organization_a, stronger).status_code == 200


def test_api_key_cannot_remove_second_factor(organization_a, bob, make_key):
    key = Client(headers={"x-api-key": make_key(organization_a, ["users:write", "users:read"])})
    refused = key.delete(f"/api/v1/users/{bob.pk}/second-factor")
    assert (refused.status_code, refused.json()["code"]) == (403, "user_required")


def admin_form(client, organization):
    address = reverse("admin:organizations_organization_change", args=[organization.pk])
    return address, {
        "name": organization.name,
        "timezone": "Europe/Berlin",
        "locale": "en-GB",
        "telemetry_retention_days": "",
        "status_history_retention_days": "",
    }


def test_admin_prompts_schedules_and_cancels(
    organization_a, alice, client_for, is_stale, stored, tenant
):
    client = client_for(alice)
    address, values = admin_form(client, organization_a)
    is_stale()
    assert client.post(address, {**values, "name": "Acme 2"}).status_code == 302
    values["telemetry_retention_days"] = "30"
    asked = client.post(address, values)
    assert (asked.status_code, asked.context["title"]) == (403, "Confirm access")
    assert stored().scheduled_settings is None

    done = client.post(
        address, {**values, "_step_up": "POST", "_step_up_password": PASSWORD}, follow=True
    )
    assert "The shorter retention takes effect on" in done.content.decode()
    row = stored()
    assert row.scheduled_settings == {"telemetry_retention_days": 30}
    page = client.get(address).content.decode()
    assert "Telemetry 30 days from" in page
    assert "30 from" in client.get("/admin/storage/").content.decode()
    act = reverse(
        "admin:organizations_organization_act", args=[row.pk, "cancel-scheduled-settings"]
    )
    assert act in page
    assert client.post(act).status_code == 302
    assert stored().scheduled_settings is None
    assert act not in client.get(address).content.decode()
    with tenant(organization_a):
        assert AuditLog.objects.filter(
            action="organizations.organization.cancel_scheduled_settings", user_id=alice.pk
        ).exists()


def test_shorter_retention_takes_effect_a_day_later(change, stored, store, tenant, organization_a):
    change(telemetry_retention_days=30, locale="de-DE")
    row = stored()
    assert row.settings == {**BASE, "locale": "de-DE"}
    assert row.scheduled_settings == {"telemetry_retention_days": 30}
    left = row.scheduled_settings_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(days=1)
    apply_scheduled_settings(0)
    assert stored().effective_settings.telemetry_retention_days == 365
    store(scheduled_settings_at=timezone.now() - timedelta(seconds=1))
    apply_scheduled_settings(0)
    row = stored()
    assert row.settings == {**BASE, "locale": "de-DE", "telemetry_retention_days": 30}
    assert (row.scheduled_settings, row.scheduled_settings_at) == (None, None)
    with tenant(organization_a):
        assert AuditLog.objects.filter(
            action="organizations.organization.apply_scheduled_settings"
        ).exists()


def test_other_settings_keep_schedule_and_longer_retention_replaces_it(change, stored):
    change(telemetry_retention_days=30)
    at = stored().scheduled_settings_at
    change(locale="de-DE")  # a client that writes back what it has read
    change(telemetry_retention_days=30)  # the same again
    assert (stored().scheduled_settings, stored().scheduled_settings_at) == (
        {"telemetry_retention_days": 30},
        at,
    )
    change(status_history_retention_days=9)
    row = stored()
    assert row.scheduled_settings == {
        "telemetry_retention_days": 30,
        "status_history_retention_days": 9,
    }
    assert row.scheduled_settings_at > at  # everything that is scheduled together is announced


def test_longer_retention_takes_effect_at_once(change, stored, store):
    store(settings={**BASE, "telemetry_retention_days": 100})
    change(telemetry_retention_days=30)
    assert stored().settings["telemetry_retention_days"] == 100
    change(telemetry_retention_days=200)
    row = stored()
    assert row.settings["telemetry_retention_days"] == 200
    assert (row.scheduled_settings, row.scheduled_settings_at) == (None, None)


def test_all_admins_are_notified(
    change, stored, organization_a, organization_b, make_user, alice, bob, charlie, run_jobs
):
    second = make_user(organization_a, "admin")
    change(telemetry_retention_days=30)
    run_jobs()
    assert sorted(message.to[0] for message in mail.outbox) == sorted([alice.email, second.email])
    text = mail.outbox[0].body
    assert "Telemetry: 30 days instead of 365" in text
    assert " Europe/Berlin (UTC+" in text
    assert f"/admin/organizations/organization/{organization_a.pk}/change/" in text
    change(telemetry_retention_days=30)
    run_jobs()
    assert len(mail.outbox) == 2  # nothing new to announce


def test_notice_names_user_who_changed_it(organization_a, alice, client_for, run_jobs):
    assert patch(client_for(alice), organization_a, {"status_history_retention_days": 8})
    run_jobs()
    assert f"{alice} has shortened" in mail.outbox[0].body
    assert "Status history: 8 days instead of 730" in mail.outbox[0].body


def test_cancelled_change_is_not_announced(change, stored, organization_a, alice, tenant, run_jobs):
    change(telemetry_retention_days=30)
    with tenant(organization_a):
        scheduled_settings_cancel(organization_a)
    run_jobs()
    assert mail.outbox == []
    with tenant(organization_a), pytest.raises(NoScheduledSettingsError):
        scheduled_settings_cancel(organization_a)


def test_api_shows_and_cancels_schedule(organization_a, alice, bob, client_for, charlie):
    client = client_for(alice)
    answer = patch(client, organization_a, {"telemetry_retention_days": 7}).json()
    assert answer["settings"] == BASE
    assert answer["scheduled_settings"] == {"telemetry_retention_days": 7}
    assert answer["scheduled_settings_at"]
    cancel = f"{url(organization_a)}/cancel-scheduled-settings"
    assert client_for(bob).post(cancel).status_code == 403
    assert client_for(charlie).post(cancel).status_code == 404
    assert client.post(cancel).json()["scheduled_settings"] is None
    again = client.post(cancel)
    assert (again.status_code, again.json()["code"]) == (409, "no_scheduled_settings")


@pytest.mark.django_db(transaction=True)
def test_concurrent_cancellation_and_application_do_not_mix(change, stored, store, organization_a):
    from urfmp.common.tenancy.context import tenant_transaction

    def cancel():
        with tenant_transaction(organization_a.pk):
            scheduled_settings_cancel(Organization.objects.get(pk=organization_a.pk))

    def apply():
        with tenant_transaction(organization_a.pk):
            return scheduled_settings_apply(organization_a.pk)

    for days in (300, 200, 100):
        change(telemetry_retention_days=days)
        store(scheduled_settings_at=timezone.now())
        before = stored().effective_settings.telemetry_retention_days
        cancelled, was_applied = run_concurrently(cancel, apply)
        assert isinstance(cancelled, NoScheduledSettingsError) == was_applied
        after = stored().effective_settings.telemetry_retention_days
        assert after == (days if was_applied else before)
        assert stored().scheduled_settings is None
