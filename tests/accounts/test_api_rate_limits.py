"""The rate limits of keys, as a client sees them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import ApiKey
from apps.robots.api.robots import RobotViewSet
from urfmp.common.http.view_policy import view_policy

pytestmark = pytest.mark.django_db


def ask(key, path="/api/v1/robots", **headers):
    return Client().get(path, headers={"x-api-key": key, **headers})


@pytest.fixture
def key(organization_a, make_key):
    return make_key(organization_a, ["robots:read"], rate_limit=3)


def standing(answer):
    return answer["RateLimit-Limit"], answer["RateLimit-Remaining"], answer["RateLimit-Reset"]


def test_api_key_gets_limit_headers_and_429_beyond_limit(key):
    assert [standing(ask(key)) for _ in range(3)] == [
        ("3", "2", "60"),
        ("3", "1", "60"),
        ("3", "0", "60"),
    ]
    answer = ask(key)
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "rate_limited"
    assert answer["Retry-After"] == answer["RateLimit-Reset"]
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["RateLimit-Remaining"] == "0"
    assert answer["X-Request-ID"]


def test_view_is_not_called_beyond_limit(organization_a, make_robot, make_key):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot, rate_limit=1)
    points = {"points": []}
    headers = {"x-api-key": key}
    path = "/api/v1/telemetry"
    first = Client().post(path, points, content_type="application/json", headers=headers)
    second = Client().post(path, points, content_type="application/json", headers=headers)
    assert first.status_code == 200
    assert first["RateLimit-Remaining"] == "0"
    assert second.status_code == 429


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/robots/3addef9a-54bb-41ab-a073-3bbee28e32af", 404),
        ("/api/v1/users", 403),
        ("/api/v1/robots?nonsense=1", 400),
        ("/admin/", 302),
    ],
)
def test_denied_requests_count_and_have_headers(key, path, status):
    answer = ask(key, path)
    assert answer.status_code == status
    assert standing(answer)[:2] == ("3", "2")


def test_server_error_has_headers(key, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(RobotViewSet, "list", fail)
    answer = Client(raise_request_exception=False).get("/api/v1/robots", headers={"x-api-key": key})
    assert answer.status_code == 500
    assert standing(answer)[:2] == ("3", "2")


def test_client_input_does_not_change_counter(key):
    """The window of the original belonged to an unchecked header."""
    answers = [
        ask(
            key,
            **{
                "x-forwarded-for": f"192.0.2.{number}",
                "user-agent": f"robot {number}",
                "x-request-id": f"request-{number}",
                "x-organization-id": str(number),
            },
        ).status_code
        for number in range(3)
    ]
    assert answers == [200] * 3
    assert (
        Client().get("/api/v1/robots", headers={"authorization": f"Bearer {key}"}).status_code
        == 429
    )
    assert ask(key, "/api/v1/robots?fields=id").status_code == 429
    assert ask(key + " ").status_code in {401, 429}


def test_limit_is_per_api_key(key, organization_a, make_key):
    other = make_key(organization_a, ["robots:read"], rate_limit=3)
    for _ in range(4):
        ask(key)
    assert standing(ask(other))[1] == "2"


def test_api_key_without_limit_uses_organization_limit(organization_a, make_key, settings):
    settings.ORGANIZATION_RATE_LIMIT = 5
    key = make_key(organization_a, ["robots:read"], rate_limit=None)
    assert [ask(key).status_code for _ in range(6)] == [200] * 5 + [429]


def test_no_limit_sends_no_headers(organization_a, make_key, settings):
    settings.ORGANIZATION_RATE_LIMIT = 0
    key = make_key(organization_a, ["robots:read"], rate_limit=None)
    assert not ask(key).has_header("RateLimit-Limit")


def test_organization_limit_is_shared_by_its_keys_only(
    organization_a, organization_b, make_key, settings
):
    settings.ORGANIZATION_RATE_LIMIT = 4
    one, two = (make_key(organization_a, ["robots:read"], rate_limit=3) for _ in range(2))
    foreign = make_key(organization_b, ["robots:read"])
    assert [ask(one).status_code for _ in range(6)] == [200] * 3 + [429] * 3
    # The organization's limit did not count what the key's own limit denied.
    assert [ask(two).status_code for _ in range(3)] == [200] + [429] * 2
    assert ask(two)["RateLimit-Limit"] == "4"
    assert ask(foreign).status_code == 200
    # Conversely, the key's limit did not count the organization's denials.
    settings.ORGANIZATION_RATE_LIMIT = 100
    assert standing(ask(two))[:2] == ("3", "1")


def test_invalid_key_is_not_counted(key, organization_a, make_key, tenant):
    ended = make_key(organization_a, ["robots:read"], rate_limit=3)
    assert standing(ask(ended))[1] == "2"
    with tenant(organization_a):
        ApiKey.objects.filter(key_prefix=ended[11:21]).update(is_active=False)
    mistyped = key[:-1] + ("A" if key[-1] != "A" else "B")
    for bad in (mistyped, ended, "nonsense", ""):
        for _ in range(4):
            answer = ask(bad)
            assert answer.status_code == 401
            assert not answer.has_header("RateLimit-Limit")
    assert standing(ask(key))[1] == "2"


def test_changed_limit_applies_to_next_request(key, organization_a, tenant):
    ask(key)
    with tenant(organization_a):
        ApiKey.objects.update(rate_limit=2)
    assert standing(ask(key))[:2] == ("2", "0")
    assert ask(key).status_code == 429


def test_users_are_not_limited(alice, client_for, settings):
    settings.ORGANIZATION_RATE_LIMIT = 1
    client = client_for(alice)
    answers = [client.get("/api/v1/robots") for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    assert not answers[0].has_header("RateLimit-Limit")


def test_rate_limit_exempt_view_is_never_denied(key, monkeypatch):
    @view_policy(rate_limit_exempt=True)
    def answer_at_once(self, request):
        return HttpResponse()

    monkeypatch.setattr(RobotViewSet, "list", answer_at_once)
    answers = [ask(key) for _ in range(5)]
    assert {a.status_code for a in answers} == {200}
    assert not answers[0].has_header("RateLimit-Limit")


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_rejected(organization_a, alice, make_key, client_for, limit):
    with pytest.raises(ValidationError):
        make_key(organization_a, ["robots:read"], rate_limit=limit)
    body = {"name": "k", "permissions": ["robots:read"], "rate_limit": limit}
    answer = client_for(alice).post("/api/v1/api-keys", body, content_type="application/json")
    assert answer.status_code == 400
    assert "rate_limit" in answer.json()["errors"]


def test_stored_zero_limit_denies_requests(key, organization_a, tenant):
    with tenant(organization_a):
        ApiKey.objects.update(rate_limit=0)
    assert ask(key).status_code == 429
    assert ask(key)["Retry-After"] == "60"


def test_default_limit_allows_simulated_robot(organization_a, make_robot, make_key):
    """One batch a second, a status report beside each: twice what a real robot sends."""
    headers = {"x-api-key": make_key(organization_a, robot=make_robot(organization_a))}
    client = Client()
    for _ in range(60):
        statuses = {
            client.post(path, body, content_type="application/json", headers=headers).status_code
            for path, body in (
                ("/api/v1/telemetry", {"points": []}),
                ("/api/v1/device/status", {"status": "running"}),
            )
        }
        assert statuses == {200}
