from __future__ import annotations

import json
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.models import UserSession
from apps.accounts.selectors.api_tokens import (
    derive_successor_tokens,
    generate_access_token,
    generate_refresh_token,
    is_well_formed_token,
)
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.security.bearer_secrets import hash_token

ROBOTS = "/api/v1/robots"


def post(path, body=None, **headers):
    return Client(headers={"user-agent": "fleet-cli/2", **headers}).post(
        f"/api/v1/auth/{path}", json.dumps(body or {}), content_type="application/json"
    )


def login(email="bob@acme.example", password=PASSWORD, **headers):
    return post("login", {"email": email, "password": password}, **headers)


def refresh(pair):
    return post("refresh", {"refresh_token": pair["refresh_token"]})


def get(token, path=ROBOTS):
    return Client(headers={"authorization": f"Bearer {token}"}).get(path)


def works(pair):
    return get(pair["access_token"]).status_code == 200


def rows(organization, tenant):
    with tenant(organization):
        return list(UserSession.objects.order_by("created_at"))


def change(organization, tenant, pair, **values):
    with tenant(organization):
        changed = UserSession.objects.filter(refresh_token=hash_token(pair["refresh_token"]))
        assert changed.update(**values) == 1


@pytest.fixture
def pair(bob):
    return login().json()


def test_login_issues_token_pair(pair, bob, organization_a, tenant):
    assert pair["token_type"] == "Bearer"
    assert pair["expires_in"] == 15 * 60
    assert pair["refresh_expires_in"] == 24 * 60 * 60
    assert works(pair)
    (row,) = rows(organization_a, tenant)
    assert row.session_token == hash_token(pair["access_token"])
    assert row.refresh_token == hash_token(pair["refresh_token"])
    assert (row.family_id, row.kind, row.device) == (row.pk, "api", "fleet-cli")
    with tenant(organization_a):
        record = AuditLog.objects.get(action="accounts.session.login", resource_type="user")
        assert (record.user_id, record.success) == (bob.pk, True)


def test_login_response_is_not_cached(bob):
    answer = login()
    assert answer["Cache-Control"] == "no-store"
    assert settings.SESSION_COOKIE_NAME not in answer.cookies


def test_failed_login_does_not_reveal_account(bob, organization_a, tenant):
    wrong, unknown = login(password="wrong"), login(email="nobody@acme.example")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert wrong.json()["code"] == "sign_in_refused"
    assert wrong["WWW-Authenticate"].startswith("Bearer")
    with tenant(organization_a):
        assert AuditLog.objects.get(action="accounts.session.login").success is False


@pytest.mark.parametrize(
    "body", [{}, {"email": "x", "password": "y"}, {"email": "a@b.example"}, {"remember": True}]
)
def test_login_with_invalid_body_gets_400(body, db):
    assert post("login", body).status_code == 400
    assert post("refresh", body).status_code == 400


def test_login_ignores_invalid_credentials(pair, alice, client_for, charlie):
    stale = {"authorization": f"Bearer {generate_access_token()}"}
    assert login(**stale).status_code == 200
    assert post("refresh", {"refresh_token": pair["refresh_token"]}, **stale).status_code == 200
    # Not even those of another organization's person.
    client = client_for(charlie)
    answer = client.post(
        "/api/v1/auth/login",
        {"email": "bob@acme.example", "password": PASSWORD},
        content_type="application/json",
    )
    assert answer.status_code == 200


def test_access_token_has_role_of_user(pair, alice, organization_a, tenant):
    robot = {"name": "R", "vendor": "kuka", "configuration": {"axes": 6}}
    assert get(pair["access_token"], "/api/v1/users").status_code == 403
    tokens = login("alice@acme.example").json()
    client = Client(
        enforce_csrf_checks=True, headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    assert client.post(ROBOTS, robot, content_type="application/json").status_code == 201
    with tenant(organization_a):
        record = AuditLog.objects.get(action="robots.robot.create")
        assert (record.user_id, record.api_key_id) == (alice.pk, None)


def test_access_token_works_in_x_api_key_header_and_for_telemetry(
    alice, organization_a, make_robot
):
    robot = make_robot(organization_a)
    token = login("alice@acme.example").json()["access_token"]
    client = Client(headers={"x-api-key": token})
    point = {
        "robot_id": str(robot.pk),
        "metric_name": "cycle.count",
        "time": timezone.now().isoformat(),
        "value": 1,
    }
    answer = client.post(
        "/api/v1/telemetry", json.dumps({"points": [point]}), content_type="application/json"
    )
    assert answer.json()["accepted"] == 1


def test_telemetry_rejects_users_without_permission_and_browsers(pair, alice, client_for):
    client = Client(headers={"authorization": f"Bearer {pair['access_token']}"})
    body = {"points": []}
    assert client.post("/api/v1/telemetry", body, "application/json").status_code == 403
    assert client_for(alice).post("/api/v1/telemetry", body, "application/json").status_code == 401


def test_other_organization_gets_404(pair, organization_b, make_robot):
    robot = make_robot(organization_b)
    assert get(pair["access_token"], f"{ROBOTS}/{robot.pk}").status_code == 404


def test_access_token_cannot_open_pages(pair):
    assert get(pair["access_token"], "/admin/").status_code == 302
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = pair["access_token"]
    assert browser.get("/admin/").status_code == 302
    assert browser.get(ROBOTS).status_code == 401


def test_access_and_refresh_token_are_not_interchangeable(pair):
    assert get(pair["refresh_token"]).status_code == 401
    assert post("refresh", {"refresh_token": pair["access_token"]}).status_code == 401
    assert works(pair)


def test_stored_digest_is_rejected_as_token(pair, bob, client_for, organization_a, tenant):
    client_for(bob)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(s)::text FROM user_sessions s")
        stored = {str(v) for (row,) in cursor for v in json.loads(row).values() if v}
    assert len(stored) > 10
    for value in stored:
        for start in ("", "urfmp_at_", "urfmp_rt_", "urfmp_live_"):
            assert get(start + value).status_code == 401
            assert post("refresh", {"refresh_token": (start + value)[:200]}).status_code == 401
        browser = Client()
        browser.cookies[settings.SESSION_COOKIE_NAME] = value.replace('"', "")
        assert browser.get(ROBOTS).status_code == 401


@pytest.mark.parametrize("tail", ["", "x", "x" * 49, "x" * 4000, "é" * 49, "0" * 48 + "\n"])
def test_malformed_token_runs_no_query(tail, db, django_assert_num_queries):
    client = Client(headers={"x-api-key": f"urfmp_at_{tail}".encode().decode("latin-1").strip()})
    with django_assert_num_queries(0):
        assert client.get(ROBOTS).status_code == 401
    with django_assert_num_queries(0):
        assert post("refresh", {"refresh_token": f"urfmp_rt_{tail}"}).status_code in {400, 401}


def test_access_token_expires_after_15_minutes(pair, organization_a, tenant):
    change(organization_a, tenant, pair, access_expires_at=timezone.now() + timedelta(minutes=1))
    assert works(pair)
    change(organization_a, tenant, pair, access_expires_at=timezone.now() - timedelta(minutes=1))
    assert not works(pair)
    assert refresh(pair).status_code == 200


def test_refresh_issues_pair_for_same_session(pair, organization_a, tenant):
    new = refresh(pair).json()
    assert works(new)
    assert not set(new.values()) & {pair["access_token"], pair["refresh_token"]}
    # Within a test's transaction both were made at the same time.
    root, child = sorted(rows(organization_a, tenant), key=lambda row: row.pk != row.family_id)
    assert (child.family_id, child.parent_id) == (root.pk, root.pk)
    assert child.expires_at == root.expires_at
    assert root.spent_at is not None
    assert child.spent_at is None


def test_session_expires_after_one_day_despite_refreshes(pair, organization_a, tenant):
    with tenant(organization_a):
        UserSession.objects.update(expires_at=timezone.now() + timedelta(minutes=4))
    new = refresh(pair).json()
    assert new["expires_in"] <= 4 * 60
    assert new["refresh_expires_in"] <= 4 * 60
    with tenant(organization_a):
        UserSession.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert refresh(new).status_code == 401


@pytest.mark.parametrize("seconds", [0, 9, 13, 60, 100, 119])
def test_retry_after_lost_response_gets_same_pair(seconds, pair, organization_a, tenant):
    lost = refresh(pair).json()
    then = timezone.now() - timedelta(seconds=seconds)
    change(organization_a, tenant, pair, spent_at=then)
    for _ in range(3):
        again = refresh(pair).json()
        assert {name: again[name] for name in ("access_token", "refresh_token")} == {
            name: lost[name] for name in ("access_token", "refresh_token")
        }
    assert works(again)
    stored = {row.refresh_token: row for row in rows(organization_a, tenant)}
    assert len(stored) == 2
    assert stored[hash_token(pair["refresh_token"])].spent_at == then  # the grace is not extended
    assert refresh(again).status_code == 200


def test_retry_without_use_of_successor_for_120_seconds_is_reuse(pair, organization_a, tenant):
    new = refresh(pair).json()
    change(organization_a, tenant, pair, spent_at=timezone.now() - timedelta(seconds=121))
    assert refresh(pair).status_code == 401
    assert not works(new)


def test_rotated_token_is_reuse_once_successor_is_rotated(pair):
    new = refresh(pair).json()
    newest = refresh(new).json()
    assert refresh(pair).status_code == 401  # even at once
    assert not works(newest)
    assert refresh(newest).status_code == 401


@pytest.mark.parametrize("use", ["api", "live"])
def test_rotated_token_is_reuse_10_seconds_after_use_of_successor(
    use, pair, organization_a, tenant
):
    new = refresh(pair).json()
    assert works(new) if use == "api" else watches(new)
    assert refresh(pair).json()["refresh_token"] == new["refresh_token"]  # still under way
    change(organization_a, tenant, new, used_at=timezone.now() - timedelta(seconds=11))
    assert refresh(pair).status_code == 401
    assert not works(new)


def test_first_use_is_recorded_once_and_not_audited(pair, organization_a, tenant):
    def audited():
        with tenant(organization_a):
            return AuditLog.objects.filter(resource_type="session").count()

    new = refresh(pair).json()
    before = audited()
    assert works(new)
    assert works(pair)  # the first pair of a session has no predecessor
    first = {row.pk: row.used_at for row in rows(organization_a, tenant)}
    assert [value is None for value in first.values()].count(True) == 1
    assert works(new)
    assert {row.pk: row.used_at for row in rows(organization_a, tenant)} == first
    assert audited() == before


def test_successor_derived_with_another_key_is_rejected_without_revocation(pair, settings):
    new = refresh(pair).json()
    with patch("apps.accounts.services.api_tokens.derive_successor_tokens", lambda *_: ("a", "b")):
        assert refresh(pair).status_code == 401
    assert works(new)


def test_successor_tokens_depend_on_token_row_and_key(settings):
    token, row = generate_refresh_token(), uuid4()
    access, refresh_token = derive_successor_tokens(token, row)
    assert derive_successor_tokens(token, row) == (access, refresh_token)
    assert access[9:] != refresh_token[9:]
    assert is_well_formed_token(access, "urfmp_at_")
    assert is_well_formed_token(refresh_token, "urfmp_rt_")
    others = [
        derive_successor_tokens(generate_refresh_token(), row),
        derive_successor_tokens(token, uuid4()),
    ]
    settings.SECRET_KEY = "another key"
    others.append(derive_successor_tokens(token, row))
    assert not {access, refresh_token} & {text for other in others for text in other}


def test_reuse_revokes_family_and_writes_audit_row(pair, bob, organization_a, tenant):
    new = refresh(pair).json()
    unrelated = login().json()
    change(organization_a, tenant, pair, spent_at=timezone.now() - timedelta(minutes=3))

    answer = refresh(pair)

    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_refused")
    assert not works(pair)
    assert not works(new)
    assert refresh(new).status_code == 401
    assert works(unrelated)
    with tenant(organization_a):
        record = AuditLog.objects.get(action="accounts.session.refresh_reuse", success=False)
        assert (record.user_id, record.resource_type) == (bob.pk, "session")


@pytest.mark.django_db(transaction=True)
def test_concurrent_refreshes_get_same_pair(pair, organization_a, tenant):
    for _ in range(3):
        answers = run_concurrently(*[lambda pair=pair: refresh(pair)] * 8)
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert len({answer.json()["access_token"] for answer in answers}) == 1
        pair = answers[0].json()
    stored = rows(organization_a, tenant)
    assert len(stored) == 4
    assert len({row.family_id for row in stored}) == 1


@pytest.mark.django_db(transaction=True)
def test_refresh_during_reuse_leaves_no_valid_token(pair, organization_a, tenant):
    """In either order, a revoked family has no valid token."""
    for _ in range(5):
        old = login().json()
        new = refresh(old).json()
        change(organization_a, tenant, old, spent_at=timezone.now() - timedelta(minutes=3))
        _, answer = run_concurrently(lambda old=old: refresh(old), lambda new=new: refresh(new))
        last = answer.json() if answer.status_code == 200 else new
        assert not works(last)
        assert refresh(last).status_code == 401


def test_logout_revokes_all_tokens_of_session(pair, organization_a, tenant):
    new, other = refresh(pair).json(), login().json()
    assert post("logout", authorization=f"Bearer {pair['access_token']}").status_code == 204
    assert [works(one) for one in (pair, new, other)] == [False, False, True]
    assert refresh(new).status_code == 401
    with tenant(organization_a):
        assert AuditLog.objects.filter(action="accounts.session.logout").exists()


def test_logout_of_browser_api_key_and_anonymous(bob, client_for, organization_a, make_key):
    browser = client_for(bob)
    assert browser.post("/api/v1/auth/logout").status_code == 204
    assert browser.get(ROBOTS).status_code == 401
    key = make_key(organization_a, ["robots:read"])
    assert post("logout", authorization=f"Bearer {key}").status_code == 403
    assert post("logout").status_code == 401


@pytest.mark.parametrize("changes", [{"password": "another long and good one"},
                                     {"is_active": False}])  # fmt: skip
def test_password_change_and_deactivation_revoke_tokens(changes, pair, bob, organization_a, tenant):
    with tenant(organization_a):
        user_update(bob, **changes)
    assert not works(pair)
    assert refresh(pair).status_code == 401


def test_tokens_issued_during_password_change_are_invalid(pair, bob, organization_a, tenant):
    with tenant(organization_a):
        bob.set_password("another long and good one")
        bob.save()
    assert not works(pair)
    assert refresh(pair).status_code == 401


def test_session_is_listed_once_and_can_be_revoked(pair, bob, client_for):
    refresh(pair)
    browser = client_for(bob)
    listed = browser.get("/api/v1/auth/sessions").json()["results"]
    assert sorted((row["kind"], row["is_current"]) for row in listed) == [
        ("api", False),
        ("browser", True),
    ]
    own = get(pair["access_token"], "/api/v1/auth/sessions").json()["results"]
    assert {row["kind"]: row["is_current"] for row in own} == {"api": True, "browser": False}
    assert "fleet-cli" in browser.get("/admin/own-sessions/").content.decode()

    (api,) = [row["id"] for row in listed if row["kind"] == "api"]
    assert browser.delete(f"/api/v1/auth/sessions/{api}").status_code == 204
    assert not works(pair)


def test_access_token_revokes_other_sessions(pair, bob, client_for):
    browser, other = client_for(bob), login().json()
    answer = post("sessions/end-others", authorization=f"Bearer {pair['access_token']}")
    assert answer.json() == {"ended": 2}
    assert browser.get(ROBOTS).status_code == 401
    assert not works(other)
    assert works(pair)


def watches(pair):
    from urfmp.live.authentication import PresentedCredential, authenticate

    return authenticate(PresentedCredential(pair["access_token"]), ())


@pytest.mark.parametrize("use", [works, watches])
def test_token_activity_is_recorded_once_per_minute(pair, organization_a, tenant, use):
    def last():
        (row,) = rows(organization_a, tenant)
        return row.last_activity_at

    first = last()
    assert use(pair)
    assert last() == first
    change(organization_a, tenant, pair, last_activity_at=first - timedelta(minutes=2))
    assert use(pair)
    assert last() >= first


def test_live_stream_accepts_access_token(pair, organization_a, make_robot):
    from urfmp.live.authentication import PresentedCredential, authenticate
    from urfmp.live.http.errors import HttpError
    from urfmp.live.selectors import revoked_credentials

    token = pair["access_token"]
    found = authenticate(PresentedCredential(token), ())
    assert found.organization_id == organization_a.pk
    assert found.expires_at is not None
    assert revoked_credentials([hash_token(token)]) == set()
    post("logout", authorization=f"Bearer {token}")
    assert revoked_credentials([hash_token(token)]) == {hash_token(token)}
    for gone in (token, generate_access_token(), generate_refresh_token()):
        with pytest.raises(HttpError):
            authenticate(PresentedCredential(gone), ())


def test_tables_contain_no_token(pair, organization_a, tenant):
    refresh(pair)
    with tenant(organization_a), connection.cursor() as cursor:
        for table in ("user_sessions", "audit_logs"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            text = cursor.fetchone()[0]
            assert pair["access_token"] not in text
            assert pair["refresh_token"] not in text
