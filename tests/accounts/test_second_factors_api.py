"""The second factor in the API, with the same services and rules as on its page."""

from __future__ import annotations

import time

import pyotp
import pytest
from django.test import Client

from apps.accounts.models import SecondFactor, UserSession
from apps.accounts.services import second_factors
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from apps.organizations.services.organizations import organization_update
from tests.conftest import PASSWORD
from urfmp.common.security import recent_auth

pytestmark = pytest.mark.django_db

BASE = "/api/v1/auth/second-factor"
CHANGES = ("", "/confirm", "/recovery-codes", "/remove")
SHORT = "mu7-Tok!"


class Clock:
    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(second_factors.time, "time", clock.time)
    monkeypatch.setattr(recent_auth.time, "time", clock.time)
    return clock


def post(client, path, body=None):
    return client.post(f"{BASE}{path}", body or {}, content_type="application/json")


def login(user, **body):
    body = {"email": user.email, "password": PASSWORD, **body}
    return Client().post("/api/v1/auth/login", body, content_type="application/json")


def bearer(tokens):
    return Client(headers={"authorization": f"Bearer {tokens['access_token']}"})


def code_of(seed, clock):
    return pyotp.TOTP(seed).at(int(clock.now))


@pytest.fixture
def client(bob, clock):
    """A client with an API session of Bob, who is a viewer."""
    return bearer(login(bob).json())


@pytest.fixture
def enrolled(client, clock):
    """Bob's client after the second factor is set up, its secret and recovery codes."""
    seed = post(client, "").json()["seed"]
    done = post(client, "/confirm", {"otp": code_of(seed, clock)}).json()
    clock.now += 30
    return bearer(done["tokens"]), seed, done["recovery_codes"]


def test_api_session_sets_up_second_factor(client, bob, clock, organization_a, tenant):
    none = {
        "is_in_use": False, "is_required": False, "confirmed_at": None, "recovery_codes_left": 0
    }  # fmt: skip
    assert client.get(BASE).json() == none
    elsewhere = bearer(login(bob).json())
    begun = post(client, "")
    assert (begun.status_code, begun["Cache-Control"]) == (201, "no-store")
    seed, address = begun.json()["seed"], begun.json()["otpauth_uri"]
    assert pyotp.parse_uri(address).secret == seed
    assert client.get(BASE).json() == none
    assert login(bob).status_code == 200  # not required before it is confirmed

    wrong = post(client, "/confirm", {"otp": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "second_factor_refused")
    assert wrong["WWW-Authenticate"] == 'Bearer realm="urfmp"'
    done = post(client, "/confirm", {"otp": code_of(seed, clock)})
    assert (done.status_code, done["Cache-Control"]) == (200, "no-store")
    codes = done.json()["recovery_codes"]
    assert len(set(codes)) == 10
    for ended in (client, elsewhere):
        assert ended.get("/api/v1/robots").status_code == 401
    again = bearer(done.json()["tokens"])
    assert again.get("/api/v1/robots").status_code == 200
    shown = again.get(BASE)
    assert (shown.json()["is_in_use"], shown.json()["recovery_codes_left"]) == (True, 10)
    assert seed not in shown.content.decode()
    assert login(bob).json()["code"] == "second_factor_required"
    clock.now += 30
    assert login(bob, otp=code_of(seed, clock)).status_code == 200
    assert login(bob, recovery_code=codes[0]).status_code == 200
    with tenant(organization_a):
        entries = list(AuditLog.objects.values())
    actions = {entry["action"] for entry in entries}
    assert {"accounts.second_factor.begin", "accounts.second_factor.create"} <= actions
    for secret in (seed, *codes):
        assert secret not in str(entries)


def test_browser_session_receives_new_cookie(bob, client_for, clock, organization_a, tenant):
    browser = client_for(bob)
    before = browser.cookies["urfmp_session"].value
    seed = post(browser, "").json()["seed"]
    done = post(browser, "/confirm", {"otp": code_of(seed, clock)})
    assert (done.status_code, done.json()["tokens"]) == (200, None)
    assert browser.cookies["urfmp_session"].value != before
    assert browser.get("/api/v1/robots").status_code == 200
    assert post(browser, "/recovery-codes").json()["tokens"] is None
    assert browser.get("/api/v1/robots").status_code == 200
    removed = post(browser, "/remove", {"password": PASSWORD})
    assert (removed.status_code, removed.json()) == (200, {"tokens": None})
    assert browser.get("/admin/").status_code == 200
    with tenant(organization_a):
        assert UserSession.objects.filter(user_id=bob.pk).count() == 1


def test_recovery_codes_are_replaced(enrolled, bob):
    client, _, codes = enrolled
    done = post(client, "/recovery-codes")
    assert done.status_code == 200
    fresh = done.json()["recovery_codes"]
    assert not set(fresh) & set(codes)
    assert client.get(BASE).status_code == 401
    assert bearer(done.json()["tokens"]).get(BASE).json()["recovery_codes_left"] == 10
    assert login(bob, recovery_code=codes[0]).status_code == 401
    assert login(bob, recovery_code=fresh[0]).status_code == 200


def test_remove_requires_password(enrolled, bob):
    client, _, _ = enrolled
    wrong = post(client, "/remove", {"password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "step_up_refused")
    done = post(client, "/remove", {"password": PASSWORD})
    assert done.status_code == 200
    assert client.get(BASE).status_code == 401
    assert bearer(done.json()["tokens"]).get(BASE).json()["is_in_use"] is False
    assert login(bob).status_code == 200


def test_remove_with_short_password_gets_409(enrolled, bob, organization_a, tenant):
    _, _, codes = enrolled
    with tenant(organization_a):
        user_update(bob, password=SHORT)
    client = bearer(login(bob, password=SHORT, recovery_code=codes[0]).json())
    rejected = post(client, "/remove", {"password": SHORT})
    assert (rejected.status_code, rejected.json()["code"]) == (409, "password_too_short")
    assert client.get(BASE).json()["is_in_use"] is True


def test_action_in_wrong_state_gets_409(client, clock):
    for path, body in (
        ("/confirm", {"otp": "123456"}),
        ("/recovery-codes", {}),
        ("/remove", {"password": PASSWORD}),
    ):
        answer = post(client, path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "second_factor_state"), path
    seed = post(client, "").json()["seed"]
    newer = post(client, "").json()["seed"]
    assert seed != newer
    assert post(client, "/confirm", {"otp": code_of(seed, clock)}).status_code == 401
    # An unconfirmed second factor cannot be removed, so that no session is revoked.
    assert post(client, "/remove", {"password": PASSWORD}).status_code == 409
    done = post(client, "/confirm", {"otp": code_of(newer, clock)})
    client = bearer(done.json()["tokens"])
    assert post(client, "").status_code == 409


def test_changes_require_step_up(client, clock, organization_a, tenant):
    clock.now += 15 * 60
    for path in CHANGES:
        answer = post(client, path, {"otp": "123456", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required"), path
    with tenant(organization_a):
        assert not SecondFactor.objects.exists()
    client.post("/api/v1/auth/step-up", {"password": PASSWORD}, content_type="application/json")
    assert post(client, "").status_code == 201


def test_eleventh_wrong_code_gets_429(client, clock):
    seed = post(client, "").json()["seed"]
    answers = [post(client, "/confirm", {"otp": "000000"}).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
    rejected = post(client, "/confirm", {"otp": code_of(seed, clock)})
    assert rejected.status_code == 429
    assert rejected["Retry-After"]


def test_required_second_factor_can_be_set_up(bob, organization_a, tenant, clock):
    with tenant(organization_a):
        organization_update(organization_a, settings={"second_factor_required": True})
    client = bearer(login(bob).json())
    rejected = client.get("/api/v1/robots")
    assert rejected.json()["code"] == "second_factor_setup_required"
    assert client.get(BASE).json()["is_required"] is True
    clock.now += 15 * 60
    step_up = client.post(
        "/api/v1/auth/step-up", {"password": PASSWORD}, content_type="application/json"
    )
    assert step_up.status_code == 204
    seed = post(client, "").json()["seed"]
    done = post(client, "/confirm", {"otp": code_of(seed, clock)})
    assert bearer(done.json()["tokens"]).get("/api/v1/robots").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "technician", "operator", "manager", "admin", "custom"])
def test_every_role_can_begin(role, make_user, organization_a, clock):
    assert post(bearer(login(make_user(organization_a, role)).json()), "").status_code == 201


def test_super_admin_second_factor_is_stored_in_home_organization(
    root, organization_a, clock, tenant
):
    client = bearer(login(root).json())
    body = {"organization": str(organization_a.pk)}
    chosen = client.post("/api/v1/auth/choose-organization", body, content_type="application/json")
    assert chosen.status_code < 300, chosen.content
    seed = post(client, "").json()["seed"]
    assert post(client, "/confirm", {"otp": code_of(seed, clock)}).status_code == 200
    with tenant(root.organization_of_test):
        assert root.has_second_factor
    with tenant(organization_a):
        assert not SecondFactor.objects.exists()


def test_api_keys_get_403_and_anonymous_gets_401(organization_a, make_key, make_robot):
    keys = (
        make_key(organization_a, ["users:read", "users:write"]),
        make_key(organization_a, robot=make_robot(organization_a)),
    )
    for headers, status in (*(({"x-api-key": key}, 403) for key in keys), ({}, 401)):
        client = Client(headers=headers)
        assert client.get(BASE).status_code == status
        for path in CHANGES:
            assert post(client, path).status_code == status, path


def test_unknown_fields_and_parameters_get_400(client):
    answer = post(client, "/confirm", {"otp": "123456", "user": "x"})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"user"})
    assert client.get(f"{BASE}?x=1").status_code == 400
