"""Which browsers have attempts of their own, and until when."""

from __future__ import annotations

import pyotp
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client

from apps.accounts.auth.trusted_devices import trust_device, trusted_device
from apps.accounts.models import User
from apps.accounts.selectors.credentials import login_identity
from apps.accounts.services.one_time_links import link_create, password_set_with_token
from apps.accounts.services.second_factors import (
    recovery_codes_regenerate,
    second_factor_begin,
    second_factor_confirm,
    second_factor_remove,
    totp_secret,
)
from apps.accounts.services.users import user_update
from tests.conftest import PASSWORD
from urfmp.common.tenancy.context import Actor

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"
NEW = "another long and good password"
COOKIE = "urfmp_device"


def enter(client, password=PASSWORD):
    return client.post("/admin/login/", {"email": ALICE, "password": password})


def use_up():
    """Use up the attempts of untrusted clients."""
    while enter(Client(), "wrong").status_code != 429:
        pass


def is_known(client):
    request = HttpRequest()
    request.COOKIES = {COOKIE: client.cookies[COOKIE].value}
    return trusted_device(request, login_identity(ALICE)) is not None


@pytest.fixture
def device(alice):
    """A browser in which Alice has signed in, in whosever hands it is."""
    client = Client()
    assert enter(client).status_code == 302
    assert is_known(client)
    return client


def change_password(user):
    user_update(user, password=NEW)


def reset_password(user):
    token, _ = link_create(user, "password_reset")
    password_set_with_token(Actor(ip_address="127.0.0.1"), token=token, password=NEW)


def begin_second_factor(user):
    row = second_factor_begin(user)
    second_factor_confirm(user, pyotp.TOTP(totp_secret(row)).now())


def deactivate_for_a_while(user):
    user_update(user, is_active=False)
    user_update(user, is_active=True)


CHANGES = [change_password, reset_password, begin_second_factor, deactivate_for_a_while]


@pytest.mark.parametrize("change", CHANGES)
def test_revoking_all_sessions_resets_trusted_devices(
    change, alice, device, make_user, tenant, organization_a
):
    make_user(organization_a, "admin")  # so that she may be deactivated
    with tenant(organization_a):
        change(alice)
    assert not is_known(device)
    use_up()
    device.cookies.pop("urfmp_session")
    assert enter(device, "guess").status_code == 429


@pytest.mark.parametrize("change", [recovery_codes_regenerate, second_factor_remove])
def test_second_factor_change_resets_trusted_devices(change, alice, tenant, organization_a):
    with tenant(organization_a):
        begin_second_factor(alice)
    request, response, client = HttpRequest(), HttpResponse(), Client()
    client.cookies = trust_device(request, response, alice).cookies
    assert is_known(client)
    with tenant(organization_a):
        change(alice)
    assert not is_known(client)


def test_unrelated_changes_keep_trusted_devices(alice, bob, device, tenant, organization_a):
    with tenant(organization_a):
        user_update(bob, password=NEW)
        user_update(alice, first_name="Alicia")
    assert is_known(device)


def test_device_changing_password_stays_trusted(alice, device):
    other = Client()
    enter(other)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert device.post("/admin/password_change/", form).status_code == 302
    assert is_known(device)
    assert not is_known(other)
    device.post("/admin/logout/")
    use_up()
    assert enter(device, NEW).status_code == 302


def test_device_changing_second_factor_stays_trusted(alice, device):
    page = "/admin/second-factor/"
    device.post(page, {"do": "begin"})
    seed = device.get(page).context["secret"].replace(" ", "")
    assert device.post(page, {"do": "confirm", "code": pyotp.TOTP(seed).now()}).context["codes"]
    assert is_known(device)
    device.post(page, {"do": "renew"})
    assert is_known(device)
    device.post(page, {"do": "remove", "password": PASSWORD})
    assert is_known(device)


def test_login_with_old_password_does_not_trust_device(alice, tenant, organization_a):
    """It has shown it before the change, and is answered after."""
    with tenant(organization_a):
        before = User.objects.get(pk=alice.pk)
        user_update(alice, password=NEW)
    client = Client()
    client.cookies = trust_device(HttpRequest(), HttpResponse(), before).cookies
    assert not is_known(client)


def test_cookie_in_old_format_is_ignored(alice, device):
    from django.core import signing

    held = {"device": "abc", "accounts": [login_identity(ALICE).account_hash]}
    device.cookies[COOKIE] = signing.dumps(held, salt="urfmp.device")
    assert not is_known(device)
    device.cookies.pop("urfmp_session")
    assert enter(device).status_code == 302
    assert is_known(device)


def test_new_user_with_reused_email_does_not_trust_device(
    alice, device, make_user, tenant, organization_a
):
    with tenant(organization_a):
        user_update(alice, email="alice.former@acme.example")
    make_user(organization_a, "viewer", ALICE)
    assert not is_known(device)


def test_password_reset_trusts_browser(alice, tenant, organization_a):
    """So that a stranger's attempts do not keep the owner of the mailbox out."""
    with tenant(organization_a):
        token, _ = link_create(alice, "password_reset")
    client = Client()
    form = {"token": token, "password": NEW, "password2": NEW}
    assert client.post("/admin/choose-password/", form).status_code == 302
    assert is_known(client)
    use_up()
    assert enter(Client(), NEW).status_code == 429
    assert enter(client, NEW).status_code == 302


def test_password_reset_does_not_replace_second_factor(alice, tenant, organization_a):
    with tenant(organization_a):
        begin_second_factor(alice)
        token, _ = link_create(alice, "password_reset")
    client = Client()
    form = {"token": token, "password": NEW, "password2": NEW}
    assert client.post("/admin/choose-password/", form).status_code == 302
    assert COOKIE not in client.cookies


def test_api_device_is_trusted_after_change_of_second_factor(alice, api_post):
    answer = api_post("auth/login", {"email": ALICE, "password": PASSWORD}).json()
    bearer = Client(headers={"authorization": f"Bearer {answer['access_token']}"})
    seed = bearer.post("/api/v1/auth/second-factor").json()["seed"]
    body = {"otp": pyotp.TOTP(seed).now()}
    done = bearer.post("/api/v1/auth/second-factor/confirm", body, content_type="application/json")
    new = done.json()["tokens"]["device_token"]
    use_up()
    login = {"email": ALICE, "password": PASSWORD}
    refused = api_post("auth/login", {**login, "device_token": answer["device_token"]})
    assert refused.status_code == 429
    code = {"recovery_code": done.json()["recovery_codes"][0]}
    assert api_post("auth/login", {**login, **code, "device_token": new}).status_code == 200


def test_codes_of_stranger_do_not_limit_api_device(alice, api_post, tenant, organization_a):
    with tenant(organization_a):
        row = second_factor_begin(alice)
        codes = second_factor_confirm(alice, pyotp.TOTP(totp_secret(row)).now())
    login = {"email": ALICE, "password": PASSWORD}
    token = api_post("auth/login", {**login, "recovery_code": codes[0]}).json()["device_token"]
    statuses = [api_post("auth/login", {**login, "otp": "000000"}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]  # of a thief who knows the password
    right = {**login, "recovery_code": codes[1]}
    assert api_post("auth/login", right).status_code == 429
    assert api_post("auth/login", {**right, "device_token": token}).status_code == 200
