"""Look-up of credentials, without the checks of its callers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.selectors.api_tokens import access_credential
from apps.accounts.selectors.credentials import (
    SessionCredential,
    invalidate_cached_session,
    key_credential,
    record_key_use,
    session_credential,
)
from apps.accounts.selectors.key_format import generate_key
from apps.accounts.services.api_tokens import token_pair_issue
from apps.accounts.services.session_store import SessionStore
from tests.conftest import uncache_session
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor
from urfmp.live.selectors import revoked_credentials


@pytest.fixture
def browser(alice, client_for):
    return client_for(alice)


@pytest.fixture
def token(browser):
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def cached(token):
    return cache.get(f"session:{hash_token(token)}")


@pytest.mark.parametrize(
    ("remaining", "idle", "is_valid"),
    [
        (timedelta(seconds=5), timedelta(minutes=59), True),
        (timedelta(seconds=-1), timedelta(0), False),
        (timedelta(hours=1), timedelta(minutes=60), False),
    ],
)
def test_session_credential_expires_by_clock(alice, remaining, idle, is_valid):
    now = timezone.now()
    found = SessionCredential(alice.pk, alice.organization_id, {}, now + remaining, now - idle)
    assert found.is_valid is is_valid


def test_api_tokens_are_not_sessions(alice):
    pair = token_pair_issue(alice, Actor())
    for token in (pair.access_token, pair.refresh_token):
        assert session_credential(token) is None


def test_reader_does_not_replace_change_marker(token):
    invalidate_cached_session(hash_token(token))
    marker = cached(token)
    assert session_credential(token) is not None
    assert cached(token) == marker
    cache.delete(f"session:{hash_token(token)}")
    assert session_credential(token) is not None
    assert isinstance(cached(token), list)


@pytest.mark.django_db(transaction=True)
def test_commit_sets_change_marker_again(token, organization_a, tenant):
    with tenant(organization_a):
        invalidate_cached_session(hash_token(token))
        cache.delete(f"session:{hash_token(token)}")  # five seconds later
        assert session_credential(token) is not None
        assert isinstance(cached(token), list)
    assert not isinstance(cached(token), list)


def test_renewed_session_invalidates_old_token(token, organization_a, tenant):
    session = SessionStore(token)
    assert session["_auth_user_id"]
    assert isinstance(cached(token), list)
    with tenant(organization_a):
        session.renew()
    assert session_credential(token) is None
    assert session_credential(session.session_key) is not None


def test_password_changed_by_sql_invalidates_session(browser, alice, organization_a, tenant):
    assert browser.get("/api/v1/robots").status_code == 200
    with tenant(organization_a):
        alice.set_password("another long password 1")
        User.objects.filter(pk=alice.pk).update(password=alice.password)
    uncache_session(browser)
    assert browser.get("/api/v1/robots").status_code == 401


def test_record_key_use_writes_once_a_minute(organization_a, make_key, tenant):
    key = make_key(organization_a)
    unused = key_credential(key)
    assert record_key_use(unused)
    first = key_credential(key)
    assert first.last_used_at is not None
    with CaptureQueriesContext(connection) as queries:
        assert not record_key_use(first)
    assert len(queries) == 0
    # Another process has cached the key as unused; the database has a newer time.
    then = timezone.now() - timedelta(seconds=30)
    with tenant(organization_a):
        ApiKey.objects.update(last_used_at=then)
    record_key_use(unused)
    assert key_credential(key).last_used_at == then


def _found_one_by_one(token: str) -> bool:
    return any(
        find(token) is not None for find in (session_credential, access_credential, key_credential)
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_active = false",
        "UPDATE organizations SET is_active = false",
        "UPDATE robots SET is_active = false",
        "UPDATE api_keys SET is_active = false",
        "UPDATE api_keys SET expires_at = now() - interval '1 second'",
        "UPDATE user_sessions SET expires_at = now() - interval '1 second'",
        "UPDATE user_sessions SET access_expires_at = least(access_expires_at, created_at)",
        "DELETE FROM user_sessions",
        "SELECT",
    ],
)
def test_ended_credentials_are_those_that_no_lookup_finds(
    change, browser, token, alice, make_key, make_robot, organization_a, tenant
):
    pair = token_pair_issue(alice, Actor())
    robot = make_robot(organization_a)
    tokens = [
        token,
        pair.access_token,
        pair.refresh_token,
        make_key(organization_a),
        make_key(organization_a, robot=robot),
        generate_key(),
    ]
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(change)
    uncache_session(browser)

    expected = {hash_token(each) for each in tokens if not _found_one_by_one(each)}
    assert revoked_credentials([hash_token(each) for each in tokens]) == expected
    assert hash_token(pair.refresh_token) in expected
