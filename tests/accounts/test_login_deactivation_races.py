"""A login during a deactivation of the user or organization leaves no session."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.test import Client

from apps.accounts.auth.login import log_in
from apps.accounts.auth.requests import request_actor
from apps.accounts.exceptions import LoginFailedError
from apps.accounts.models import User, UserSession
from apps.accounts.selectors.api_tokens import access_credential
from apps.accounts.selectors.credentials import session_credential
from apps.accounts.services.api_tokens import token_pair_issue
from apps.accounts.services.session_store import SessionStore
from apps.accounts.services.sessions import sessions_revoke_user
from apps.accounts.services.users import user_update
from apps.organizations.models import Organization
from apps.organizations.services.platform import organization_deactivate, organization_reactivate
from tests.conftest import PASSWORD
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 60


def login_browser(user):
    client = Client()
    answer = client.post("/admin/login/", {"email": user.email, "password": PASSWORD})
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return answer.status_code == 302, bool(cookie and session_credential(cookie.value))


def login_api(user):
    body = {"email": user.email, "password": PASSWORD}
    answer = Client().post("/api/v1/auth/login", body, content_type="application/json")
    token = answer.json().get("access_token", "")
    return answer.status_code == 200, bool(access_credential(token))


def deactivate_organization(user):
    organization_deactivate(Organization.objects.get(pk=user.organization_id))


def reactivate_organization(user):
    organization_reactivate(Organization.objects.get(pk=user.organization_id))


def deactivate_user(user):
    user_update(User.objects.get(pk=user.pk), is_active=False)


def reactivate_user(user):
    user_update(User.objects.get(pk=user.pk), is_active=True)


ENDS = [(deactivate_organization, reactivate_organization), (deactivate_user, reactivate_user)]


def in_thread(pool, call, *args):
    def run():
        try:
            return call(*args)
        finally:
            connection.close()

    return pool.submit(run)


def sessions(organization):
    with tenant_transaction(organization.pk):
        return UserSession.objects.count()


@pytest.mark.parametrize(("end", "revive"), ENDS)
@pytest.mark.parametrize("login", [login_browser, login_api])
def test_login_during_deactivation_is_rejected(login, end, revive, organization_a, alice, bob):
    with ThreadPoolExecutor(1) as pool:
        with tenant_transaction(organization_a.pk):
            end(bob)
            attempt = in_thread(pool, login, bob)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=1.5)  # it waits for what is not committed yet
        was_let_in, _ = attempt.result(timeout=WAIT)
    assert not was_let_in
    with tenant_transaction(organization_a.pk):
        revive(bob)
    assert sessions(organization_a) == 0
    assert login(bob) == (True, True)


def start_browser(user, request):
    request.session = SessionStore()
    log_in(request, user)
    return request.session.session_key


def start_api(user, request):
    return token_pair_issue(user, request_actor(request)).access_token


@pytest.mark.parametrize(("end", "revive"), ENDS)
@pytest.mark.parametrize(
    ("start", "look_up"), [(start_browser, session_credential), (start_api, access_credential)]
)
def test_login_committed_after_deactivation_began_is_revoked(
    start, look_up, end, revive, organization_a, alice, bob, plain_request
):
    def call_end():
        with tenant_transaction(organization_a.pk):
            end(bob)

    with ThreadPoolExecutor(1) as pool:
        with tenant_transaction(organization_a.pk):
            token = start(bob, plain_request)
            ending = in_thread(pool, call_end)
            with pytest.raises(TimeoutError):
                ending.result(timeout=0.7)
        ending.result(timeout=WAIT)
    with tenant_transaction(organization_a.pk):
        revive(bob)
    assert look_up(token) is None
    assert sessions(organization_a) == 0


@pytest.mark.parametrize(("end", "revive"), ENDS)
def test_refresh_during_deactivation_is_rejected(end, revive, organization_a, alice, bob, actor):
    refresh = token_pair_issue(bob, actor).refresh_token

    def renew():
        body = {"refresh_token": refresh}
        path = "/api/v1/auth/refresh"
        return Client().post(path, body, content_type="application/json").status_code

    with ThreadPoolExecutor(1) as pool:
        with tenant_transaction(organization_a.pk):
            end(bob)
            attempt = in_thread(pool, renew)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=0.7)
        assert attempt.result(timeout=WAIT) == 401
    with tenant_transaction(organization_a.pk):
        revive(bob)
    assert renew() == 401
    assert sessions(organization_a) == 0


def test_password_change_and_deactivation_do_not_deadlock(
    organization_a, alice, bob, plain_request
):
    """Sessions that are ended and begun anew in one transaction, as by a change of password."""
    start_api(bob, plain_request)
    ended, may_go_on = threading.Event(), threading.Event()

    def change():
        with tenant_transaction(organization_a.pk):
            sessions_revoke_user(User.objects.select_for_update().get(pk=bob.pk))
            ended.set()
            may_go_on.wait(WAIT)
            request = HttpRequest()
            request.META.update(REMOTE_ADDR="127.0.0.1")
            start_browser(bob, request)

    def end():
        with tenant_transaction(organization_a.pk):
            deactivate_organization(bob)

    with ThreadPoolExecutor(2) as pool:
        changing = in_thread(pool, change)
        assert ended.wait(WAIT)
        ending = in_thread(pool, end)
        with pytest.raises(TimeoutError):
            ending.result(timeout=0.7)
        may_go_on.set()
        changing.result(timeout=WAIT)
        ending.result(timeout=WAIT)
    assert sessions(organization_a) == 0


def test_inactive_user_cannot_start_session(organization_a, alice, bob, tenant, plain_request):
    with tenant(organization_a):
        deactivate_user(bob)
    for start in (start_browser, start_api):
        with pytest.raises(LoginFailedError):
            start(bob, plain_request)
    assert sessions(organization_a) == 0
