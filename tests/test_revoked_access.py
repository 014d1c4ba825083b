"""Routes of the access matrix with callers whose access was revoked or never granted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.permissions.roles import SCOPES
from tests.support.access_matrix import API, ROLES
from tests.support.sample_data import address, model_pages

REVOKED_CALLERS = ("deactivated", "revoked_key", "expired_key")


@pytest.fixture
def client_of(organization_a, tenant, make_user, make_key, client_for, alice):
    """Return a function from a caller's name to a client that once had access."""
    from apps.accounts.models import ApiKey
    from apps.accounts.services.api_keys import api_key_revoke
    from apps.accounts.services.users import user_update

    def get(name):
        if name in {"custom", "deactivated"}:
            user = make_user(organization_a, "custom" if name == "custom" else "manager")
            client = client_for(user)
            if name == "deactivated":
                with tenant(organization_a):
                    user_update(user, is_active=False)
            return client
        key = make_key(organization_a, list(SCOPES), name=name)
        with tenant(organization_a):
            row = ApiKey.objects.get(name=name)
            if name == "revoked_key":
                api_key_revoke(row)
            else:
                ApiKey.objects.filter(pk=row.pk).update(
                    expires_at=timezone.now() - timedelta(hours=1)
                )
        return Client(headers={"x-api-key": key})

    return get


def ask(client, route, method, ids):
    options = {} if method == "get" else {"content_type": "application/json"}
    return getattr(client, method)(address(route, ids), **options)


@pytest.mark.parametrize("who", REVOKED_CALLERS)
def test_api_revoked_caller_gets_401(who, client_of, ids):
    client = client_of(who)
    answers = {row: ask(client, *row, ids).status_code for row in API}
    assert {row: status for row, status in answers.items() if status != 401} == {}


def test_admin_deactivated_user_is_redirected_to_login(client_of, ids):
    client = client_of("deactivated")
    for _, prefix in model_pages():
        answer = client.get(reverse(f"{prefix}_changelist"))
        assert answer.status_code == 302
        assert "/login/" in answer["location"]


def test_role_without_permissions_reaches_only_its_own_account(client_of, ids):
    client = client_of("custom")
    # Routes open to every role are about the caller's own account.
    own = {row for row, allowed in API.items() if set(ROLES) == set(allowed)}
    for row in API:
        status = ask(client, *row, ids).status_code
        assert (status == 403) is (row not in own), (row, status)
    for _, prefix in model_pages():
        assert client.get(reverse(f"{prefix}_changelist")).status_code == 403
