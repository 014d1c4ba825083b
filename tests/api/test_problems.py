"""Every error is a problem document with a stable code."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from urfmp.common.api.parsers import StrictJsonParser

JSON = "application/json"


def check(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


def test_400_names_invalid_fields(client):
    body = check(client.post("/api/v1/robots", {}, content_type=JSON), 400, "invalid")
    assert set(body["errors"]) == {"name", "vendor"}
    assert all(isinstance(texts, list) for texts in body["errors"].values())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "nope", "{'a': 1}", '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}',
     '{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"a\\u0000": 1}', "[" * 100_000, '"\udc80"'],
)  # fmt: skip
def test_400_for_invalid_or_unstorable_json(text, client):
    body = text.encode("utf-8", "surrogateescape")
    answer = client.generic("POST", "/api/v1/robots", body, content_type=JSON)
    assert answer.status_code == 400
    assert answer.json()["code"] in ({"malformed"} if body else {"invalid", "malformed"})


@pytest.mark.parametrize("depth", [51, 200, 5_000])
def test_400_for_deeply_nested_json(depth, client):
    body = '{"name": "r", "vendor": "abb", "configuration": {"customSettings": {"a": %s}}}'
    body %= "[" * depth + "]" * depth
    answer = client.generic("POST", "/api/v1/robots", body.encode(), content_type=JSON)
    assert check(answer, 400, "malformed")


@pytest.mark.parametrize(
    "body", ['{"name": "a", "name": "b"}', '{"location": {"area": "a", "area": null}}']
)
def test_400_for_duplicate_member(body, client):
    answer = client.generic("POST", "/api/v1/robots", body.encode(), content_type=JSON)
    assert "more than once" in check(answer, 400, "malformed")["detail"]


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1" * 5_000, "-1e400", "1e-400"])
def test_400_for_enormous_numbers(number, client):
    body = f'{{"name": "k", "permissions": [], "rate_limit": {number}}}'
    answer = client.generic("POST", "/api/v1/api-keys", body.encode(), content_type=JSON)
    assert answer.status_code == 400, answer.content


def test_many_and_long_parameters(client):
    many = "&".join(f"p{n}=1" for n in range(5_000))
    check(client.get(f"/api/v1/robots?{many}"), 400, "malformed")
    assert client.get(f"/api/v1/robots?name={'x' * 100_000}").status_code == 200
    assert client.get("/api/v1/robots?name=%ff%fe%ed%a0%80").status_code == 200


def test_head_and_options_succeed(client, robot):
    for path in ("/api/v1/robots", f"/api/v1/robots/{robot.pk}"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert "GET" in client.options(path)["Allow"]
    assert client.head("/api/v1/device/status").status_code == 403


@pytest.mark.parametrize("value", ["[]", "1", "null", '"x"', "true"])
def test_400_for_body_other_than_object(value, client, robot):
    for method, path in (("POST", "/api/v1/robots"), ("PATCH", f"/api/v1/robots/{robot.pk}")):
        answer = client.generic(method, path, value, content_type=JSON)
        assert answer.status_code == 400, (method, value)


def test_401_names_authentication_scheme():
    for path in ("/api/v1/robots", f"/api/v1/robots/{uuid.uuid4()}", "/api/v1/device/status"):
        answer = Client().get(path)
        check(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer")
    answer = Client().get("/api/v1/robots", headers={"x-api-key": "nonsense"})
    check(answer, 401, "authentication_failed")


def test_403_without_permission(bob, client_for):
    answer = client_for(bob).post("/api/v1/robots", {"name": "x"}, content_type=JSON)
    check(answer, 403, "permission_denied")


@pytest.mark.parametrize(
    "name", ["3addef9a-54bb-41ab-a073-3bbee28e32af", "none", "1", "%00", "..", "x" * 3000]
)
def test_404_for_missing_row(name, client):
    check(client.get(f"/api/v1/robots/{name}"), 404, "not_found")


@pytest.mark.parametrize("path", ["nothing", "robots/", "robots/x/y", ""])
def test_404_for_unknown_route(path, client):
    check(client.get(f"/api/v1/{path}"), 404, "not_found")
    check(Client().get(f"/api/v1/{path}"), 404, "not_found")


def test_405_lists_allowed_methods(client, robot):
    answer = client.put(f"/api/v1/robots/{robot.pk}", {}, content_type=JSON)
    check(answer, 405, "method_not_allowed")
    assert "PATCH" in answer["Allow"]
    check(client.delete("/api/v1/robots"), 405, "method_not_allowed")


def test_406_for_unsupported_accept(client):
    check(client.get("/api/v1/robots", headers={"accept": "text/html"}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "media", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_415_for_unsupported_media_type(media, client):
    answer = client.generic("POST", "/api/v1/robots", b"name=x", content_type=media)
    check(answer, 415, "unsupported_media_type")


def test_413_for_large_body(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"name": "x" * 1000})
    answer = client.generic("POST", "/api/v1/robots", body, content_type=JSON)
    check(answer, 413, "too_large")


def test_409_for_conflicting_state(organization_a, client, make_facility, make_robot):
    facility = make_facility(organization_a)
    make_robot(organization_a, location={"facility": facility.name})
    check(client.delete(f"/api/v1/facilities/{facility.pk}"), 409, "facility_in_use")


WRITES = ["robots", "facilities", "users", "maintenance-tasks", "alerts", "api-keys"]


@pytest.mark.parametrize("route", WRITES)
def test_400_for_unknown_and_read_only_fields(route, client):
    answer = client.post(f"/api/v1/{route}", {"colour": "red", "id": "x"}, content_type=JSON)
    errors = check(answer, 400, "invalid")["errors"]
    assert errors["colour"] == ["Unknown field."]
    assert errors["id"] == ["This field is read-only."]


@pytest.mark.parametrize(
    "field",
    ["status", "version", "last_seen", "lifecycle", "is_active", "created_at", "organization"],
)
def test_400_for_server_written_fields_of_robot(field, client, robot):
    answer = client.patch(f"/api/v1/robots/{robot.pk}", {field: None}, content_type=JSON)
    assert set(check(answer, 400, "invalid")["errors"]) == {field}


@pytest.mark.parametrize(
    "route",
    [*WRITES, "organizations", "sessions", "commands", "audit-logs", "robots/{}/commands",
     "robots/{}/status-history"],
)  # fmt: skip
def test_400_for_unknown_parameters(route, client, robot):
    path = f"/api/v1/{route.format(robot.pk)}"
    assert client.get(path).status_code == 200
    for name in ("colour", "Status", "limit", "offset", "page"):
        assert set(check(client.get(path, {name: "1"}), 400, "invalid")["errors"]) == {name}
    for name in ("cursor", "page_size", "ordering", "fields"):
        check(client.get(path, {name: "\x00"}), 400, "invalid")


def test_400_for_null_character_in_filter(client):
    for name in ("name", "vendor", "facility", "serial_number"):
        check(client.get("/api/v1/robots", {name: "a\x00b"}), 400, "invalid")


@pytest.mark.parametrize(
    ("path", "name", "bad", "good"),
    [
        ("robots", "status", "asleep", "offline"),
        ("robots", "is_active", "maybe", "true"),
        ("robots", "is_active", "1", "FALSE"),
        ("alerts", "is_resolved", "no", "false"),
        ("alerts", "severity", "fatal", "error"),
        ("alerts", "robot", "x", "3addef9a-54bb-41ab-a073-3bbee28e32af"),
        ("maintenance-tasks", "due_before", "soon", "2025-01-01T00:00:00Z"),
        ("audit-logs", "created_after", "32", "2025-01-01T00:00:00Z"),
        ("api-keys", "is_active", "2", "true"),
        ("api-keys", "is_active", "", "false"),
        ("alerts", "robot", "", "3addef9a-54bb-41ab-a073-3bbee28e32af"),
    ],
)
def test_400_for_invalid_filter_values(path, name, bad, good, client):
    assert name in check(client.get(f"/api/v1/{path}", {name: bad}), 400, "invalid")["errors"]
    assert client.get(f"/api/v1/{path}", {name: good}).status_code == 200


def test_boolean_filter(client, organization_a, make_robot, tenant):
    from apps.robots.services.robots import robot_retire

    kept, retired = make_robot(organization_a), make_robot(organization_a)
    with tenant(organization_a):
        robot_retire(retired)

    def ids(**parameters):
        return {row["id"] for row in client.get("/api/v1/robots", parameters).json()["results"]}

    assert ids(is_active="true") == {str(kept.pk)}
    assert ids(is_active="false") == {str(retired.pk)}
    assert ids() == {str(kept.pk), str(retired.pk)}


def test_fields_parameter(client, robot):
    path = f"/api/v1/robots/{robot.pk}"
    assert client.get(path, {"fields": "name, id"}).json() == {
        "id": str(robot.pk),
        "name": robot.name,
    }
    rows = client.get("/api/v1/robots", {"fields": "status"}).json()["results"]
    assert rows == [{"status": "offline"}]
    body = check(client.get(path, {"fields": "name,colour"}), 400, "invalid")
    assert body["errors"] == {"fields": ["Unknown field: colour."]}
    assert set(client.get(path, {"fields": ""}).json()) > {"id", "name"}


TEXT = st.text(st.characters(), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)
FIELDS = {
    "robots": ["name", "vendor", "model", "serial_number", "location", "configuration"],
    "facilities": ["name", "timezone", "floor_plan"],
    "users": ["email", "first_name", "role", "permissions", "is_active"],
    "maintenance-tasks": [
        "robot", "title", "type", "priority", "assigned_to", "scheduled_at", "due_at",
        "estimated_duration", "cost", "parts_used", "notes",
    ],
    "alerts": ["robot", "type", "severity", "title", "message", "source", "metadata"],
    "api-keys": ["name", "permissions", "robot", "rate_limit", "expires_at"],
}  # fmt: skip
GOOD = {
    "robots": {"name": "r", "vendor": "abb"},
    "facilities": {},
    "users": {"role": "viewer"},
    "maintenance-tasks": {"title": "t", "type": "cleaning"},
    "alerts": {"type": "system", "severity": "info", "title": "t", "message": "m"},
    "api-keys": {"name": "k", "permissions": []},
}


@pytest.mark.parametrize("route", FIELDS)
def test_any_value_of_any_field_is_stored_or_gets_400(route, client):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes=st.dictionaries(st.sampled_from(FIELDS[route]), VALUES, min_size=1, max_size=2))
    def run(changes):
        unique = {
            "facilities": {"name": uuid.uuid4().hex},
            "users": {"email": f"{uuid.uuid4()}@x.de"},
        }
        body = json.dumps({**GOOD[route], **unique.get(route, {}), **changes})
        answer = client.generic("POST", f"/api/v1/{route}", body, content_type=JSON)
        # A repeated alert gets 200.
        assert answer.status_code in {200, 201, 400, 403}, (body, answer.content)

    run()


def test_failed_write_rolls_back(client, organization_a, tenant):
    from apps.robots.models import Robot

    body = {"name": "x", "vendor": "abb", "location": {"facility": "none"}}
    check(client.post("/api/v1/robots", body, content_type=JSON), 400, "invalid")
    with tenant(organization_a):
        assert not Robot.objects.exists()


def test_parser_reads_at_most_the_limit(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    read = []

    class Endless:
        def read(self, size=-1):
            read.append(size)
            return b"1" * size

    with pytest.raises(Exception, match="too large"):
        StrictJsonParser().parse(Endless())
    assert read == [11]


def test_session_write_without_csrf_token_gets_403(alice, client_for):
    client = client_for(alice, enforce_csrf_checks=True)
    body = {"name": "Hall"}
    check(client.post("/api/v1/facilities", body, content_type=JSON), 403, "permission_denied")
    assert client.get("/api/v1/facilities").json()["results"] == []
    client.get("/admin/")
    token = client.cookies["urfmp_csrf"].value
    headers = {"x-csrftoken": token}
    answer = client.post("/api/v1/facilities", body, content_type=JSON, headers=headers)
    assert answer.status_code == 201
    headers = {"x-csrftoken": token[::-1]}
    answer = client.post("/api/v1/facilities", body, content_type=JSON, headers=headers)
    check(answer, 403, "permission_denied")


def test_api_key_write_needs_no_csrf_token(organization_a, make_key):
    key = make_key(organization_a, ["organization:read", "organization:write"])
    answer = Client(enforce_csrf_checks=True).post(
        "/api/v1/facilities",
        {"name": "Hall"},
        content_type=JSON,
        headers={"authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/schema"])
def test_docs_pages_return_problems(path, client):
    check(Client().get(path), 401, "not_authenticated")
    check(client.get(path, headers={"accept": "image/png"}), 406, "not_acceptable")
    check(client.post(path), 405, "method_not_allowed")
