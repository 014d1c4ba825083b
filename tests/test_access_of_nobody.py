"""The rows of the access matrix against those who hold no right, or hold one no longer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.permissions.roles import SCOPES
from tests.support.access_matrix import API, PEOPLE
from tests.support.sample_data import address, model_pages

GONE = ("deactivated", "revoked_key", "expired_key")


@pytest.fixture
def client_of(organization_a, inside, make_user, make_key, sign_in, alice):
    """Return a function from a caller's name to a client that once was let in."""
    from apps.accounts.models import ApiKey
    from apps.accounts.services.api_keys import api_key_revoke
    from apps.accounts.services.users import user_update

    def get(name):
        if name in {"custom", "deactivated"}:
            person = make_user(organization_a, "custom" if name == "custom" else "manager")
            client = sign_in(person)
            if name == "deactivated":
                with inside(organization_a):
                    user_update(person, is_active=False)
            return client
        key = make_key(organization_a, list(SCOPES), name=name)
        with inside(organization_a):
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


@pytest.mark.parametrize("who", GONE)
def test_api_knows_nobody_who_is_gone(who, client_of, ids):
    client = client_of(who)
    answers = {row: ask(client, *row, ids).status_code for row in API}
    assert {row: status for row, status in answers.items() if status != 401} == {}


def test_pages_know_nobody_who_is_gone(client_of, ids):
    client = client_of("deactivated")
    for _, prefix in model_pages():
        answer = client.get(reverse(f"{prefix}_changelist"))
        assert answer.status_code == 302
        assert "/login/" in answer["location"]


def test_a_role_without_permissions_is_let_in_to_its_own_affairs_alone(client_of, ids):
    client = client_of("custom")
    # Rows that every role is let in to are about the person who asks.
    own = {row for row, allowed in API.items() if set(PEOPLE) == set(allowed)}
    for row in API:
        status = ask(client, *row, ids).status_code
        assert (status == 403) is (row not in own), (row, status)
    for _, prefix in model_pages():
        assert client.get(reverse(f"{prefix}_changelist")).status_code == 403
