"""Commands through the API."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from apps.robots.api import commands
from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.expiry import commands_mark_unknown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(alice, client_for):
    """Send a POST as Alice, or with another client, and a new Idempotency-Key."""
    own = client_for(alice)

    def send(path, body=None, *, client=own, key=None, **headers):
        return client.post(
            path,
            body or {},
            content_type="application/json",
            headers={"Idempotency-Key": key or uuid.uuid4().hex, **headers},
        )

    send.client = own
    return send


def commands_of(commanded):
    return reverse("api:robot-commands", kwargs={"robot_id": commanded.robot.pk})


def command_url(command, name):
    return reverse(f"api:command-{name}", kwargs={"pk": command.pk})


def count(commanded):
    return commanded.do(RobotCommand.objects.filter(robot=commanded.robot).count)


def test_create_returns_stored_command_and_executes_nothing(commanded, post, alice):
    """The original answered 'success' with an invented execution time."""
    answer = post(commands_of(commanded), {"type": "start"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["user"]) == ("pending", str(alice.pk))
    for name in ("sent_at", "executed_at", "completed_at", "result", "progress"):
        assert body[name] is None
    assert commanded.claim().pk == uuid.UUID(body["id"])
    assert commanded.claim() is None


@pytest.mark.parametrize(
    "payload",
    [
        {"joints_rad": [0, -1.57, 1.57, 0.25, 0, 0], "speed_percent": 20, "payload_kg": 1.5},
        {"pose": {"x_m": 0.4, "y_m": -0.2, "z_m": 0.5, "rx_rad": 0, "ry_rad": 3.1, "rz_rad": 0}},
    ],
)
def test_payload_is_handed_over_unchanged(commanded, post, payload):
    """The original accepted joint values, and dropped them silently."""
    answer = post(commands_of(commanded), {"type": "move_to_position", "payload": payload})
    assert (answer.status_code, answer.json()["payload"]) == (201, payload)
    assert commanded.claim().payload == payload


def test_create_requires_idempotency_key_and_repeats_once(commanded, post):
    path, body = commands_of(commanded), {"type": "pause"}
    missing = post.client.post(path, body, content_type="application/json")
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_required")
    first, again = post(path, body, key="k-1"), post(path, body, key="k-1")
    assert (first.json(), again["Idempotency-Replayed"]) == (again.json(), "true")
    assert count(commanded) == 1
    assert post(path, {"type": "stop"}, key="k-1").status_code == 422


@pytest.mark.parametrize(
    ("type_", "payload", "field"),
    [
        ("start", {"speed": 5}, "payload.speed"),
        ("move_to_position", {}, "payload"),
        ("move_to_position", {"joints_rad": [0, 0], "pose": {}}, "payload"),
        ("move_to_position", {"joints_rad": [0] * 5}, "payload.joints_rad"),
        ("move_to_position", {"joints_rad": [0] * 5 + [99]}, "payload.joints_rad.5"),
        ("move_to_position", {"joints_rad": [0] * 5 + [True]}, "payload.joints_rad.5"),
        ("move_to_position", {"pose": {"x_m": 9, "y_m": 0, "z_m": 0}}, "payload.pose"),
        ("move_to_position", {"pose": {"x_m": 1, "y_m": 0}}, "payload.pose.z_m"),
        ("run_program", {}, "payload.program"),
        ("run_program", {"program": "A", "payload_kg": 11}, "payload.payload_kg"),
        ("run_program", {"program": "A", "speed_percent": 101}, "payload.speed_percent"),
        ("run_program", {"program": "A", "parameters": {"a": []}}, "payload.parameters.a"),
        ("set_speed", {"speed_percent": -1}, "payload.speed_percent"),
        ("update_firmware", {"version": "1", "url": "http://x.example/f"}, "payload.url"),
        ("update_firmware", {"version": "1", "sha256": "xyz"}, "payload.sha256"),
        ("custom", {"name": ""}, "payload.name"),
    ],
)
def test_invalid_payload_names_the_field(
    organization_a, make_commanded, post, type_, payload, field
):
    commanded = make_commanded(
        organization_a, vendor="custom", configuration={"axes": 6, "payload": 10, "reach": 1300}
    )
    answer = post(commands_of(commanded), {"type": type_, "payload": payload})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in answer.json()["errors"]
    assert count(commanded) == 0


def test_valid_payloads_are_stored_as_sent(organization_a, make_commanded, post):
    commanded = make_commanded(
        organization_a, vendor="custom", configuration={"axes": 6, "payload": 10, "reach": 1300}
    )
    payloads = {
        "move_to_position": {"joints_rad": [0, 0.5, -1, 0, 0, 0], "payload_kg": 2},
        "set_speed": {"speed_percent": 12.5},
        "load_program": {"program": "SEAL_R_12", "parameters": {"parts": 4, "fast": True}},
        "update_firmware": {"version": "5.21", "url": "https://x.example/f", "sha256": "a" * 64},
    }
    for type_, payload in payloads.items():
        answer = post(commands_of(commanded), {"type": type_, "payload": payload})
        assert answer.json().get("payload") == payload, answer.json()


def test_lifetime_is_limited_by_the_type(commanded, post):
    path = commands_of(commanded)
    assert post(path, {"type": "start", "expires_in": 300}).status_code == 201
    too_long = post(path, {"type": "start", "expires_in": 301})
    assert (too_long.status_code, list(too_long.json()["errors"])) == (400, ["expires_in"])
    assert post(path, {"type": "pause", "expires_in": 86_400}).status_code == 201


def test_blocked_command_names_the_reason(commanded, post, client_for, make_user, organization_a):
    path = commands_of(commanded)
    other = client_for(make_user(organization_a, "operator", first_name="Olga"))
    assert post(path, {"type": "start"}, client=other).status_code == 201
    held = post(path, {"type": "start"})
    assert (held.status_code, held.json()["code"], held.json()["holder"]) == (
        409, "lease_held", "Olga",
    )  # fmt: skip
    assert post(f"/api/v1/robots/{commanded.robot.pk}/take-control").status_code == 200
    assert post(path, {"type": "start"}).status_code == 201
    commanded.claim()
    assert post(path, {"type": "resume"}).json()["code"] == "motion_in_flight"
    commanded.update(status="offline")
    assert post(path, {"type": "resume"}).json()["code"] == "robot_offline"


def test_many_robots_have_a_result_each(
    organization_a, organization_b, make_commanded, post, make_robot
):
    online, offline = make_commanded(organization_a), make_commanded(organization_a)
    offline.update(status="offline")
    foreign, unknown = make_robot(organization_b).pk, uuid.uuid4()
    robots = [online.robot.pk, offline.robot.pk, foreign, unknown]
    answer = post("/api/v1/commands", {"robots": [str(pk) for pk in robots], "type": "start"})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["robot"] for result in results] == [str(pk) for pk in robots]
    assert results[0]["command"]["status"] == "pending"
    assert [result["error"] and result["error"]["code"] for result in results] == [
        None, "robot_offline", "not_found", "not_found",
    ]  # fmt: skip
    assert (count(online), count(offline)) == (1, 0)


def test_many_robots_are_locked_in_one_order(organization_a, make_commanded, post, monkeypatch):
    """Two requests with the same robots in other orders would wait for each other."""
    robots = sorted(make_commanded(organization_a).robot.pk for _ in range(4))
    locked, create = [], commands._create

    def recorded(robot, *arguments):
        locked.append(robot.pk)
        return create(robot, *arguments)

    monkeypatch.setattr(commands, "_create", recorded)
    wanted = [str(robots[n]) for n in (2, 0, 3, 1, 0)]
    answer = post("/api/v1/commands", {"robots": wanted, "type": "pause"})
    assert [result["robot"] for result in answer.json()["results"]] == wanted[:4]
    assert locked == robots


def test_command_is_cancelled_until_it_is_handed_over(commanded, post):
    command = commanded.create()
    answer = post(command_url(command, "cancel"), {"reason": "Wrong robot"})
    assert (answer.json()["status"], answer.json()["error_message"]) == ("cancelled", "Wrong robot")
    sent = commanded.create()
    commanded.claim()
    answer = post(command_url(sent, "cancel"))
    assert (answer.status_code, answer.json()["code"]) == (409, "command_state")


def test_unknown_command_is_settled_by_a_user(commanded, post, make_key, alice, organization_a):
    command = commanded.create()
    commanded.claim()
    path, body = command_url(command, "settle"), {"outcome": "completed", "note": "It is paused."}
    assert post(path, body).json()["code"] == "command_state"
    commanded.pass_time(11)
    commanded.do(commands_mark_unknown)
    from django.test import Client

    key = Client(headers={"x-api-key": make_key(organization_a, ["robots:command"])})
    assert post(path, body, client=key).status_code == 403
    answer = post(path, body)
    assert (answer.json()["status"], answer.json()["settled_by"]) == ("completed", str(alice.pk))
    assert answer.json()["result"] == {"note": "It is paused."}


def test_second_user_approves(commanded, post, make_user, client_for, organization_a):
    commanded.do(type(organization_a).objects.update, settings={"second_approval_required": True})
    operator = client_for(make_user(organization_a, "operator"))
    body = {"type": "update_firmware", "payload": {"version": "5.21"}}
    created = post(commands_of(commanded), body, client=operator).json()
    assert created["status"] == "pending_approval"
    path = f"/api/v1/commands/{created['id']}/approve"
    assert post(path, client=operator).json()["code"] == "approval_by_author"
    assert post(path).json()["status"] == "pending"


def test_stop_request_of_a_robot_says_what_it_is(commanded, post):
    waiting = commanded.create()
    path = f"/api/v1/robots/{commanded.robot.pk}/stop-requests"
    answer = post.client.post(path, {"reason": "Smoke"}, content_type="application/json")
    assert answer.status_code == 201
    assert "not a safety device" in answer.json()["notice"]
    (command,) = answer.json()["commands"]
    assert (command["type"], command["payload"]) == ("emergency_stop", {"reason": "Smoke"})
    assert commanded.read(waiting).status == "cancelled"
    assert post.client.get(f"/api/v1/robots/{commanded.robot.pk}").json()["status"] == (
        "emergency_stop"
    )
    assert post(commands_of(commanded), {"type": "reset"}).status_code == 201
    robot = commanded.do(Robot.objects.get, pk=commanded.robot.pk)
    assert (robot.stop_latched_at, robot.status) == (None, "idle")


def test_stop_request_sends_the_type_and_switches_nothing_off(commanded, post):
    """The original's adapter switched the controller off on an emergency stop."""
    answer = post(commands_of(commanded), {"type": "emergency_stop"})
    assert answer.status_code == 201
    command = commanded.claim()
    assert (command.type, command.payload) == ("emergency_stop", {})
    rows = commanded.do(
        lambda: list(
            RobotCommand.objects.filter(robot=commanded.robot).values_list("type", flat=True)
        )
    )
    assert rows == ["emergency_stop"]


def test_stop_request_of_a_cell_stops_its_robots_only(
    organization_a, make_facility, make_commanded, post
):
    make_facility(organization_a, "Hall 1")
    place = {"facility": "Hall 1", "area": "North", "cell": "7"}
    inside = [make_commanded(organization_a, location=place) for _ in range(2)]
    outside = make_commanded(organization_a, location={**place, "cell": "8"})
    answer = post("/api/v1/stop-requests", {"facility": "Hall 1", "cell": "7"})
    assert {command["robot"] for command in answer.json()["commands"]} == {
        str(robot.robot.pk) for robot in inside
    }
    assert (count(outside), count(inside[0])) == (0, 1)
    empty = post("/api/v1/stop-requests", {"facility": "Hall 9"})
    assert (empty.status_code, list(empty.json()["errors"])) == (400, ["facility"])


def test_viewer_and_robot_key_cannot_command(
    commanded, post, bob, client_for, make_key, organization_a
):
    from django.test import Client

    device = make_key(organization_a, ["commands:write"], robot=commanded.robot)
    for client in (client_for(bob), Client(headers={"x-api-key": device})):
        for path in (commands_of(commanded), f"/api/v1/robots/{commanded.robot.pk}/stop-requests"):
            assert post(path, {"type": "pause"}, client=client).status_code in {403, 404}
    assert count(commanded) == 0


def test_other_organization_gets_404(commanded, post, charlie, client_for):
    client = client_for(charlie)
    command = commanded.create()
    paths = [
        (commands_of(commanded), {"type": "pause"}),
        (f"/api/v1/robots/{commanded.robot.pk}/stop-requests", {}),
        (f"/api/v1/robots/{commanded.robot.pk}/take-control", {}),
        *((command_url(command, name), {}) for name in ("cancel", "approve", "reject", "settle")),
    ]
    for path, body in paths:
        assert post(path, body, client=client).status_code == 404, path
    assert commanded.read(command).status == "pending"


def test_list_is_filtered(commanded, post):
    commanded.create("pause")
    commanded.create("stop")
    listed = post.client.get(
        commands_of(commanded), {"status": ["pending", "sent"], "type": "stop"}
    )
    assert [row["type"] for row in listed.json()["results"]] == ["stop"]
    assert post.client.get(commands_of(commanded), {"status": "sent"}).json()["results"] == []
