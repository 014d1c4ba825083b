"""A password under 15 characters opens nothing without the second factor beside it."""

from __future__ import annotations

from io import StringIO

import pyotp
import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client

from apps.accounts.auth.login import verify_code
from apps.accounts.exceptions import InvalidSecondFactorError
from apps.accounts.models import SecondFactor
from apps.accounts.services.login import requires_second_factor
from apps.accounts.services.second_factors import (
    second_factor_begin,
    second_factor_confirm,
    second_factor_get,
    totp_setup_display,
)
from apps.accounts.services.users import user_update

pytestmark = pytest.mark.django_db

SHORT = "mu7-Tok!"
LONG = "seven quiet green herons"


def enrolled(user, tenant, organization):
    """Give a person a second factor; return recovery codes."""
    with tenant(organization):
        seed, _ = totp_setup_display(second_factor_begin(user))
        return second_factor_confirm(user, pyotp.TOTP(seed.replace(" ", "")).now())


@pytest.fixture
def codes(alice, bob, organization_a, tenant):
    """Bob's recovery codes; his password is a short one."""
    found = enrolled(bob, tenant, organization_a)
    with tenant(organization_a):
        user_update(bob, password=SHORT)
    return found


def login(bob, password=SHORT, **body):
    body = {"email": bob.email, "password": password, **body}
    return Client().post("/api/v1/auth/login", body, content_type="application/json")


def page_login(bob, password=SHORT):
    return Client().post("/admin/login/", {"email": bob.email, "password": password})


def by_api(client, bob):
    assert client.delete(f"/api/v1/users/{bob.pk}/second-factor").status_code == 204


def by_page(client, bob):
    client.post(f"/admin/accounts/user/{bob.pk}/act/second-factor/")


def by_operator(_client, bob):
    out = StringIO()
    call_command("remove_second_factor", bob.email, stdout=out)
    assert "password_link" in out.getvalue()


def by_hand(_client, bob):
    from urfmp.common.tenancy.context import tenant_transaction

    with tenant_transaction(bob.organization_id):
        SecondFactor.objects.all().delete()


@pytest.mark.parametrize("remove", [by_api, by_page, by_operator, by_hand])
def test_short_password_without_second_factor_is_rejected(remove, codes, alice, bob, client_for):
    assert login(bob, recovery_code=codes[0]).status_code == 200
    remove(client_for(alice), bob)
    for refused in (login(bob), login(bob, recovery_code=codes[1])):
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_refused")
    assert page_login(bob).status_code == 400


def test_short_password_can_be_reset(codes, alice, bob, client_for, run_jobs, newest_code):
    by_api(client_for(alice), bob)
    run_jobs()
    told = mail.outbox[-1]
    assert told.to == [bob.email]
    assert "/admin/forgot-password/" in told.body
    assert "under 15 characters" in told.body
    Client().post(
        "/api/v1/auth/password-reset", {"email": bob.email}, content_type="application/json"
    )
    run_jobs()
    body = {"token": newest_code(), "password": SHORT}
    confirm = "/api/v1/auth/password-reset/confirm"
    assert Client().post(confirm, body, content_type="application/json").status_code == 400
    body["password"] = LONG
    assert Client().post(confirm, body, content_type="application/json").status_code == 204
    assert login(bob, LONG).status_code == 200


def test_long_password_without_second_factor_stays_valid(
    alice, bob, organization_a, tenant, client_for
):
    enrolled(bob, tenant, organization_a)
    by_api(client_for(alice), bob)
    assert login(bob, "correct horse battery staple").status_code == 200


def test_second_factor_is_removed_without_mail(codes, alice, bob, client_for, settings, run_jobs):
    settings.MAIL_IS_CONFIGURED = False
    by_api(client_for(alice), bob)
    sent = len(mail.outbox)
    run_jobs()
    assert len(mail.outbox) == sent
    assert login(bob).status_code == 401


def test_error_message_depends_only_on_input(codes, alice, bob, client_for):
    by_api(client_for(alice), bob)
    texts = []
    for email, password in ((bob.email, SHORT), (bob.email, "x"), ("nobody@acme.example", "x")):
        answer = Client().post("/admin/login/", {"email": email, "password": password})
        texts.append(answer.context["form"].non_field_errors())
    assert texts[0] == texts[1] == texts[2]
    assert "under 15 characters" in texts[0][0]
    assert "under 15" not in str(page_login(bob, LONG).context["form"].non_field_errors())


def test_second_factor_removed_between_password_and_code_is_rejected(
    codes, bob, organization_a, tenant, plain_request
):
    from django.contrib.auth import authenticate

    user = authenticate(plain_request, username=bob.email, password=SHORT)
    with tenant(organization_a):
        second_factor_get(bob).delete()
    assert requires_second_factor(user)
    for code in (codes[0], "000000"):
        with pytest.raises(InvalidSecondFactorError):
            verify_code(plain_request, user, code)
