"""Each wrong password is audited, and the first denial beyond the limit."""

from __future__ import annotations

from collections import Counter

import pyotp
import pytest
from django.test import Client

from apps.accounts.services.second_factors import (
    second_factor_begin,
    second_factor_confirm,
    totp_secret,
)
from apps.audit.models import AuditLog
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

NEW = "another long and good password"


def login(client, user, password):
    body = {"email": user.email, "password": password}
    return client.post("/api/v1/auth/login", body, content_type="application/json")


def enter(client, user, password):
    return client.post("/admin/login/", {"email": user.email, "password": password})


def change(client, user, password):
    form = {"old_password": password, "new_password1": NEW, "new_password2": NEW}
    return client.post("/admin/password_change/", form)


def do_without(client, user, password):
    return client.post("/admin/second-factor/", {"do": "remove", "password": password})


def do_without_by_api(client, user, password):
    path = "/api/v1/auth/second-factor/remove"
    return client.post(path, {"password": password}, content_type="application/json")


@pytest.fixture
def told(tenant, organization_a):
    """Return a function that counts audited errors by message."""

    def read():
        with tenant(organization_a):
            rows = AuditLog.objects.filter(action="accounts.session.login", success=False)
            return Counter(rows.values_list("error_message", flat=True))

    return read


@pytest.mark.parametrize("way", [login, enter])
def test_failed_login_is_audited(way, alice, told):
    statuses = {way(Client(), alice, "wrong").status_code for _ in range(13)}
    assert 429 in statuses
    assert told() == {"Wrong e-mail or password.": 10, "Too many attempts.": 1}


@pytest.mark.parametrize(
    ("way", "where"),
    [
        (change, "a change of the password"),
        (do_without, "the removal of the second factor"),
        (do_without_by_api, "the removal of the second factor"),
    ],
)
def test_failed_password_of_logged_in_user_is_audited(
    way, where, alice, client_for, told, tenant, organization_a
):
    with tenant(organization_a):
        row = second_factor_begin(alice)
        second_factor_confirm(alice, pyotp.TOTP(totp_secret(row)).now())
    client = client_for(alice)
    for _ in range(13):
        assert way(client, alice, "wrong").status_code in {200, 403, 429}
    assert told() == {f"Wrong password at {where}.": 10, "Too many attempts.": 1}
    assert way(client, alice, PASSWORD).status_code in {200, 429}
