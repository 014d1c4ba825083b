"""Dangerous operations need an authentication within the last 15 minutes."""

from __future__ import annotations

import time

import pyotp
import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from apps.accounts.exceptions import WrongPasswordError
from apps.accounts.models import ApiKey, User, UserSession
from apps.accounts.services.passwords import password_verify_without_second_factor
from apps.accounts.services.second_factors import (
    second_factor_begin,
    second_factor_confirm,
    totp_setup_display,
)
from apps.accounts.services.session_store import SessionStore
from apps.accounts.services.step_up import step_up
from apps.audit.models import AuditLog
from tests.conftest import PASSWORD
from urfmp.common.security import authentication_time, recent_auth
from urfmp.common.security.password_validators import MAX_LENGTH
from urfmp.common.security.recent_auth import StepUpRequiredError, require_recent_auth
from urfmp.pages import step_up as step_up_page

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"
KEY = {"name": "Gateway", "permissions": ["telemetry:write"]}


class Clock:
    offset = 0.0

    def time(self):
        return time.time() + self.offset


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (authentication_time, recent_auth, step_up_page):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stale(alice, client_for, clock):
    """Alice's browser, in which she signed in 15 minutes ago."""
    client = client_for(alice)
    clock.offset = 15 * 60
    return client


@pytest.fixture
def token(alice, api_post):
    return api_post("auth/login", {"email": ALICE, "password": PASSWORD}).json()["access_token"]


def post(client, path, body):
    return client.post(f"/api/v1/{path}", body, content_type="application/json")


def patch(client, path, body):
    return client.patch(f"/api/v1/{path}", body, content_type="application/json")


def keys(tenant, organization):
    with tenant(organization):
        return set(ApiKey.objects.values_list("name", flat=True))


def test_recent_login_is_sufficient(alice, client_for, clock):
    client = client_for(alice)
    clock.offset = 14 * 60 + 50
    assert post(client, "api-keys", KEY).status_code == 201


def test_page_prompts_and_keeps_form(stale, tenant, organization_a):
    form = {"name": "Gateway", "permissions": ["telemetry:write", "robots:read"]}
    asked = stale.post("/admin/accounts/apikey/add/", form)
    assert asked.status_code == 403
    assert "no-store" in asked["Cache-Control"]
    kept = asked.context["kept"]
    text = asked.content.decode()
    assert f'name="_step_up_kept" value="{kept}"' in text
    assert "Gateway" not in text  # a form may contain secrets
    assert keys(tenant, organization_a) == set()

    again = {"_step_up": "POST", "_step_up_kept": kept, "_step_up_password": PASSWORD}
    done = stale.post("/admin/accounts/apikey/add/", again)
    assert done.status_code == 200
    assert "urfmp_live_" in done.content.decode()
    with tenant(organization_a):
        assert sorted(ApiKey.objects.get().permissions) == ["robots:read", "telemetry:write"]
    assert stale.post("/admin/accounts/apikey/add/", {**form, "name": "Second"}).status_code == 200
    assert keys(tenant, organization_a) == {"Gateway", "Second"}


def test_invalid_form_is_reported_before_prompt(stale):
    answer = stale.post("/admin/accounts/apikey/add/", {"name": ""})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors


def test_wrong_password_prompts_again(stale, tenant, organization_a):
    form = {**KEY, "_step_up": "POST", "_step_up_password": "wrong"}
    answer = stale.post("/admin/accounts/apikey/add/", form)
    assert answer.status_code == 403
    assert "Wrong password." in answer.content.decode()
    kept = answer.context["kept"]
    again = {"_step_up": "POST", "_step_up_kept": kept, "_step_up_password": "also wrong"}
    answer = stale.post("/admin/accounts/apikey/add/", again)
    assert "Your input is kept." in answer.content.decode()
    assert keys(tenant, organization_a) == set()
    with tenant(organization_a):
        rows = AuditLog.objects.filter(action="accounts.session.login", success=False)
        assert [row.error_message for row in rows] == ["Wrong password at a step-up."] * 2
    again |= {"_step_up_kept": answer.context["kept"], "_step_up_password": PASSWORD}
    assert "urfmp_live_" in stale.post("/admin/accounts/apikey/add/", again).content.decode()
    assert keys(tenant, organization_a) == {"Gateway"}


def test_kept_form_without_prompt_is_ignored(stale, tenant, organization_a):
    form = {**KEY, "_step_up_kept": "v1.1.AAAA"}
    answer = stale.post("/admin/accounts/apikey/add/", form)
    assert answer.status_code == 403
    assert "Your input is kept." in answer.content.decode()
    anonymous = Client().post("/admin/accounts/apikey/add/", {**form, "_step_up": "POST"})
    assert anonymous.status_code == 403


@pytest.mark.parametrize("fault", ["late", "changed", "other address", "other user"])
def test_kept_form_is_of_one_user_address_and_quarter_of_an_hour(
    fault, stale, make_user, client_for, clock, tenant, organization_a
):
    path = "/admin/accounts/apikey/add/"
    kept = stale.post(path, KEY).context["kept"]
    client = stale
    if fault == "late":
        clock.offset += 15 * 60 + 1
    elif fault == "changed":
        kept = kept[:-2] + ("AA" if kept[-2:] != "AA" else "BB")
    elif fault == "other address":
        path += "?x=1"
    else:
        client = client_for(make_user(organization_a, "admin"))
        clock.offset += 15 * 60
    form = {"_step_up": "POST", "_step_up_kept": kept, "_step_up_password": PASSWORD}
    answer = client.post(path, form, follow=True)
    assert answer.redirect_chain == [(path, 302)]
    assert "Enter it again." in answer.content.decode()
    assert keys(tenant, organization_a) == set()


def test_eleventh_wrong_password_gets_429(stale, tenant, organization_a):
    def attempt(password):
        form = {**KEY, "_step_up": "POST", "_step_up_password": password}
        return stale.post("/admin/accounts/apikey/add/", form)

    assert [attempt("wrong").status_code for _ in range(10)] == [403] * 10
    refused = attempt(PASSWORD)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert keys(tenant, organization_a) == set()


def test_step_up_replaces_token_and_keeps_expiry(stale, tenant, organization_a):
    with tenant(organization_a):
        before = UserSession.objects.get()
    old = stale.cookies["urfmp_session"].value
    form = {**KEY, "_step_up": "POST", "_step_up_password": PASSWORD}
    stale.post("/admin/accounts/apikey/add/", form)
    with tenant(organization_a):
        after = UserSession.objects.get()
    assert stale.cookies["urfmp_session"].value != old
    assert (after.pk, after.expires_at) == (before.pk, before.expires_at)
    assert after.session_token != before.session_token
    copied = Client()
    copied.cookies["urfmp_session"] = old
    assert copied.get("/admin/").status_code == 302
    assert stale.get("/admin/").status_code == 200


def test_dangerous_pages_and_actions_prompt(stale, bob, tenant, organization_a, make_key):
    make_key(organization_a)
    with tenant(organization_a):
        key = ApiKey.objects.get()
    user = f"/admin/accounts/user/{bob.pk}"
    whole = {"email": bob.email, "first_name": "Bob", "role": "admin", "is_active": "on"}
    for path, form in (
        (f"{user}/change/", whole),
        ("/admin/accounts/user/add/", {"email": "new@acme.example", "role": "viewer"}),
        (f"{user}/act/password-link/", {}),
        (f"/admin/accounts/apikey/{key.pk}/act/rotate/", {"_confirm": "1", "overlap_hours": "1"}),
        (
            "/admin/accounts/user/",
            {"action": "password-link", "_selected_action": [str(bob.pk)], "index": "0"},
        ),
        ("/admin/second-factor/", {"do": "begin"}),
    ):
        answer = stale.post(path, form)
        assert (answer.status_code, answer.context["title"]) == (403, "Confirm access"), path
    assert stale.get("/admin/audit/auditlog/export/csv/").status_code == 403
    with tenant(organization_a):
        assert User.objects.get(pk=bob.pk).role == "viewer"
        assert User.objects.count() == 3  # with the system's


def test_reads_and_own_sessions_do_not_prompt(stale, alice, bob, client_for, tenant):
    elsewhere = client_for(alice)
    assert stale.get(f"/admin/accounts/user/{bob.pk}/change/").status_code == 200
    assert stale.get("/admin/accounts/apikey/add/").status_code == 200
    assert post(stale, "auth/sessions/end-others", {}).json() == {"ended": 1}
    assert elsewhere.get("/admin/").status_code == 302


def test_ending_sessions_and_revoking_keys_of_others_prompts(
    stale, bob, client_for, make_key, tenant, organization_a
):
    elsewhere = client_for(bob)
    make_key(organization_a)
    with tenant(organization_a):
        session, key = UserSession.objects.get(user=bob), ApiKey.objects.get()
    for path in (
        f"/admin/accounts/usersession/{session.pk}/act/end/",
        f"/admin/accounts/apikey/{key.pk}/act/revoke/",
    ):
        answer = stale.post(path)
        assert (answer.status_code, answer.context["title"]) == (403, "Confirm access")
    for path in (f"sessions/{session.pk}", f"api-keys/{key.pk}"):
        answer = stale.delete(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert elsewhere.get("/admin/").status_code == 200
    with tenant(organization_a):
        assert ApiKey.objects.get().is_active


def test_get_request_is_redirected_after_step_up(stale):
    path = "/admin/audit/auditlog/export/csv/?action=x"
    form = {"_step_up": "GET", "_step_up_password": PASSWORD}
    answer = stale.post(path, form)
    assert (answer.status_code, answer["Location"]) == (302, path)
    file = stale.get(path)
    assert file.status_code == 200
    assert file.getvalue()  # the export's transaction ends with its file


def test_user_without_permission_is_not_prompted(bob, client_for, clock):
    client = client_for(bob)
    clock.offset = 3600
    answer = client.post("/admin/accounts/apikey/add/", KEY)
    assert answer.status_code == 403
    assert not getattr(answer, "context", None) or "kept" not in answer.context


@pytest.mark.parametrize(
    "request_of",
    [
        lambda c, bob: post(c, "api-keys", KEY),
        lambda c, bob: post(c, "users", {"email": "new@acme.example", "role": "viewer"}),
        lambda c, bob: patch(c, f"users/{bob.pk}", {"role": "operator"}),
        lambda c, bob: c.post(f"/api/v1/users/{bob.pk}/password-link"),
        lambda c, bob: c.delete(f"/api/v1/users/{bob.pk}/second-factor"),
        lambda c, bob: c.get("/api/v1/audit-logs/export"),
    ],
)
def test_api_requires_step_up(request_of, token, bob, clock):
    bearer = Client(headers={"authorization": f"Bearer {token}"})
    clock.offset = 15 * 60
    asked = request_of(bearer, bob)
    assert (asked.status_code, asked.json()["code"]) == (403, "step_up_required")
    wrong = post(bearer, "auth/step-up", {"password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "step_up_refused")
    assert request_of(bearer, bob).status_code == 403
    assert post(bearer, "auth/step-up", {"password": PASSWORD}).status_code == 204
    done = request_of(bearer, bob)
    assert done.status_code != 403
    assert not done.streaming or done.getvalue()


def test_token_refresh_is_not_step_up(alice, api_post, clock):
    pair = api_post("auth/login", {"email": ALICE, "password": PASSWORD}).json()
    clock.offset = 15 * 60
    fresh = api_post("auth/refresh", {"refresh_token": pair["refresh_token"]}).json()
    bearer = Client(headers={"authorization": f"Bearer {fresh['access_token']}"})
    assert post(bearer, "api-keys", KEY).json()["code"] == "step_up_required"


def test_api_failure_writes_audit_row(token, tenant, organization_a):
    bearer = Client(headers={"authorization": f"Bearer {token}"})
    for _ in range(10):
        post(bearer, "auth/step-up", {"password": "wrong"})
    refused = post(bearer, "auth/step-up", {"password": PASSWORD})
    assert refused.status_code == 429
    assert refused["Retry-After"]
    with tenant(organization_a):
        rows = AuditLog.objects.filter(action="accounts.session.login", success=False)
        assert rows.count() == 11


def test_browser_session_steps_up_through_api(stale):
    assert post(stale, "auth/step-up", {"password": PASSWORD}).status_code == 204
    assert post(stale, "api-keys", KEY).status_code == 201


def test_api_keys_do_not_need_step_up(organization_a, make_key, clock):
    key = Client(headers={"x-api-key": make_key(organization_a, ["users:write", "users:read"])})
    clock.offset = 10**6
    refused = post(key, "users", {"email": "new@acme.example", "role": "admin"})
    assert refused.json()["code"] != "step_up_required"
    assert post(key, "auth/step-up", {"password": PASSWORD}).status_code == 403


def test_anonymous_request_cannot_step_up(api_post):
    assert api_post("auth/step-up", {"password": PASSWORD}).status_code == 401


def test_second_factor_requires_code(alice, api_post, clock, tenant, organization_a):
    with tenant(organization_a):
        seed, _ = totp_setup_display(second_factor_begin(alice))
        totp = pyotp.TOTP(seed.replace(" ", ""))
        codes = second_factor_confirm(alice, totp.now())
    pair = api_post(
        "auth/login", {"email": ALICE, "password": PASSWORD, "recovery_code": codes[0]}
    ).json()
    bearer = Client(headers={"authorization": f"Bearer {pair['access_token']}"})
    browser = Client()
    browser.post("/admin/login/", {"email": ALICE, "password": PASSWORD})
    browser.post("/admin/sign-in-code/", {"code": codes[3]})
    clock.offset = 15 * 60

    asked = post(bearer, "auth/step-up", {"password": PASSWORD})
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    wrong = post(bearer, "auth/step-up", {"password": PASSWORD, "otp": "000000"})
    assert wrong.json()["code"] == "second_factor_refused"
    body = {"password": PASSWORD, "recovery_code": codes[1]}
    assert post(bearer, "auth/step-up", body).status_code == 204

    page = browser.post("/admin/accounts/apikey/add/", KEY)
    assert "code" in page.context["form"].fields
    form = {**KEY, "_step_up": "POST", "_step_up_password": PASSWORD, "_step_up_code": codes[2]}
    assert "urfmp_live_" in browser.post("/admin/accounts/apikey/add/", form).content.decode()


def test_password_change_does_not_bypass_code(alice, client_for, clock, tenant, organization_a):
    client = client_for(alice)
    client.post("/admin/second-factor/", {"do": "begin"})
    seed = client.get("/admin/second-factor/").context["secret"].replace(" ", "")
    done = {"do": "confirm", "code": pyotp.TOTP(seed).now()}
    assert client.post("/admin/second-factor/", done).context["codes"]
    clock.offset = 15 * 60
    new = "seven quiet green herons"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert post(client, "api-keys", KEY).json()["code"] == "step_up_required"
    assert client.get("/admin/").status_code == 200
    assert keys(tenant, organization_a) == set()


def test_pending_second_factor_is_not_step_up(alice, client_for, clock, tenant, organization_a):
    client = client_for(alice)
    client.post("/admin/second-factor/", {"do": "begin"})
    seed = client.get("/admin/second-factor/").context["secret"].replace(" ", "")
    clock.offset = 15 * 60
    page = client.get("/admin/second-factor/")
    assert (page.status_code, page.context["secret"], page.context["qr_code"]) == (200, "", "")
    client.post("/admin/second-factor/", {"do": "confirm", "code": pyotp.TOTP(seed).now()})
    with tenant(organization_a):
        assert not alice.has_second_factor
    assert post(client, "api-keys", KEY).json()["code"] == "step_up_required"


def test_super_admin_steps_up_in_switched_organization(
    root, organization_a, client_for, clock, tenant
):
    home = root.organization_of_test
    with tenant(home):
        seed, _ = totp_setup_display(second_factor_begin(root))
        codes = second_factor_confirm(root, pyotp.TOTP(seed.replace(" ", "")).now())
    client = Client()
    client.post("/admin/login/", {"email": root.email, "password": PASSWORD})
    client.post("/admin/sign-in-code/", {"code": codes[0]})
    client.post(f"/admin/organizations/platformorganization/{organization_a.pk}/act/enter/")
    clock.offset = 15 * 60
    form = {"email": "new@acme.example", "role": "viewer"}
    asked = client.post("/admin/accounts/user/add/", form)
    assert "code" in asked.context["form"].fields
    form |= {"_step_up": "POST", "_step_up_password": PASSWORD, "_step_up_code": codes[1]}
    assert client.post("/admin/accounts/user/add/", form).status_code == 302
    with tenant(organization_a):
        assert User.objects.filter(email="new@acme.example").exists()
    assert "Two-step verification is on" in client.get("/admin/second-factor/").content.decode()


def test_prompt_writes_audit_row(stale, tenant, organization_a):
    stale.post("/admin/accounts/apikey/add/", KEY)
    with tenant(organization_a):
        row = AuditLog.objects.get(action="accounts.access.deny")
    assert row.error_message == "step_up_required"


def test_writes_audit_row(stale, alice, tenant, organization_a):
    post(stale, "auth/step-up", {"password": PASSWORD})
    with tenant(organization_a):
        row = AuditLog.objects.get(action="accounts.session.step_up", resource_type="user")
    assert (row.user_id, row.success) == (alice.pk, True)


def test_anonymous_user_is_not_recent(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    with pytest.raises(StepUpRequiredError):
        require_recent_auth(request)


def test_password_beyond_max_length_is_not_hashed(alice, actor, organization_a, tenant):
    """However long what is sent: hashing it is not worth the time."""
    long = "x" * (MAX_LENGTH + 1)
    with tenant(organization_a):
        alice.set_password(long)
        with pytest.raises(WrongPasswordError):
            step_up(alice, actor, session=SessionStore(), password=long)
        with pytest.raises(WrongPasswordError):
            password_verify_without_second_factor(alice, actor, long)
        alice.set_password(long[:-1])
        password_verify_without_second_factor(alice, actor, long[:-1])
