"""Ten passwords of an account may be tried within 15 minutes."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from apps.accounts import throttling
from apps.accounts.auth import backends
from apps.accounts.exceptions import TooManyAttemptsError
from apps.accounts.models import User
from apps.audit.models import AuditLog
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.redis import rate_limit

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"
COOKIE = "urfmp_device"


@pytest.fixture(params=["redis", "postgresql"])
def store(request, monkeypatch):
    if request.param == "postgresql":
        gone = rate_limit._RedisRateLimits("redis://127.0.0.1:1/0")
        monkeypatch.setattr(rate_limit, "redis_rate_limits", lambda: gone)


@pytest.fixture
def hashes(monkeypatch):
    """Count every password that is hashed, with or without an account."""
    counted = []
    real_check, real_make = User.check_password, backends.make_password

    def check(user, password):
        counted.append("check")
        return real_check(user, password)

    def make(password):
        counted.append("make")
        return real_make(password)

    monkeypatch.setattr(User, "check_password", check)
    monkeypatch.setattr(backends, "make_password", make)
    return counted


def enter(email=ALICE, password=PASSWORD, client=None):
    return (client or Client()).post("/admin/login/", {"email": email, "password": password})


def enter_api(password=PASSWORD, **fields):
    body = {"email": ALICE, "password": password, **fields}
    return Client().post("/api/v1/auth/login", body, content_type="application/json")


def use_up(email=ALICE, **kwargs):
    return [enter(email, "wrong", **kwargs).status_code for _ in range(10)]


def test_eleventh_password_gets_429(alice, hashes, store):
    assert use_up() == [400] * 10
    answer = enter()  # with the right one
    assert answer.status_code == 429
    assert 890 <= int(answer["Retry-After"]) <= 900
    assert "15 minutes" in answer.content.decode()
    assert len(hashes) == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("email", [ALICE, "nobody@acme.example"])
def test_concurrent_attempts_hash_ten_passwords(alice, hashes, store, email):
    def attempt():
        return [enter(email, "wrong").status_code for _ in range(3)]

    statuses = [status for done in run_concurrently(*[attempt] * 12) for status in done]
    assert sorted(statuses) == [400] * 10 + [429] * 26
    assert len(hashes) == 10


def test_denial_does_not_reveal_account(alice):
    pages = []
    for email in (ALICE, "nobody@acme.example"):
        use_up(email)
        answer = enter(email, "wrong")
        assert answer.status_code == 429
        token = str(answer.context["csrf_token"])
        pages.append(answer.content.decode().replace(email, "").replace(token, ""))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    "email", ["ALICE@acme.example", " alice@Acme.example ", "AlIcE@ACME.EXAMPLE"]
)
def test_email_variants_share_limit(alice, email):
    use_up()
    assert enter(email).status_code == 429


def test_other_accounts_are_not_limited(alice, bob):
    use_up()
    assert enter("bob@acme.example").status_code == 302


def test_trusted_device_is_not_limited_by_attempts_elsewhere(alice, store):
    mine = Client()
    assert enter(client=mine).status_code == 302
    use_up()
    assert enter().status_code == 429
    mine.post("/admin/logout/")
    assert enter(client=mine).status_code == 302


def test_trusted_device_has_ten_attempts(alice, hashes):
    mine = Client()
    enter(client=mine)
    mine.post("/admin/logout/")
    hashes.clear()
    assert use_up(client=mine) == [400] * 10
    assert enter(client=mine).status_code == 429
    assert len(hashes) == 10


def test_trusted_devices_share_limit(alice, hashes):
    devices = [Client() for _ in range(4)]
    for device in devices:
        assert enter(client=device).status_code == 302
        device.cookies.pop("urfmp_session")
    statuses = [status for device in devices for status in use_up(client=device)]
    assert statuses == [400] * 30 + [429] * 10
    assert len(hashes) == 34


def test_device_is_trusted_only_by_accounts_that_logged_in(alice, bob):
    shared = Client()
    enter("bob@acme.example", client=shared)
    shared.post("/admin/logout/")
    use_up()
    assert enter(client=shared).status_code == 429


def test_device_is_trusted_by_several_users(alice, bob):
    shared = Client()
    for email in ("bob@acme.example", ALICE):
        assert enter(email, client=shared).status_code == 302
        shared.post("/admin/logout/")
    for email in ("bob@acme.example", ALICE):
        use_up(email)
        assert enter(email, client=shared).status_code == 302
        shared.post("/admin/logout/")


@pytest.mark.parametrize(
    "change", [lambda v: v[:-1] + ("A" if v[-1] != "A" else "B"), lambda v: "", lambda v: "x:y:z"]
)
def test_forged_device_is_not_trusted(alice, change):
    mine = Client()
    enter(client=mine)
    stranger = Client()
    stranger.cookies[COOKIE] = change(mine.cookies[COOKIE].value)
    use_up()
    assert enter(client=stranger).status_code == 429


def test_failed_login_does_not_trust_device(alice):
    client = Client()
    enter(password="wrong", client=client)
    assert COOKIE not in client.cookies


def test_device_cookie_is_httponly_and_opaque(alice, settings):
    cookie = enter().cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 180 * 24 * 3600
    assert "alice" not in cookie.value
    assert str(alice.pk) not in cookie.value
    settings.INSECURE_HTTP = False
    cookie = enter().cookies["__Host-device"]
    assert cookie["secure"]
    assert cookie["path"] == "/"
    assert not cookie["domain"]


def test_device_cookie_does_not_authenticate(alice):
    mine = Client()
    enter(client=mine)
    other = Client()
    other.cookies[COOKIE] = mine.cookies[COOKIE].value
    assert other.get("/admin/").status_code == 302
    assert enter(password="wrong", client=other).status_code == 400


def test_sliding_window_admits_ten_in_any_window(store, monkeypatch):
    """Not only in windows that begin with an attempt: a steady stream finds no seam."""
    monkeypatch.setattr(throttling, "_ATTEMPT_WINDOW_SECONDS", 1)
    admitted = []
    end = time.monotonic() + 30
    while len(admitted) < 30 and time.monotonic() < end:
        before = time.monotonic()
        with suppress(TooManyAttemptsError), throttling.throttle_password("steady", None):
            admitted.append((before, time.monotonic()))
        time.sleep(0.03)
    assert len(admitted) >= 20
    for first, last in zip(admitted, admitted[10:], strict=False):
        assert last[1] - first[0] >= 1


def test_attempts_are_available_after_window(alice, monkeypatch):
    monkeypatch.setattr(throttling, "_ATTEMPT_WINDOW_SECONDS", 1)
    statuses = set()
    for _ in range(2000):
        statuses.add(enter(password="wrong").status_code)
        if 429 in statuses and enter().status_code == 302:
            return
    raise AssertionError


def test_denial_is_audited_once(alice, organization_a, tenant):
    use_up()
    for _ in range(5):
        enter()
    with tenant(organization_a):
        rows = AuditLog.objects.filter(action="accounts.session.login", success=False)
        messages = [row.error_message for row in rows]
    assert messages.count("Too many attempts.") == 1
    assert len(messages) == 11


def test_authenticate_is_limited(alice):
    for _ in range(10):
        assert authenticate(username=ALICE, password="wrong") is None
    with pytest.raises(TooManyAttemptsError) as caught:
        authenticate(username=ALICE, password=PASSWORD)
    assert caught.value.code == "rate_limited"
    assert caught.value.status == 429


def test_password_change_is_limited(alice, client_for, hashes):
    client = client_for(alice)
    use_up()  # strangers do not keep her from changing it
    hashes.clear()
    new = "another long and good password"

    def change(old):
        return client.post(
            "/admin/password_change/",
            {"old_password": old, "new_password1": new, "new_password2": new},
        )

    assert [change("wrong").status_code for _ in range(10)] == [200] * 10
    answer = change(PASSWORD)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert len(hashes) == 10


def test_right_passwords_do_not_count(alice, store):
    for _ in range(12):
        assert enter().status_code == 302
        assert enter_api().status_code == 200
    assert use_up() == [400] * 10
    assert enter().status_code == 429


@pytest.mark.django_db(transaction=True)
def test_concurrent_right_passwords_do_not_count(alice, store):
    for _ in range(2):
        answers = run_concurrently(*[lambda: enter().status_code] * 8)
        assert answers == [302] * 8
    assert use_up() == [400] * 10


def test_device_token_of_api_client_has_attempts_of_its_own(alice, store):
    token = enter_api().json()["device_token"]
    use_up()
    assert enter_api().status_code == 429
    answer = enter_api(device_token=token)
    assert answer.status_code == 200
    again = answer.json()["device_token"]  # of the same device
    assert [enter_api("wrong", device_token=again).status_code for _ in range(10)] == [401] * 10
    assert enter_api(device_token=token).status_code == 429


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-2], lambda t: "x:y:z", lambda t: "é" * 2000]
)
def test_forged_device_token_is_not_trusted(change, alice):
    token = enter_api().json()["device_token"]
    use_up()
    assert enter_api(device_token=change(token)).status_code in {400, 429}


def test_device_token_is_not_trusted_by_other_accounts(alice, bob):
    token = enter_api().json()["device_token"]
    use_up("bob@acme.example")
    body = {"email": "bob@acme.example", "password": PASSWORD, "device_token": token}
    answer = Client().post("/api/v1/auth/login", body, content_type="application/json")
    assert answer.status_code == 429


def test_device_token_does_not_authenticate(alice):
    token = enter_api().json()["device_token"]
    for header in ({"authorization": f"Bearer {token}"}, {"x-api-key": token}):
        assert Client(headers=header).get("/api/v1/robots").status_code == 401
    assert enter_api("wrong", device_token=token).status_code == 401


def test_new_browser_in_another_network_is_not_limited_by_stranger(alice, store):
    use_up(client=Client(REMOTE_ADDR="198.51.100.7"))
    assert enter(client=Client(REMOTE_ADDR="198.51.100.7")).status_code == 429
    assert enter(client=Client(REMOTE_ADDR="203.0.113.9")).status_code == 302
    assert enter(client=Client(REMOTE_ADDR="2001:db8::1")).status_code == 302


def test_networks_share_limit(alice, hashes):
    statuses = []
    for number in range(12):
        statuses += use_up(client=Client(REMOTE_ADDR=f"198.51.100.{number}"))
    assert statuses == [400] * 100 + [429] * 20
    assert len(hashes) == 100


def test_addresses_of_one_ipv6_network_share_attempts(alice):
    for number in range(10):
        assert enter(password="wrong", client=Client(REMOTE_ADDR=f"2001:db8::{number}"))
    assert enter(client=Client(REMOTE_ADDR="2001:db8::ffff")).status_code == 429
