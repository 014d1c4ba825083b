"""Denials say what is missing; ambiguous credentials are rejected."""

from __future__ import annotations

import base64
import json

import pytest
from django.conf import settings
from django.test import Client

from urfmp.live.authentication import PresentedCredential, authenticate
from urfmp.live.http.errors import HttpError

pytestmark = pytest.mark.django_db

ROBOTS = "/api/v1/robots"


def detail(answer):
    assert answer.status_code == 403
    return answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "robots", "robots:read"),
        ("get", "commands", "commands:read"),
        ("post", "alerts", "alerts:write"),
        ("get", "audit-logs/export", "audit:read"),
        ("post", "telemetry", "telemetry:write"),
        ("post", "facilities", "organization:write"),
    ],
)
def test_denial_of_api_key_names_scope(method, path, scope, organization_a, make_key):
    scopes = ["maintenance:read"]
    client = Client(headers={"x-api-key": make_key(organization_a, scopes)})
    answer = getattr(client, method)(f"/api/v1/{path}", content_type="application/json")
    assert detail(answer) == f"This API key needs the scope {scope}."


def test_denial_of_user_names_permission(bob, client_for, organization_a):
    client = client_for(bob)
    assert detail(client.get("/api/v1/users")) == "You need the permission user.view."
    body = {"name": "R", "vendor": "kuka", "configuration": {"axes": 6}}
    assert detail(client.post(ROBOTS, body, "application/json")) == (
        "You need the permission robot.create."
    )


def test_denial_of_influx_client_names_scope(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    client = Client(headers={"authorization": f"Token {key}"})
    answer = client.post("/api/v2/write", "a b=1", content_type="text/plain")
    assert answer.status_code == 403
    assert answer.json()["message"] == "This API key needs the scope telemetry:write."


def test_denial_of_stream_names_scope(organization_a, make_key):
    key = make_key(organization_a, ["robots:read"])
    with pytest.raises(HttpError) as caught:
        authenticate(PresentedCredential(key), ())
    assert "needs the scope telemetry:read" in str(vars(caught.value))


def test_user_only_action_tells_key_to_log_in(organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["users:read"])})
    assert "log in as a user" in detail(client.get("/api/v1/auth/sessions"))
    path = f"/api/v1/organizations/{organization_a.pk}/deactivate"
    assert "log in as a user" in detail(client.post(path))


def test_two_credentials_are_rejected(alice, organization_a, organization_b, make_key, api_post):
    key = make_key(organization_b, ["robots:read"])
    from tests.conftest import PASSWORD

    login = api_post("auth/login", {"email": alice.email, "password": PASSWORD}).json()
    for bearer in (login["access_token"], key, "nonsense"):
        client = Client(headers={"authorization": f"Bearer {bearer}", "x-api-key": key})
        for path in (ROBOTS, "/api/v1/auth/sessions", "/admin/"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (400, "two_credentials")
        answer = client.post("/api/v1/telemetry", {"points": []}, "application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "two_credentials")


def test_two_credentials_of_influx_client_are_rejected(organization_a, make_key):
    key = make_key(organization_a)
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    for headers, query in (
        ({"authorization": f"Basic {basic}", "x-api-key": key}, ""),
        ({"authorization": f"Token {key}"}, f"?p={key}"),
        ({"x-api-key": key}, f"?p={key}"),
    ):
        answer = Client(headers=headers).post(f"/write{query}", "a b=1", content_type="text/plain")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert "more than one credential" in answer.json()["message"]


def test_two_credentials_of_stream_are_rejected(organization_a, make_key):
    from starlette.requests import Request

    from urfmp.live.authentication import presented_credential

    headers = [(b"authorization", b"Bearer a"), (b"x-api-key", b"b")]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
    with pytest.raises(HttpError) as caught:
        presented_credential(request)
    assert caught.value.status == 400


def test_credential_takes_precedence_over_session(
    alice, client_for, organization_b, make_key, make_robot
):
    """Browsers add their cookie by themselves, as on the page with the API's documentation."""
    robot = make_robot(organization_b)
    key = make_key(organization_b, ["robots:read"])
    client = client_for(alice, headers={"x-api-key": key})
    found = client.get(ROBOTS).json()["results"]
    assert [row["id"] for row in found] == [str(robot.pk)]


def test_error_pages_and_password_page_are_not_cached(bob, client_for, db):
    client = client_for(bob)
    for path, status in (
        ("/admin/accounts/user/", 403),
        ("/admin/password_change/", 200),
        ("/admin/nothing/", 404),
        ("/nothing", 404),
    ):
        answer = client.get(path)
        assert answer.status_code == status
        assert "no-store" in answer["Cache-Control"], path


def _nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [51, 1_000, 100_000])
def test_json_nested_too_deep_says_so(depth, alice, client_for, organization_a):
    client = client_for(alice)
    answer = client.patch(
        f"/api/v1/organizations/{organization_a.pk}",
        f'{{"settings": {_nested(depth)}}}',
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "nested too deep" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["json", "x-ndjson"])
def test_points_nested_too_deep_say_so(kind, organization_a, make_key):
    point = f'{{"serial_number": "S", "metadata": {{"a": {_nested(5_000)}}}}}'
    body = f'{{"points": [{point}]}}' if kind == "json" else point
    client = Client(headers={"x-api-key": make_key(organization_a)})
    answer = client.post("/api/v1/telemetry", body, content_type=f"application/{kind}")
    assert answer.status_code in {400, 422}
    assert "nested too deep" in json.dumps(answer.json())


def test_cookie_of_session_is_unaffected(alice, client_for):
    client = client_for(alice)
    assert client.cookies[settings.SESSION_COOKIE_NAME]
    assert client.get(ROBOTS).status_code == 200
