from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.auth.login import log_in
from apps.accounts.models import UserSession
from apps.accounts.selectors.credentials import session_credential
from apps.accounts.services.session_store import SessionStore
from apps.accounts.services.sessions import session_revoke
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from apps.robots.api.robots import RobotViewSet
from tests.conftest import PASSWORD, uncache_session
from tests.support.concurrency import run_concurrently
from urfmp.common.security.bearer_secrets import hash_token

SIGN_IN = "/admin/login/"


def enter(client, email="alice@acme.example", password=PASSWORD):
    return client.post(SIGN_IN, {"email": email, "password": password})


def token_of(client):
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def sessions_of(organization, tenant):
    with tenant(organization):
        return list(UserSession.objects.order_by("created_at"))


def change_row(organization, tenant, **values):
    """Move a row in time, past the read cache as well."""
    with tenant(organization):
        for session in UserSession.objects.all():
            UserSession.objects.filter(pk=session.pk).update(**values)
            cache.delete(f"session:{session.session_token}")


@pytest.fixture
def browser(alice):
    client = Client(headers={"user-agent": "Test/1"}, REMOTE_ADDR="192.0.2.7")
    assert enter(client).status_code == 302
    return client


def test_row_contains_only_digest(browser, organization_a, tenant):
    token = token_of(browser)
    (session,) = sessions_of(organization_a, tenant)
    assert session.session_token == hash_token(token)
    assert (session.ip_address, session.user_agent) == ("192.0.2.7", "Test/1")
    with tenant(organization_a), connection.cursor() as cursor:
        for table in ("user_sessions", "audit_logs"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            assert token not in cursor.fetchone()[0]


def test_redis_contains_no_token(browser):
    token = token_of(browser)
    browser.get("/admin/")
    session_credential(token)
    redis = cache.client.get_client()
    for key in redis.scan_iter("*"):
        assert token.encode() not in key
        if redis.type(key) == b"string":
            assert token.encode() not in redis.get(key)


def test_cookie(browser):
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 24 * 60 * 60
    assert cookie["path"] == "/"
    assert not cookie["domain"]


def test_cookie_under_https_is_secure_and_bound_to_the_host():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSECURE_HTTP", "False")
        import sys

        kept = sys.modules.pop("urfmp.settings")
        try:
            secure = import_module("urfmp.settings")
        finally:
            sys.modules["urfmp.settings"] = kept
    assert secure.SESSION_COOKIE_SECURE
    assert secure.CSRF_COOKIE_SECURE
    assert secure.SESSION_COOKIE_NAME.startswith("__Host-")
    assert secure.CSRF_COOKIE_NAME.startswith("__Host-")


def test_anonymous_request_stores_no_session(alice, organization_a, tenant):
    client = Client()
    assert client.get(SIGN_IN).status_code == 200
    assert enter(client, password="wrong wrong wrong").status_code == 400
    assert settings.SESSION_COOKIE_NAME not in client.cookies
    assert sessions_of(organization_a, tenant) == []


def test_login_does_not_accept_client_token(alice, organization_a, tenant):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "chosen-by-somebody-else"
    enter(client)
    assert token_of(client) != "chosen-by-somebody-else"
    assert len(sessions_of(organization_a, tenant)) == 1


def test_second_login_replaces_token(browser, alice, organization_a, tenant):
    old = token_of(browser)
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    request.session = SessionStore(old)
    log_in(request, alice)
    assert request.session.session_key != old
    assert session_credential(old) is None
    assert [s.session_token for s in sessions_of(organization_a, tenant)] == [
        hash_token(request.session.session_key)
    ]


def test_stored_digest_is_not_a_credential(browser, organization_a, tenant):
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = hash_token(token_of(browser))
    assert thief.get("/api/v1/robots").status_code == 401


def test_session_expires_after_one_idle_hour(browser, organization_a, tenant):
    now = timezone.now()
    change_row(organization_a, tenant, last_activity_at=now - timedelta(minutes=59))
    assert browser.get("/api/v1/robots").status_code == 200
    (session,) = sessions_of(organization_a, tenant)
    assert session.last_activity_at >= now  # touched
    change_row(organization_a, tenant, last_activity_at=now - timedelta(minutes=61))
    assert browser.get("/api/v1/robots").status_code == 401


def test_session_expires_after_one_day(browser, organization_a, tenant):
    (session,) = sessions_of(organization_a, tenant)
    assert session.expires_at - session.created_at == pytest.approx(
        timedelta(hours=24), abs=timedelta(minutes=1)
    )
    change_row(organization_a, tenant, expires_at=timezone.now() - timedelta(minutes=5))
    assert browser.get("/api/v1/robots").status_code == 401


def test_activity_is_recorded_once_per_minute(browser, organization_a, tenant):
    before = sessions_of(organization_a, tenant)[0].last_activity_at
    browser.get("/api/v1/robots")
    assert sessions_of(organization_a, tenant)[0].last_activity_at == before


def test_background_poll_is_not_activity(browser, organization_a, tenant):
    then = timezone.now() - timedelta(minutes=30)
    change_row(organization_a, tenant, last_activity_at=then)
    assert browser.get("/api/v1/robots", headers={"X-Unattended": "1"}).status_code == 200
    assert sessions_of(organization_a, tenant)[0].last_activity_at == then


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["session", "token"])
def test_slow_request_does_not_block_other_requests(
    way, browser, organization_a, tenant, monkeypatch, api_post
):
    headers, ask = {}, browser
    if way == "token":
        pair = api_post("auth/login", {"email": "alice@acme.example", "password": PASSWORD})
        headers, ask = {"Authorization": f"Bearer {pair.json()['access_token']}"}, Client()
    then = timezone.now() - timedelta(minutes=2)
    change_row(organization_a, tenant, last_activity_at=then)

    def hold():
        with tenant(organization_a):
            rows = UserSession.objects.select_for_update(nowait=True)
            return max(row.last_activity_at for row in rows)

    seen, answer = [], RobotViewSet.list

    def slow(view, request):
        seen.extend(run_concurrently(hold))
        return answer(view, request)

    monkeypatch.setattr(RobotViewSet, "list", slow)
    assert ask.get("/api/v1/robots", headers=headers).status_code == 200
    assert seen[0] > then  # already recorded, and the row is not locked


@pytest.mark.django_db(transaction=True)
def test_recording_activity_does_not_block(browser, organization_a, tenant):
    change_row(organization_a, tenant, last_activity_at=timezone.now() - timedelta(minutes=2))
    with tenant(organization_a):
        UserSession.objects.select_for_update().get()
        (answer,) = run_concurrently(lambda: browser.get("/api/v1/robots"))
    assert answer.status_code == 200


def test_revoked_cached_session_is_rejected_at_once(browser, organization_a, tenant):
    uncache_session(browser)
    assert browser.get("/api/v1/robots").status_code == 200
    assert isinstance(cache.get(f"session:{hash_token(token_of(browser))}"), list)
    (session,) = sessions_of(organization_a, tenant)
    with tenant(organization_a):
        session_revoke(session)
    assert browser.get("/api/v1/robots").status_code == 401


def test_session_revoked_without_redis_is_rejected(browser, organization_a, tenant):
    uncache_session(browser)
    assert browser.get("/api/v1/robots").status_code == 200
    name = f"session:{hash_token(token_of(browser))}"
    held = cache.get(name)
    (session,) = sessions_of(organization_a, tenant)
    with tenant(organization_a):
        session_revoke(session)
    cache.set(name, held)  # what other processes would still find
    assert browser.get("/api/v1/robots").status_code == 401
    assert browser.get("/admin/").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_read_between_delete_and_commit_does_not_restore_session(
    alice, client_for, organization_a, tenant
):
    token = token_of(client_for(alice))
    (session,) = sessions_of(organization_a, tenant)
    stored = None

    def read_while_open():
        nonlocal stored
        stored = session_credential(token)

    from tests.support.concurrency import run_concurrently

    with tenant(organization_a):
        session_revoke(session)
        run_concurrently(read_while_open)
    assert stored is not None  # not committed yet: it was right to see it
    assert session_credential(token) is None


def test_user_deactivation_revokes_sessions(browser, alice, make_user, organization_a, tenant):
    make_user(organization_a, "admin")
    assert browser.get("/api/v1/robots").status_code == 200
    with tenant(organization_a):
        user_update(alice, is_active=False)
    assert sessions_of(organization_a, tenant) == []
    assert browser.get("/api/v1/robots").status_code == 401
    assert browser.get("/admin/").status_code == 302
    assert enter(Client()).status_code == 400


def test_user_deactivated_by_sql_while_cached_is_rejected(browser, organization_a, tenant):
    """The page treats the client as anonymous; it may log in as another user."""
    uncache_session(browser)
    browser.get("/api/v1/robots")
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE users SET is_active = false WHERE email LIKE 'alice@%'")
    assert browser.get("/api/v1/robots").status_code == 401
    assert browser.get("/admin/").status_code == 302


def test_organization_deactivated_by_sql_while_cached_is_rejected(browser, organization_a, tenant):
    uncache_session(browser)
    browser.get("/api/v1/robots")
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE organizations SET is_active = false")
    assert browser.get("/api/v1/robots").status_code == 401
    assert browser.get("/admin/").status_code == 302


def test_password_change_revokes_other_sessions(browser, alice, client_for, organization_a, tenant):
    other = client_for(alice)
    with tenant(organization_a):
        user_update(alice, password="another long password 1")
    assert browser.get("/api/v1/robots").status_code == 401
    assert other.get("/api/v1/robots").status_code == 401
    assert enter(Client()).status_code == 400
    assert enter(Client(), password="another long password 1").status_code == 302


def test_inactive_organization_rejects_login(browser, organization_a, tenant):
    change_row(organization_a, tenant)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("UPDATE organizations SET is_active = false")
    assert browser.get("/api/v1/robots").status_code == 401
    assert enter(Client()).status_code == 400


def test_wrong_password_and_unknown_email_get_same_response(alice, organization_a, tenant):
    wrong = enter(Client(), password="wrong wrong wrong")
    unknown = enter(Client(), email="nobody@acme.example", password="wrong wrong wrong")
    assert wrong.status_code == unknown.status_code == 400

    def told(response):
        return [str(error) for error in response.context["form"].non_field_errors()]

    assert told(wrong) == told(unknown) != []


def test_failed_login_writes_audit_row(alice, organization_a, tenant, owner_cursor):
    enter(Client(REMOTE_ADDR="192.0.2.9"), password="wrong wrong wrong")
    with tenant(organization_a):
        record = AuditLog.objects.get(action="accounts.session.login")
        assert (record.success, record.ip_address) == (False, "192.0.2.9")
        assert record.request_data == {"email": "alice@acme.example"}
        assert "wrong wrong" not in str(record.__dict__)


@pytest.mark.django_db(transaction=True)
def test_failed_login_with_unknown_email_is_audited_for_platform(owner_cursor):
    enter(Client(), email="Nobody@nowhere.example", password="wrong wrong wrong")
    owner_cursor.execute("SELECT organization_id, success, request_data FROM audit_logs")
    assert owner_cursor.fetchall() == [(None, False, {"email": "Nobody@nowhere.example"})]


def test_login_and_logout_write_audit_rows(browser, organization_a, tenant):
    browser.post("/admin/logout/")
    with tenant(organization_a):
        acts = AuditLog.objects.filter(resource_type="user", action__contains=".session.")
        assert set(acts.values_list("action", "success")) == {
            ("accounts.session.login", True),
            ("accounts.session.logout", True),
        }
    assert sessions_of(organization_a, tenant) == []


def test_email_is_case_insensitive(alice):
    assert enter(Client(), email="ALICE@Acme.Example").status_code == 302


def test_stored_hash_is_not_a_password(alice):
    assert enter(Client(), password=alice.password).status_code == 400


def test_saving_revoked_session_does_not_restore_it(browser, organization_a, tenant):
    store = SessionStore(token_of(browser))
    assert store.get("_auth_user_id")
    (session,) = sessions_of(organization_a, tenant)
    with tenant(organization_a):
        session_revoke(session)
    store["x"] = 1
    from django.contrib.sessions.backends.base import UpdateError

    with pytest.raises(UpdateError), transaction.atomic():
        store.save()
    assert sessions_of(organization_a, tenant) == []


def test_admin_cannot_revoke_session_of_user_with_more_permissions(
    organization_a, alice, bob, make_user, make_key, client_for, tenant
):
    helper = make_user(organization_a, "viewer", permissions=["user.view", "user.update"])
    mine, theirs, weaker = client_for(helper), client_for(alice), client_for(bob)
    with tenant(organization_a):
        ids = dict(UserSession.objects.values_list("user_id", "pk"))
    key = make_key(organization_a, ["users:read", "users:write"])
    address = f"/api/v1/sessions/{ids[alice.pk]}"
    for answer in (mine.delete(address), Client().delete(address, headers={"x-api-key": key})):
        assert (answer.status_code, answer.json()["code"]) == (403, "grant_exceeds_own")
    page = reverse("admin:accounts_usersession_act", args=[ids[alice.pk], "end"])
    mine.post(page)
    assert theirs.get("/api/v1/robots").status_code == 200
    assert mine.delete(f"/api/v1/sessions/{ids[bob.pk]}").status_code == 204
    assert weaker.get("/api/v1/robots").status_code == 401
    assert client_for(alice).post(page).status_code == 302
    assert theirs.get("/api/v1/robots").status_code == 401
