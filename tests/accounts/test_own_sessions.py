"""The user's own sessions, in the API and on their page."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from apps.accounts.models import UserSession
from apps.accounts.models.device_names import device_name
from apps.audit.models import AuditLog

PAGE = "/admin/own-sessions/"
API = "/api/v1/auth/sessions"


def ids(client):
    return {row["id"]: row["is_current"] for row in client.get(API).json()["results"]}


@pytest.fixture
def here(bob, client_for):
    return client_for(bob)


@pytest.fixture
def elsewhere(bob, client_for):
    return client_for(bob)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        (("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
         " Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0"), "Edge on Windows"),
        (("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
         " (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"), "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)  # fmt: skip
def test_device_name_of_user_agent(header, expected):
    assert device_name(header) == expected


def test_list_contains_own_sessions_and_marks_current(here, elsewhere, alice, client_for):
    client_for(alice)
    assert sorted(ids(here).values()) == [False, True]
    assert ids(here).keys() == ids(elsewhere).keys()
    assert ids(here) != ids(elsewhere)


def test_delete_revokes_session(here, elsewhere):
    (other,) = [pk for pk, is_current in ids(here).items() if not is_current]
    assert here.delete(f"{API}/{other}").status_code == 204
    assert elsewhere.get(API).status_code == 401
    assert len(ids(here)) == 1


def test_end_others_keeps_current_and_writes_audit_rows(
    here, elsewhere, bob, client_for, organization_a, tenant
):
    third = client_for(bob)
    assert here.post(f"{API}/end-others").json() == {"ended": 2}
    assert [client.get(API).status_code for client in (here, elsewhere, third)] == [200, 401, 401]
    with tenant(organization_a):
        rows = AuditLog.objects.filter(action="accounts.session.end_others")
        assert {row.user_id for row in rows} == {bob.pk}
        assert rows.count() == 2


@pytest.mark.parametrize("owner", ["colleague", "other organization", "missing"])
def test_sessions_of_other_users_get_404(
    owner, here, alice, charlie, client_for, organization_a, organization_b, tenant
):
    organization, user = {
        "colleague": (organization_a, alice),
        "other organization": (organization_b, charlie),
        "missing": (organization_a, None),
    }[owner]
    pk = uuid.uuid4()
    if user:
        other = client_for(user)
        with tenant(organization):
            pk = UserSession.objects.get(user=user).pk
    assert here.delete(f"{API}/{pk}").status_code == 404
    assert here.get(PAGE, {"end": pk}).status_code == 404
    assert here.post(PAGE, {"end": pk}).status_code == 404
    if user:
        assert other.get(API).status_code == 200


def test_api_key_gets_403(organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["users:read", "users:write"])})
    assert client.get(API).status_code == 403
    assert client.delete(f"{API}/{uuid.uuid4()}").status_code == 403
    assert client.post(f"{API}/end-others").status_code == 403


def test_anonymous_request_gets_401(db):
    assert Client().delete(f"{API}/{uuid.uuid4()}").status_code == 401
    assert Client().post(f"{API}/end-others").status_code == 401


def test_browser_without_csrf_token_gets_403(bob, client_for):
    client = client_for(bob, enforce_csrf_checks=True)
    assert client.post(f"{API}/end-others").status_code == 403
    assert client.post(PAGE, {"end": "others"}).status_code == 403


def test_page_lists_devices_and_confirms_before_revoking(here, elsewhere):
    (other,) = [pk for pk, is_current in ids(here).items() if not is_current]
    text = here.get(PAGE).content.decode()
    assert text.count("This device") == 1
    assert f"?end={other}" in text
    assert "127.0.0.1" in text

    confirmation = here.get(PAGE, {"end": other})
    assert f'name="end" value="{other}"' in confirmation.content.decode()
    assert elsewhere.get(API).status_code == 200  # the confirmation page revokes nothing

    assert here.post(PAGE, {"end": other})["Location"] == PAGE
    assert elsewhere.get(API).status_code == 401


def test_page_revokes_other_sessions(here, elsewhere):
    assert "Sign out of all other devices?" in here.get(PAGE, {"end": "others"}).content.decode()
    answer = here.post(PAGE, {"end": "others"}, follow=True)
    assert "Signed out on 1 other device." in answer.content.decode()
    assert elsewhere.get(API).status_code == 401


def test_page_cannot_revoke_current_session(here):
    (own,) = ids(here)
    assert here.post(PAGE, {"end": own}).status_code == 404
    assert here.get(PAGE).status_code == 200
