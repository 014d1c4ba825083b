"""No value that the accounts tables store is accepted as a credential.

The test reads every column of every table of the accounts app.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pyotp
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.accounts.choices import LinkPurpose
from apps.accounts.services.one_time_links import link_create
from apps.accounts.services.second_factors import (
    second_factor_begin,
    second_factor_confirm,
    totp_setup_display,
)
from tests.conftest import PASSWORD

JSON = "application/json"
# Each column must occur among the values, because an empty table would not prove anything. Secrets
# are tried in this order where the number of attempts is limited.
SECRET_COLUMNS = (
    "users.password_hash", "user_sessions.session_token", "user_sessions.refresh_token",
    "api_keys.key_hash", "one_time_links.token_digest", "second_factors.seed",
    "second_factors.recovery_digests", "idempotency_keys.answer",
)  # fmt: skip


def texts(value):
    if isinstance(value, str):
        yield value
        if value.startswith(("{", "[")):
            yield from texts(json.loads(value))
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def stored_values():
    """Return every text in the tables of the accounts app, with its column."""
    found = {}
    for model in apps.get_app_config("accounts").get_models():
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT row_to_json(t)::text FROM {table} t")
            for (row,) in cursor.fetchall():
                for column, value in json.loads(row).items():
                    for text in texts(value):
                        found.setdefault(text, f"{table}.{column}")
    return found


@pytest.fixture
def dora(make_user, organization_a):
    return make_user(organization_a, "admin", "dora@acme.example")


@pytest.fixture
def credentials(dora, organization_a, tenant, client_for, make_key, alice):
    """One credential of each kind; those that are valid are used as controls."""
    browser = client_for(dora)
    body = {"email": dora.email, "password": PASSWORD}
    tokens = Client().post("/api/v1/auth/login", body, content_type=JSON).json()
    key = make_key(organization_a, ["robots:read", "telemetry:write"])
    answer = browser.post(
        "/api/v1/facilities",
        {"name": "Hall 1"},
        content_type=JSON,
        headers={"idempotency-key": "k-1"},
    )
    assert answer.status_code == 201
    with tenant(organization_a):
        links = [link_create(alice, purpose)[0] for purpose in LinkPurpose.values]
        row = second_factor_begin(alice)
        seed = totp_setup_display(row)[0].replace(" ", "")
        second_factor_confirm(alice, pyotp.TOTP(seed).now())
    return {"browser": browser, "tokens": tokens, "key": key, "links": links}


def write(**headers):
    return Client(headers=headers).post("/api/v2/write", "m v=1", content_type="text/plain")


def basic(value):
    return "Basic " + base64.b64encode(f"any-name:{value}".encode()).decode()


def get(path="/api/v1/robots", **headers):
    return Client(headers=headers).get(path)


def by_cookie(path, value):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = value
    return client.get(path)


def post(path, **body):
    return Client().post(f"/api/v1/auth/{path}", body, content_type=JSON)


# Every endpoint that accepts a credential: how to send a value, and the statuses of a rejection.
ENDPOINTS = {
    "cookie, API": (lambda value: by_cookie("/api/v1/robots", value), {401}),
    "cookie, pages": (lambda value: by_cookie("/admin/", value), {302}),
    "bearer": (lambda value: get(authorization=f"Bearer {value}"), {401}),
    "X-API-Key": (lambda value: get(**{"x-api-key": value}), {401}),
    "token": (lambda value: write(authorization=f"Token {value}"), {401}),
    "token with name": (lambda value: write(authorization=f"Token any-name:{value}"), {401}),
    "basic": (lambda value: write(authorization=basic(value)), {401}),
    "parameter": (
        lambda value: Client().post(
            "/write", "m v=1", content_type="text/plain", QUERY_STRING=f"p={value}"
        ),
        {401},
    ),
    "refresh": (lambda value: post("refresh", refresh_token=value), {400, 401}),
    "link": (
        lambda value: post(
            "password-reset/confirm", token=value, password="another horse entirely 7"
        ),
        {400},
    ),
}


def test_every_endpoint_accepts_its_credential(credentials):
    """Control: each endpoint accepts a valid credential."""
    cookie = credentials["browser"].cookies[settings.SESSION_COOKIE_NAME].value
    assert by_cookie("/api/v1/robots", cookie).status_code == 200
    assert by_cookie("/admin/", cookie).status_code == 200
    for valid in (credentials["key"], credentials["tokens"]["access_token"]):
        assert ENDPOINTS["bearer"][0](valid).status_code == 200
        assert ENDPOINTS["X-API-Key"][0](valid).status_code == 200
    for endpoint in ("token", "token with name", "basic", "parameter"):
        assert ENDPOINTS[endpoint][0](credentials["key"]).status_code == 400, endpoint  # no robot
    assert ENDPOINTS["refresh"][0](credentials["tokens"]["refresh_token"]).status_code == 200
    assert ENDPOINTS["link"][0](credentials["links"][0]).status_code == 204


def test_stored_values_are_rejected_as_credentials(credentials, organization_a, tenant):
    with tenant(organization_a):
        values = stored_values()
    assert set(values.values()) >= set(SECRET_COLUMNS)
    accepted = []
    for value, column in values.items():
        can_be_sent = value.isascii() and value.isprintable() and len(value) <= 2_000
        sent = value if can_be_sent else value.encode().hex()[:2_000]
        for endpoint, (send, rejections) in ENDPOINTS.items():
            status = send(sent).status_code
            if status not in rejections:
                accepted.append((column, endpoint, status))
    assert not accepted


def test_stored_secrets_are_rejected_as_passwords_and_codes(
    credentials, alice, organization_a, tenant
):
    """Ten passwords per account are checked in 15 minutes, so only secrets are tried."""
    with tenant(organization_a):
        values = stored_values()
    secrets = [value for value, column in values.items() if value and column in SECRET_COLUMNS]
    secrets.sort(key=lambda value: SECRET_COLUMNS.index(values[value]))
    for email in ("dora@acme.example", "alice@acme.example"):
        for value in secrets[:5] if email.startswith("dora") else secrets[5:10]:
            assert post("login", email=email, password=value[:1000]).status_code == 401
    for value in secrets[:8]:
        answer = post("login", email="bob@acme.example", password=PASSWORD, recovery_code=value)
        assert answer.status_code in {400, 401, 429}


def test_revoked_and_expired_credentials_are_rejected(
    credentials, dora, alice, organization_a, tenant, make_key
):
    """Credentials of a deactivated user, a revoked and an expired API key."""
    from apps.accounts.models import ApiKey
    from apps.accounts.services.api_keys import api_key_revoke
    from apps.accounts.services.users import user_update

    expired = make_key(organization_a, ["robots:read"], name="expired")
    with tenant(organization_a):
        ApiKey.objects.filter(name="expired").update(expires_at=timezone.now() - timedelta(hours=1))
        api_key_revoke(ApiKey.objects.get(name="test"))
        user_update(dora, is_active=False)
    inactive = [
        expired,
        credentials["key"],
        credentials["tokens"]["access_token"],
        credentials["tokens"]["refresh_token"],
        credentials["browser"].cookies[settings.SESSION_COOKIE_NAME].value,
    ]
    for value in inactive:
        for endpoint in ("cookie, API", "cookie, pages", "bearer", "X-API-Key", "token", "refresh"):
            send, rejections = ENDPOINTS[endpoint]
            assert send(value).status_code in rejections, endpoint
