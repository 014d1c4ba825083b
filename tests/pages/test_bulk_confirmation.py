"""Destructive actions on many rows are confirmed on a page that names the rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import ApiKey, UserSession
from tests.support.sample_data import RESOURCE
from urfmp.common.admin import OrganizationScopedAdmin

pytestmark = pytest.mark.django_db
KEYS = "/admin/accounts/apikey/"


def select(action, *rows, **more):
    return {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}


@pytest.fixture
def keys(organization_a, make_key, tenant):
    for name in ("Press line", "Weld cell"):
        make_key(organization_a, name=name)
    with tenant(organization_a):
        now = timezone.now()
        ApiKey.objects.filter(name="Press line").update(last_used_at=now - timedelta(seconds=36))
        return list(ApiKey.objects.order_by("name"))


def active(tenant, organization):
    with tenant(organization):
        return list(ApiKey.objects.filter(is_active=True).values_list("name", flat=True))


def test_revoking_keys_names_them_and_their_last_use(
    keys, alice, client_for, tenant, organization_a
):
    client = client_for(alice)
    asked = client.post(KEYS, select("revoke", *keys, index="0"))
    text = asked.content.decode()
    assert asked.status_code == 200
    assert "Revoke 2 API keys?" in text
    assert "Press line" in text
    assert "used 36 s ago" in text or "used 37 s ago" in text
    assert "Weld cell" in text
    assert "never used" in text
    assert sorted(active(tenant, organization_a)) == ["Press line", "Weld cell"]
    # What the page submits: no `index`, the same rows.
    done = client.post(KEYS, select("revoke", *keys, _confirm="1"), follow=True)
    assert "2 API keys revoked." in done.content.decode()
    assert active(tenant, organization_a) == []


def test_rows_that_changed_meanwhile_are_unchanged(keys, alice, client_for, tenant, organization_a):
    client = client_for(alice)
    with tenant(organization_a):
        ApiKey.objects.filter(pk=keys[0].pk).update(is_active=False)
    text = client.post(KEYS, select("revoke", *keys, index="0")).content.decode()
    assert "Revoke 1 API key?" in text
    with tenant(organization_a):
        ApiKey.objects.update(is_active=False)
    done = client.post(KEYS, select("revoke", *keys, index="0"), follow=True)
    assert "None of the selected rows" in done.content.decode()


def test_rows_of_other_organization_are_not_named(
    keys, alice, client_for, make_key, organization_b, tenant
):
    make_key(organization_b, name="Globex secret")
    with tenant(organization_b):
        foreign = ApiKey.objects.get()
    client = client_for(alice)
    text = client.post(KEYS, select("revoke", *keys, foreign, index="0")).content.decode()
    assert "Revoke 2 API keys?" in text
    assert "Globex" not in text
    client.post(KEYS, select("revoke", foreign, _confirm="1"))
    assert active(tenant, organization_b) == ["Globex secret"]


def test_ending_sessions_names_users(alice, bob, client_for, tenant, organization_a):
    client, _ = client_for(alice), client_for(bob)
    with tenant(organization_a):
        session = UserSession.objects.get(user=bob)
    text = client.post(
        "/admin/accounts/usersession/", select("end", session, index="0")
    ).content.decode()
    assert "End 1 session?" in text
    assert "Bob" in text
    with tenant(organization_a):
        assert UserSession.objects.filter(pk=session.pk).exists()


def dangerous_actions():
    for model, model_admin in admin.site._registry.items():
        for action in getattr(model_admin, "object_actions", ()):
            if action.is_danger and action.form_class is None:
                yield model, action.name


@pytest.mark.parametrize(("model", "name"), [*dangerous_actions()])
def test_no_destructive_action_runs_unconfirmed(model, name, ids, alice, client_for, monkeypatch):
    ran = []
    monkeypatch.setattr(
        OrganizationScopedAdmin,
        "message_user",
        lambda _self, _request, text, *_: ran.append(str(text)),
    )
    pk = ids[RESOURCE[model._meta.model_name]]
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    answer = client_for(alice).post(
        url, {"action": name, "_selected_action": [str(pk)], "index": "0"}
    )
    if answer.status_code == 200:
        assert b'name="_confirm"' in answer.content
        assert ran == []
    else:
        assert all("None of the selected" in text or "No action" in text for text in ran)
