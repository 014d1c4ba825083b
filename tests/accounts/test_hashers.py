"""However many passwords are tried at once, few are hashed at once."""

from __future__ import annotations

import threading
import time

import pytest
from django.test import Client

from apps.accounts import throttling
from apps.accounts.auth import hashers
from apps.accounts.auth.hashers import ConcurrencyLimiter
from apps.accounts.exceptions import PasswordHashingOverloadedError, TooManyAttemptsError
from apps.accounts.models import User
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.redis import rate_limit

pytestmark = pytest.mark.django_db

ALICE = "alice@acme.example"


@pytest.fixture
def argon2(settings):
    settings.PASSWORD_HASHERS = ["apps.accounts.auth.hashers.BoundedArgon2Hasher"]


@pytest.fixture
def user(argon2, alice, tenant, organization_a):
    with tenant(organization_a):
        alice.set_password(PASSWORD)
        alice.save()
    return alice


def enter(password=PASSWORD):
    return Client().post("/admin/login/", {"email": ALICE, "password": password})


def test_concurrency_limiter_runs_queues_and_rejects():
    room, lock, tenant, most = ConcurrencyLimiter(2, 5), threading.Lock(), 0, 0
    everybody_came = threading.Event()
    refused = []

    def work():
        nonlocal tenant, most
        try:
            with room:
                with lock:
                    tenant += 1
                    most = max(most, tenant)
                everybody_came.wait(10)
                with lock:
                    tenant -= 1
        except PasswordHashingOverloadedError:
            refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(refused) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    everybody_came.set()
    for thread in threads:
        thread.join()
    assert (most, len(refused)) == (2, 7)
    for _ in range(9):  # each place is free again, and after a failure too
        with pytest.raises(ZeroDivisionError), room:
            _ = 1 / 0


def test_every_hash_uses_limiter(user, monkeypatch):
    monkeypatch.setattr(hashers, "_limiter", ConcurrencyLimiter(1, 0))
    with pytest.raises(PasswordHashingOverloadedError):
        user.check_password(PASSWORD)
    with pytest.raises(PasswordHashingOverloadedError):
        User().set_password(PASSWORD)


@pytest.fixture(params=["redis", "postgresql"])
def store(request, monkeypatch):
    if request.param == "postgresql":
        gone = rate_limit._RedisRateLimits("redis://127.0.0.1:1/0")
        monkeypatch.setattr(rate_limit, "redis_rate_limits", lambda: gone)


@pytest.mark.parametrize("email", [ALICE, "nobody@acme.example"])
def test_login_when_hashing_overloaded_returns_503_and_is_not_counted(
    store, user, monkeypatch, api_post, email
):
    with monkeypatch.context() as full:
        full.setattr(hashers, "_limiter", ConcurrencyLimiter(1, 0))
        for _ in range(6):
            page = Client().post("/admin/login/", {"email": email, "password": PASSWORD})
            answer = api_post("auth/login", {"email": email, "password": PASSWORD})
            assert (page.status_code, page["Retry-After"]) == (503, "2")
            assert "Please try again in a few seconds" in page.content.decode()
            assert (answer.status_code, answer["Retry-After"]) == (503, "2")
            assert answer.json()["code"] == "busy"
    assert api_post("auth/login", {"email": email, "password": "wrong"}).status_code == 401
    assert enter().status_code == 302


def test_page_when_hashing_overloaded_returns_503(user, client_for, monkeypatch):
    client = Client(raise_request_exception=False)
    client.cookies = client_for(user).cookies
    monkeypatch.setattr(hashers, "_limiter", ConcurrencyLimiter(1, 0))
    form = {"old_password": PASSWORD, "new_password1": "x" * 20, "new_password2": "x" * 20}
    answer = client.post("/admin/password_change/", form)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")


def test_trusted_device_when_hashing_overloaded_keeps_attempts(store, monkeypatch):
    """Of its own, and of those that all known devices share."""
    monkeypatch.setattr(throttling, "_MAX_ATTEMPTS", 1)
    monkeypatch.setattr(throttling, "_MAX_BUSY_DEVICES", 1)
    for _ in range(11):
        with (
            pytest.raises(PasswordHashingOverloadedError),
            throttling.throttle_password("alice", "laptop"),
        ):
            raise PasswordHashingOverloadedError
    with throttling.throttle_password("alice", "laptop"):
        pass
    with pytest.raises(TooManyAttemptsError), throttling.throttle_password("alice", "phone"):
        pass


def test_password_change_when_hashing_overloaded_is_not_counted(user, client_for, monkeypatch):
    client = Client(raise_request_exception=False)
    client.cookies = client_for(user).cookies
    form = {"old_password": PASSWORD, "new_password1": "a new long password"}
    form["new_password2"] = form["new_password1"]
    with monkeypatch.context() as full:
        full.setattr(hashers, "_limiter", ConcurrencyLimiter(1, 0))
        statuses = {client.post("/admin/password_change/", form).status_code for _ in range(11)}
    assert statuses == {503}
    assert client.post("/admin/password_change/", form).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_ten_attempts_of_one_account_are_admitted(user):
    answers = run_concurrently(*[lambda: enter("wrong").status_code] * 16)
    assert sorted(answers) == [400] * 10 + [429] * 6
