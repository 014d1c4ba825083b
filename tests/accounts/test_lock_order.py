"""Concurrent operations lock rows in one order and do not deadlock."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, User, UserSession
from apps.accounts.services import api_keys, sessions, users
from apps.accounts.services.users import user_update
from apps.organizations.models import Organization
from apps.organizations.services.platform import organization_deactivate
from tests.conftest import PASSWORD
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"name": "Press line", "permissions": ["telemetry:write"], "rate_limit": "100"}
PERSON = {"email": "kim@plant.example", "role": "viewer"}


@pytest.fixture
def limited(organization_a, make_user, tenant):
    """An organization whose plan counts, with another admin."""
    other = make_user(organization_a, "admin", "zoe@acme.example")
    with tenant(organization_a):
        Organization.objects.update(plan="custom", user_limit=50, api_key_limit=50, robot_limit=50)
    return other


def deactivate_organization(alice):
    organization_deactivate(Organization.objects.get(pk=alice.organization_id))


def deactivate_her(alice):
    user_update(User.objects.get(pk=alice.pk), is_active=False)


def give_her_another_password_and_address(alice):
    user = User.objects.get(pk=alice.pk)
    user_update(user, password="another long and good password", email="alicia@acme.example")


ENDS = [deactivate_organization, deactivate_her, give_her_another_password_and_address]


@pytest.fixture
def meanwhile():
    """Return a function that begins something elsewhere, and returns once it waits or is done."""
    pool, started = ThreadPoolExecutor(1), []

    def begin(call, *args):
        def run():
            try:
                return call(*args)
            finally:
                connection.close()

        future = pool.submit(run)
        started.append(future)
        while not (future.done() or waits_for_a_lock()):
            time.sleep(0.02)
        return future

    yield begin
    pool.shutdown()
    for future in started:
        future.result()  # raises if PostgreSQL resolved a deadlock


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


def at(monkeypatch, module, name, meet, *, before):
    """Have something happen once, just before or after a function is called."""
    real, met = getattr(module, name), []

    def call(*args, **kwargs):
        if before and not met:
            met.append(meet())
        answer = real(*args, **kwargs)
        if not met:
            met.append(meet())
        return answer

    monkeypatch.setattr(module, name, call)
    return met


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("page", "form", "module"),
    [
        ("admin:accounts_apikey_add", KEY, api_keys),
        ("admin:accounts_user_add", PERSON, users),
    ],
)
def test_page_with_step_up_and_quota_does_not_deadlock(
    page, form, module, end, limited, alice, client_for, meanwhile, monkeypatch
):
    def run():
        with tenant_transaction(alice.organization_id):
            end(alice)

    met = at(
        monkeypatch,
        module,
        "reserve_quota",
        lambda: meanwhile(run),
        before=True,
    )
    client = client_for(alice)
    answer = client.post(reverse(page), {**form, "_step_up": "POST", "_step_up_password": PASSWORD})
    assert met
    assert answer.status_code in {200, 302, 400}  # 400: the browser's session is over


@pytest.mark.parametrize("end", ENDS)
def test_quota_reservation_does_not_deadlock(
    end, limited, alice, make_user, client_for, meanwhile, monkeypatch
):
    """The plan is held, and then what is made refers to the person."""

    def run():
        with tenant_transaction(alice.organization_id):
            end(alice)

    client = client_for(alice)
    met = at(monkeypatch, api_keys, "reserve_quota", lambda: meanwhile(run), before=False)
    body = {**KEY, "rate_limit": 100}
    answer = client.post("/api/v1/api-keys", body, content_type="application/json")
    assert met
    assert answer.status_code == 201
    with tenant_transaction(alice.organization_id):
        assert ApiKey.objects.count() == 1


def step_up_api(client):
    body = {"password": PASSWORD}
    return client.post("/api/v1/auth/step-up", body, content_type="application/json").status_code


@pytest.mark.parametrize("end", [deactivate_her, give_her_another_password_and_address])
def test_step_up_during_session_revocation_does_not_deadlock(
    end, limited, alice, client_for, meanwhile, monkeypatch
):
    client, statuses = client_for(alice), []
    met = at(
        monkeypatch,
        sessions,
        "lock_organization",
        lambda: meanwhile(lambda: statuses.append(step_up_api(client))),
        before=True,
    )
    with tenant_transaction(alice.organization_id):
        end(alice)
    met[0].result(timeout=20)
    assert statuses == [401]
    with tenant_transaction(alice.organization_id):
        assert not UserSession.objects.filter(user_id=alice.pk).exists()


@pytest.mark.parametrize("how", ["browser", "api"])
def test_step_up_in_revoked_session_is_rejected(how, alice, client_for, monkeypatch):
    """The user revokes the session from another one while the password is hashed."""
    client = client_for(alice)
    real = User.check_password

    def check(user, password):
        UserSession.objects.filter(user_id=alice.pk).delete()
        return real(user, password)

    path, headers = "/api/v1/auth/step-up", {}
    if how == "api":
        body = {"email": alice.email, "password": PASSWORD}
        pair = Client().post("/api/v1/auth/login", body, content_type="application/json").json()
        client, headers = Client(), {"authorization": f"Bearer {pair['access_token']}"}
    monkeypatch.setattr(User, "check_password", check)
    answer = client.post(
        path, {"password": PASSWORD}, content_type="application/json", headers=headers
    )
    assert answer.status_code in {400, 401}


def test_concurrent_changes_of_two_admins_do_not_deadlock(limited, alice, client_for):
    clients = [client_for(alice), client_for(limited)]
    people = [limited, alice]
    for _ in range(3):

        def change(number):
            address = f"/api/v1/users/{people[number].pk}"
            tag = clients[number].get(address)["ETag"]
            answer = clients[number].patch(
                address,
                {"first_name": f"Name {number}"},
                content_type="application/json",
                headers={"if-match": tag},
            )
            return answer.status_code

        statuses = run_concurrently(lambda: change(0), lambda: change(1))
        assert statuses == [200, 200]
