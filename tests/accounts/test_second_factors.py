"""A second factor: set up, signing in with it, and what its codes are worth."""

from __future__ import annotations

import time
from io import StringIO

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from apps.accounts.auth.login import verify_code
from apps.accounts.exceptions import InvalidSecondFactorError, SecondFactorStateError
from apps.accounts.models import SecondFactor, UserSession
from apps.accounts.services import second_factors
from apps.accounts.services.second_factors import (
    second_factor_begin,
    second_factor_confirm,
    second_factor_get,
    second_factor_remove,
    second_factor_verify,
    totp_setup_display,
)
from apps.audit.models import AuditLog
from apps.organizations.services.platform import organization_deactivate, organization_reactivate
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.security.field_encryption import DecryptionError
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.live.authentication import PresentedCredential, authenticate
from urfmp.live.http.errors import HttpError

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"
PAGE = "/admin/second-factor/"


class App:
    """What a person has on their phone: it knows the time that the test says."""

    def __init__(self, seed, clock):
        self.totp = pyotp.TOTP(seed.replace(" ", ""))
        self.clock = clock

    def code(self, steps=0):
        return self.totp.at(int(self.clock.now) + 30 * steps)


class Clock:
    now = 1_800_000_000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(second_factors.time, "time", clock.time)
    return clock


@pytest.fixture
def enrol(clock):
    """Return a function that gives a person a second factor; the app and recovery codes."""

    def give(user):
        with tenant_transaction(user.organization_id):
            seed, _ = totp_setup_display(second_factor_begin(user))
            app = App(seed, clock)
            codes = second_factor_confirm(user, app.code())
        clock.now += 30
        return app, codes

    return give


def password(client=None):
    client = client or Client()
    return client, client.post("/admin/login/", {"email": ALICE, "password": PASSWORD})


def enter(code, client=None):
    client, _ = password(client)
    return client, client.post("/admin/sign-in-code/", {"code": code})


def is_in(client):
    return client.get("/admin/").status_code == 200


def test_page_sets_up_second_factor(alice, client_for, clock, tenant, organization_a):
    client, elsewhere = client_for(alice), client_for(alice)
    assert "Two-step verification is off" in client.get(PAGE).content.decode()
    client.post(PAGE, {"do": "begin"})
    page = client.get(PAGE)
    assert page.context["qr_code"].startswith("data:image/svg+xml")
    app = App(page.context["secret"], clock)

    wrong = client.post(PAGE, {"do": "confirm", "code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    done = client.post(PAGE, {"do": "confirm", "code": app.code()})
    codes = done.context["codes"]
    assert len(set(codes)) == 10
    assert "no-store" in done["Cache-Control"]
    assert is_in(client)
    assert not is_in(elsewhere)
    again = client.get(PAGE).content.decode()
    assert "Two-step verification is on" in again
    assert page.context["secret"] not in again
    assert not any(code in again for code in codes)
    with tenant(organization_a), pytest.raises(SecondFactorStateError):
        totp_setup_display(second_factor_get(alice))


def test_password_without_code_does_not_log_in(alice, enrol, tenant, organization_a):
    enrol(alice)
    client, answer = password()
    assert answer["Location"].startswith("/admin/sign-in-code/?next=")
    assert not is_in(client)
    assert client.get("/api/v1/robots").status_code == 401
    with tenant(organization_a):
        assert not UserSession.objects.exists()


def test_password_and_code_log_in(alice, enrol, clock):
    app, _ = enrol(alice)
    client, answer = enter(app.code())
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert is_in(client)
    assert "urfmp_device" in client.cookies
    assert client.cookies["urfmp_pending"].value == ""


@pytest.mark.parametrize(("steps", "is_good"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_code_with_30_seconds_drift_is_accepted(alice, enrol, clock, steps, is_good):
    app, _ = enrol(alice)
    clock.now += 60
    client, _ = enter(app.code(steps))
    assert is_in(client) is is_good


def test_code_is_valid_once(alice, enrol, clock):
    app, _ = enrol(alice)
    code = app.code()
    assert is_in(enter(code)[0])
    again, answer = enter(code)
    assert answer.status_code == 400
    assert not is_in(again)
    assert not is_in(enter(app.code(-1))[0])  # an older one neither
    clock.now += 30
    assert is_in(enter(app.code())[0])


@pytest.mark.django_db(transaction=True)
def test_concurrent_logins_with_one_code_one_succeeds(alice, enrol, tenant, organization_a):
    app, codes = enrol(alice)
    with tenant(organization_a):
        row = second_factor_get(alice)
    for code in (app.code(), codes[0]):

        def take(code=code):
            try:
                with tenant(organization_a):
                    second_factor_verify(row, code)
            except InvalidSecondFactorError:
                return False
            return True

        assert sorted(run_concurrently(*[take] * 6)) == [False] * 5 + [True]


def test_recovery_code_is_valid_once(alice, enrol, tenant, organization_a):
    _, codes = enrol(alice)
    assert is_in(enter(codes[3].replace("-", " "))[0])
    assert not is_in(enter(codes[3])[0])
    assert is_in(enter(codes[4])[0])
    with tenant(organization_a):
        assert len(second_factor_get(alice).recovery_digests) == 8


def test_new_recovery_codes_invalidate_old_ones(alice, enrol, client_for):
    app, codes = enrol(alice)
    client, _ = enter(app.code())
    fresh = client.post(PAGE, {"do": "renew"}).context["codes"]
    assert is_in(client)
    assert not is_in(enter(codes[0])[0])
    assert is_in(enter(fresh[0])[0])


def test_page_removes_second_factor(alice, enrol):
    app, _ = enrol(alice)
    client, _ = enter(app.code())
    client.post(PAGE, {"do": "remove", "password": PASSWORD})
    assert is_in(client)
    assert is_in(password()[0])


def test_remove_with_short_password_requires_password_change(alice, enrol, tenant, organization_a):
    from apps.accounts.services.users import user_update

    app, codes = enrol(alice)
    client, _ = enter(app.code())
    with tenant(organization_a):
        user_update(alice, password="mu7-Tok!")
    client = Client()
    client.post("/admin/login/", {"email": ALICE, "password": "mu7-Tok!"})
    client.post("/admin/sign-in-code/", {"code": codes[0]})
    for password_given, reason in (("wrong", "Wrong password"), ("mu7-Tok!", "15 characters")):
        answer = client.post(PAGE, {"do": "remove", "password": password_given})
        assert reason in answer.context["removal"].errors["password"][0]
    with tenant(organization_a):
        assert alice.has_second_factor


def test_stream_without_required_second_factor_gets_403(required, alice, client_for):
    client = client_for(alice)
    credential = PresentedCredential(client.cookies["urfmp_session"].value, is_session=True)
    with pytest.raises(HttpError, match="Set up a second factor"):
        authenticate(credential, [])


def test_admin_removes_second_factor(alice, bob, enrol, client_for, tenant, organization_a):
    enrol(bob)
    client = client_for(alice)
    assert client.delete(f"/api/v1/users/{bob.pk}/second-factor").status_code == 204
    again = client.delete(f"/api/v1/users/{bob.pk}/second-factor")
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_state")
    enrol(bob)
    client.post(f"/admin/accounts/user/{bob.pk}/act/second-factor/")
    with tenant(organization_a):
        assert not bob.has_second_factor


def test_command_removes_second_factor(alice, enrol):
    enrol(alice)
    out = StringIO()
    call_command("remove_second_factor", ALICE, stdout=out)
    assert "Second factor removed" in out.getvalue()
    assert is_in(password()[0])
    for email in (ALICE, "nobody@acme.example"):
        with pytest.raises(CommandError, match=email):
            call_command("remove_second_factor", email)


def test_user_list_shows_second_factor(alice, bob, enrol, client_for):
    enrol(bob)
    page = client_for(alice).get("/admin/accounts/user/")
    assert {row.email: row.uses_second_factor for row in page.context["cl"].result_list} == {
        ALICE: False,
        "bob@acme.example": True,
    }


def test_admin_cannot_remove_second_factor_of_user_with_more_permissions(
    make_user, organization_a, alice, client_for, enrol
):
    enrol(alice)
    keeper = make_user(organization_a, "custom", permissions=["user.view", "user.update"])
    client = client_for(keeper)
    assert client.delete(f"/api/v1/users/{alice.pk}/second-factor").status_code == 403


def login(api_post, **body):
    return api_post("auth/login", {"email": ALICE, "password": PASSWORD, **body})


def test_api_login_requires_code(alice, enrol, api_post):
    app, codes = enrol(alice)
    asked = login(api_post)
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    wrong = login(api_post, otp="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "second_factor_refused")
    assert login(api_post, otp=app.code()).status_code == 200
    assert login(api_post, otp=app.code()).status_code == 401
    assert login(api_post, recovery_code=codes[0]).status_code == 200


def test_wrong_password_does_not_reveal_second_factor(alice, bob, enrol, api_post):
    enrol(alice)
    answers = [
        api_post("auth/login", {"email": e, "password": "wrong", "otp": "000000"}).content
        for e in (ALICE, "bob@acme.example", "nobody@acme.example")
    ]
    assert len(set(answers)) == 1


def test_eleventh_code_gets_429(alice, enrol, tenant, organization_a):
    app, _ = enrol(alice)
    client, _ = password()
    for _ in range(10):
        assert client.post("/admin/sign-in-code/", {"code": "000000"}).status_code == 400
    answer = client.post("/admin/sign-in-code/", {"code": app.code()})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert not is_in(client)
    with tenant(organization_a):
        told = AuditLog.objects.filter(action="accounts.session.login", success=False)
        reasons = [row.error_message for row in told]
    assert sorted(reasons) == ["Too many second factors."] + ["Wrong second factor."] * 10


def test_pending_login_cookie_is_signed_and_expires(alice, enrol, monkeypatch):
    app, _ = enrol(alice)
    client, _ = password()
    cookie = client.cookies["urfmp_pending"]
    assert cookie["httponly"]
    assert cookie["max-age"] == 300
    assert ALICE not in cookie.value
    forged = Client()
    forged.cookies["urfmp_pending"] = cookie.value[:-1] + ("A" if cookie.value[-1] != "A" else "B")
    assert forged.post("/admin/sign-in-code/", {"code": app.code()})["Location"].startswith(
        "/admin/login/"
    )
    late = time.time() + 301
    monkeypatch.setattr("django.core.signing.time.time", lambda: late)
    client.post("/admin/sign-in-code/", {"code": app.code()})
    monkeypatch.undo()
    assert not is_in(client)


def test_password_change_invalidates_pending_login(alice, enrol, tenant, organization_a):
    from apps.accounts.services.users import user_update

    app, _ = enrol(alice)
    client, _ = password()
    with tenant(organization_a):
        user_update(alice, password="seven quiet green herons")
    client.post("/admin/sign-in-code/", {"code": app.code()})
    assert not is_in(client)


@pytest.mark.django_db(transaction=True)  # the organization's row has the time of a transaction
def test_reactivation_does_not_revive_pending_login(alice, enrol, tenant, organization_a):
    app, _ = enrol(alice)
    client, _ = password()
    for change in (organization_deactivate, organization_reactivate):
        with tenant(organization_a):
            change(organization_a)
    answer = client.post("/admin/sign-in-code/", {"code": app.code()})
    assert answer["Location"].startswith("/admin/login/")
    assert not is_in(client)
    assert is_in(enter(app.code())[0])  # a login that begins afterwards


def test_second_factor_removed_during_login_is_not_passed(alice, enrol, tenant, organization_a):
    enrol(alice)
    client, _ = password()
    with tenant(organization_a):
        second_factor_remove(alice)
    for _ in range(2):
        answer = client.post("/admin/sign-in-code/", {"code": "123456"})
        assert answer["Location"].startswith("/admin/login/")
    assert not is_in(client)
    client.post("/admin/login/", {"email": ALICE, "password": PASSWORD})
    with tenant(organization_a):
        assert not UserSession.objects.get().data["second_factor"]


def test_verify_code_without_second_factor_is_rejected(alice, plain_request):
    with pytest.raises(InvalidSecondFactorError):
        verify_code(plain_request, alice, "123456")


@pytest.fixture
def required(alice, organization_a, tenant):
    from apps.organizations.services.organizations import organization_update

    with tenant(organization_a):
        organization_update(organization_a, settings={"second_factor_required": True})


def test_required_second_factor_blocks_other_pages(required, alice, client_for, clock, api_post):
    client = client_for(alice)
    for path in ("/admin/", "/admin/robots/robot/", "/admin/own-sessions/", "/admin/search/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, PAGE), path
    refused = client.get("/api/v1/robots")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_setup_required")
    token = login(api_post).json()["access_token"]
    bearer = Client(headers={"authorization": f"Bearer {token}"})
    assert bearer.get("/api/v1/robots").status_code == 403
    assert bearer.post("/api/v1/auth/logout").status_code == 204

    assert "requires two-step verification" in client.get(PAGE).content.decode()
    client.post(PAGE, {"do": "begin"})
    app = App(client.get(PAGE).context["secret"], clock)
    client.post(PAGE, {"do": "confirm", "code": app.code()})
    assert is_in(client)
    clock.now += 30
    assert is_in(enter(app.code())[0])


def test_required_second_factor_allows_logout(required, alice, client_for):
    assert client_for(alice).post("/admin/logout/")["Location"] == "/admin/login/"


def test_required_second_factor_does_not_block_api_keys(required, organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    assert Client(headers={"x-api-key": key}).get("/api/v1/robots").status_code == 200


def test_removing_required_second_factor_redirects_to_setup(required, alice, enrol):
    app, _ = enrol(alice)
    client, _ = enter(app.code())
    client.post(PAGE, {"do": "remove", "password": PASSWORD})
    assert not is_in(client)
    assert "requires two-step verification" in client.get(PAGE).content.decode()


def test_seed_is_encrypted_for_its_row(alice, bob, enrol, tenant, organization_a):
    app, codes = enrol(alice)
    enrol(bob)
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute(
            "SELECT jsonb_agg(to_jsonb(f))::text || (SELECT jsonb_agg(to_jsonb(a))::text"
            " FROM audit_logs a) FROM second_factors f"
        )
        stored = cursor.fetchone()[0]
        for secret in (app.totp.secret, *codes):
            assert secret not in stored
        assert SecondFactor.objects.get(user=bob).seed not in stored.partition("audit")[2]
        SecondFactor.objects.filter(user=alice).update(seed=SecondFactor.objects.get(user=bob).seed)
        with pytest.raises(DecryptionError):
            second_factor_verify(second_factor_get(alice), app.code())


def test_key_rotation_reencrypts_seeds(alice, enrol, settings):
    app, _ = enrol(alice)
    settings.ENCRYPTION_KEYS = {**settings.ENCRYPTION_KEYS, 99: "n" * 43}
    out = StringIO()
    call_command("rotate_encryption_keys", stdout=out)
    assert "second_factors: 1 secrets re-encrypted, 0 already" in out.getvalue()
    settings.ENCRYPTION_KEYS = {99: "n" * 43}
    assert is_in(enter(app.code())[0])
    call_command("rotate_encryption_keys", stdout=out)
    assert "second_factors: 0 secrets re-encrypted, 1 already" in out.getvalue()


def test_writes_audit_row(alice, enrol, tenant, organization_a):
    enrol(alice)
    with tenant(organization_a):
        second_factor_remove(alice)
        rows = AuditLog.objects.filter(resource_type="second_factor")
        actions = sorted(row.action for row in rows)  # numbered at the commit alone
        assert not UserSession.objects.exists()
    assert actions == [f"accounts.second_factor.{verb}" for verb in ("begin", "create", "delete")]


def test_secrets_are_not_logged(alice, enrol, caplog, api_post):
    app, codes = enrol(alice)
    for code in (app.code(), app.code(), codes[0], codes[0]):
        enter(code)
        login(api_post, otp=code[:20])
    for secret in (app.totp.secret, *codes, PASSWORD):
        assert secret not in caplog.text
