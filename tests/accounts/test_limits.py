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


def test_a_key_sees_how_its_limit_stands_and_is_refused_beyond_it(key):
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


def test_the_view_does_not_run_beyond_the_limit(organization_a, make_robot, make_key):
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
def test_refusals_count_and_carry_the_headers_too(key, path, status):
    answer = ask(key, path)
    assert answer.status_code == status
    assert standing(answer)[:2] == ("3", "2")


def test_a_fault_of_ours_carries_the_headers_too(key, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(RobotViewSet, "list", fail)
    answer = Client(raise_request_exception=False).get("/api/v1/robots", headers={"x-api-key": key})
    assert answer.status_code == 500
    assert standing(answer)[:2] == ("3", "2")


def test_nothing_that_a_client_chooses_gives_it_another_counter(key):
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


def test_keys_have_counters_of_their_own(key, organization_a, make_key):
    other = make_key(organization_a, ["robots:read"], rate_limit=3)
    for _ in range(4):
        ask(key)
    assert standing(ask(other))[1] == "2"


def test_a_key_without_a_limit_has_the_organizations(organization_a, make_key, settings):
    settings.ORGANIZATION_RATE_LIMIT = 5
    key = make_key(organization_a, ["robots:read"], rate_limit=None)
    assert [ask(key).status_code for _ in range(6)] == [200] * 5 + [429]


def test_no_limit_at_all_says_nothing(organization_a, make_key, settings):
    settings.ORGANIZATION_RATE_LIMIT = 0
    key = make_key(organization_a, ["robots:read"], rate_limit=None)
    assert not ask(key).has_header("RateLimit-Limit")


def test_an_organizations_keys_share_its_limit_and_no_other_does(
    organization_a, organization_b, make_key, settings
):
    settings.ORGANIZATION_RATE_LIMIT = 4
    one, two = (make_key(organization_a, ["robots:read"], rate_limit=3) for _ in range(2))
    foreign = make_key(organization_b, ["robots:read"])
    assert [ask(one).status_code for _ in range(6)] == [200] * 3 + [429] * 3
    # What the key's own limit refused, the organization's has not counted.
    assert [ask(two).status_code for _ in range(3)] == [200] + [429] * 2
    assert ask(two)["RateLimit-Limit"] == "4"
    assert ask(foreign).status_code == 200
    # And the other way round: the organization's refusals cost the key nothing.
    settings.ORGANIZATION_RATE_LIMIT = 100
    assert standing(ask(two))[:2] == ("3", "1")


def test_a_bad_key_costs_nobodys_counter(key, organization_a, make_key, tenant):
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


def test_a_changed_limit_counts_at_the_next_request(key, organization_a, tenant):
    ask(key)
    with tenant(organization_a):
        ApiKey.objects.update(rate_limit=2)
    assert standing(ask(key))[:2] == ("2", "0")
    assert ask(key).status_code == 429


def test_people_are_not_counted(alice, client_for, settings):
    settings.ORGANIZATION_RATE_LIMIT = 1
    client = client_for(alice)
    answers = [client.get("/api/v1/robots") for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    assert not answers[0].has_header("RateLimit-Limit")


def test_what_is_marked_is_never_refused(key, monkeypatch):
    @view_policy(rate_limit_exempt=True)
    def answer_at_once(self, request):
        return HttpResponse()

    monkeypatch.setattr(RobotViewSet, "list", answer_at_once)
    answers = [ask(key) for _ in range(5)]
    assert {a.status_code for a in answers} == {200}
    assert not answers[0].has_header("RateLimit-Limit")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_one(organization_a, alice, make_key, client_for, limit):
    with pytest.raises(ValidationError):
        make_key(organization_a, ["robots:read"], rate_limit=limit)
    body = {"name": "k", "permissions": ["robots:read"], "rate_limit": limit}
    answer = client_for(alice).post("/api/v1/api-keys", body, content_type="application/json")
    assert answer.status_code == 400
    assert "rate_limit" in answer.json()["errors"]


def test_a_row_by_hand_without_room_is_refused(key, organization_a, tenant):
    with tenant(organization_a):
        ApiKey.objects.update(rate_limit=0)
    assert ask(key).status_code == 429
    assert ask(key)["Retry-After"] == "60"


def test_a_robots_minute_fits_into_a_new_keys_limit(organization_a, make_robot, make_key):
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
