from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.robots.models import Robot, RobotCommand
from apps.robots.services.commands.creation import command_create
from apps.robots.services.status import robot_report_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(organization_a, make_robot, tenant):
    """A robot that is online, has six axes and carries 5 kg within 900 mm."""
    configuration = {"axes": 6, "payload": 5, "reach": 900}
    robot = make_robot(organization_a, name="Welder", vendor="kuka", configuration=configuration)
    with tenant(organization_a):
        robot_report_status(robot_id=robot.pk, status="idle")
    return robot


@pytest.fixture
def operator(organization_a, make_user):
    return make_user(organization_a, "operator")


@pytest.fixture
def client(operator, client_for):
    return client_for(operator)


def url_of(robot, **query):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{reverse('admin:robot_command_page', args=[robot.pk])}?{pairs}"


def form_of(client, url, **values):
    """Return the values of the form at a URL, as a browser would send them."""
    page = client.get(url).content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', page).group(1)
    return {"form_token": token, "priority": "normal", **values}


@pytest.fixture
def commands_of(tenant, organization_a):
    def read(robot):
        with tenant(organization_a):
            return list(RobotCommand.objects.filter(robot=robot).order_by("created_at"))

    return read


def test_command_page_offers_types_of_robot_without_stop_request(robot, client):
    page = client.get(url_of(robot)).content.decode()

    for label in ("Start", "Pause", "Move to position", "Run program", "Custom"):
        assert f">{label}</a>" in page
    assert "Emergency stop</a>" not in page


def test_sent_form_creates_command_and_shows_it(robot, operator, client, commands_of):
    url = url_of(robot, type="pause")

    response = client.post(url, form_of(client, url, **{"payload.reason": "Shift change"}))

    (command,) = commands_of(robot)
    assert response["Location"] == reverse("admin:robots_robotcommand_change", args=[command.pk])
    assert (command.type, command.payload) == ("pause", {"reason": "Shift change"})
    assert command.user_id == operator.pk
    page = client.get(response["Location"]).content.decode()
    assert f'data-command-id="{command.pk}"' in page
    assert "Expires" in page


def test_repeated_form_creates_one_command(robot, client, commands_of):
    url = url_of(robot, type="pause")
    form = form_of(client, url)

    first, second = client.post(url, form), client.post(url, form)

    assert first["Location"] == second["Location"]
    assert len(commands_of(robot)) == 1


def test_form_sent_again_with_other_values_is_rejected_with_new_token(robot, client, commands_of):
    url = url_of(robot, type="pause")
    form = form_of(client, url)
    client.post(url, form)

    second = client.post(url, {**form, "priority": "high"})

    page = second.content.decode()
    assert second.status_code == 400
    assert "was sent before, with other values" in page
    assert form["form_token"] not in page
    assert len(commands_of(robot)) == 1


@pytest.mark.parametrize(
    ("query", "values", "payload"),
    [
        (
            {"type": "move_to_position", "target": "joints_rad"},
            {"payload.joints_rad": "0 -1.57 1.57 0 0 0", "payload.speed_percent": "20"},
            {"joints_rad": [0, -1.57, 1.57, 0, 0, 0], "speed_percent": 20},
        ),
        (
            {"type": "move_to_position", "target": "pose"},
            {"payload.pose.x_m": "0.1", "payload.pose.y_m": "0", "payload.pose.z_m": "0.4"},
            {"pose": {"x_m": 0.1, "y_m": 0, "z_m": 0.4}},
        ),
        (
            {"type": "run_program"},
            {"payload.program": "weld", "payload.parameters": "speed = 5\nmode = fast"},
            {"program": "weld", "parameters": {"speed": 5, "mode": "fast"}},
        ),
        ({"type": "set_speed"}, {"payload.speed_percent": "0"}, {"speed_percent": 0}),
    ],
)
def test_fields_become_payload(query, values, payload, robot, client, commands_of):
    url = url_of(robot, **query)

    response = client.post(url, form_of(client, url, **values))

    assert response.status_code == 302, response.content.decode()
    (command,) = commands_of(robot)
    assert command.payload == payload


@pytest.mark.parametrize(
    ("query", "values", "field"),
    [
        (
            {"type": "move_to_position", "target": "joints_rad"},
            {"payload.joints_rad": "0 0 0"},
            "payload.joints_rad",
        ),
        (
            {"type": "move_to_position", "target": "joints_rad"},
            {"payload.joints_rad": "0 x"},
            "payload.joints_rad",
        ),
        (
            {"type": "run_program"},
            {"payload.program": "weld", "payload.payload_kg": "6"},
            "payload.payload_kg",
        ),
        ({"type": "run_program"}, {}, "payload.program"),
        (
            {"type": "run_program"},
            {"payload.program": "weld", "payload.parameters": "speed"},
            "payload.parameters",
        ),
        ({"type": "start"}, {"expires_in": "301"}, "expires_in"),
        ({"type": "start"}, {"scheduled_at": "2199-01-01T00:00"}, "scheduled_at"),
        ({"type": "start"}, {"priority": "now"}, "priority"),
    ],
)
def test_invalid_value_shows_error_at_field(query, values, field, robot, client, commands_of):
    url = url_of(robot, **query)

    response = client.post(url, form_of(client, url, **values))

    assert response.status_code == 400
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not commands_of(robot)


def test_unreachable_pose_shows_error(robot, client):
    url = url_of(robot, type="move_to_position", target="pose")
    values = {"payload.pose.x_m": "2", "payload.pose.y_m": "0", "payload.pose.z_m": "0"}

    response = client.post(url, form_of(client, url, **values))

    assert response.status_code == 400
    assert "the robot reaches 0.9 m" in response.content.decode()


def test_firmware_update_is_confirmed_first(robot, client, commands_of):
    url = url_of(robot, type="update_firmware")
    form = form_of(client, url, **{"payload.version": "2.1"})

    question = client.post(url, form)
    assert not commands_of(robot)
    answer = client.post(url, {**form, "_confirm": "1"})

    page = question.content.decode()
    assert "Update firmware Welder?" in page
    assert 'name="payload.version" value="2.1"' in page
    assert answer.status_code == 302
    assert len(commands_of(robot)) == 1


def test_robot_that_cannot_be_commanded_shows_reason(robot, client, tenant, organization_a):
    with tenant(organization_a):
        Robot.objects.filter(pk=robot.pk).update(status="offline")
    url = url_of(robot, type="start")

    response = client.post(url, form_of(client, url))

    assert response.status_code == 400
    assert "The robot is offline." in response.content.decode()


def test_second_user_sees_who_controls_the_robot(
    robot, operator, organization_a, make_user, client_for, tenant
):
    with tenant(organization_a):
        command_create(robot=robot, type="start", user=operator)
    url = url_of(robot, type="resume")
    second = client_for(make_user(organization_a, "operator"))

    page = second.get(url).content.decode()
    response = second.post(url, form_of(second, url))

    assert f"{operator} controls this robot until" in page
    assert response.status_code == 400
    assert "controls the robot" in response.content.decode()


@pytest.mark.parametrize("role", ["viewer", "technician"])
def test_role_that_cannot_command_gets_403_and_no_button(
    role, robot, organization_a, make_user, client_for
):
    other = client_for(make_user(organization_a, role))

    assert other.get(url_of(robot)).status_code == 403
    assert other.post(url_of(robot, type="start"), {}).status_code == 403
    page = other.get(reverse("admin:robot_page", args=[robot.pk])).content.decode()
    assert reverse("admin:robot_command_page", args=[robot.pk]) not in page


def test_robot_of_other_organization_gets_404(client, organization_b, make_robot):
    assert client.get(url_of(make_robot(organization_b))).status_code == 404


@pytest.mark.parametrize("query", [{"type": "emergency_stop"}, {"type": "no-such"}, {}])
def test_unknown_type_shows_the_choice(query, robot, client, commands_of):
    response = client.post(url_of(robot, **query), {"priority": "normal"})

    assert response.status_code == 200
    assert "Choose a type." in response.content.decode()
    assert not commands_of(robot)


def test_command_page_query_count(robot, client, django_assert_max_num_queries):
    url = url_of(robot, type="run_program")
    client.get(url)

    with django_assert_max_num_queries(12):
        client.get(url)


def test_list_action_leads_to_form_of_several_robots(robot, client, organization_a, make_robot):
    other = make_robot(organization_a, name="Gluer")
    selected = {"action": "send_command", "_selected_action": [str(robot.pk), str(other.pk)]}

    response = client.post(reverse("admin:robots_robot_changelist"), selected)

    page = client.get(response["Location"]).content.decode()
    assert "Welder" in page
    assert "Gluer" in page
    assert "Command for all of them" in page


def test_command_for_several_robots_shows_result_of_each(
    robot, client, organization_a, organization_b, make_robot, commands_of
):
    offline = make_robot(organization_a, name="Gluer")
    foreign = make_robot(organization_b)
    ids = "&".join(f"robot={one.pk}" for one in (robot, offline, foreign))
    url = f"{reverse('admin:commands_page')}?{ids}&type=start"
    form = form_of(client, url)

    first, second = client.post(url, form), client.post(url, form)

    for response in (first, second):
        page = response.content.decode()
        assert response.status_code == 200
        assert "The robot is offline." in page
        assert len(response.context["results"]) == 2
    (command,) = commands_of(robot)
    assert f'data-command-id="{command.pk}"' in first.content.decode()
    assert "no command was sent again" in second.content.decode()
    assert not commands_of(offline)


def test_commands_page_without_robots_says_what_to_do(client):
    page = client.get(f"{reverse('admin:commands_page')}?robot=x&type=start").content.decode()

    assert "Select robots in the" in page


@pytest.fixture
def unknown(robot, operator, tenant, organization_a):
    with tenant(organization_a):
        command = command_create(robot=robot, type="start", user=operator)
        for status in ("sent", "unknown"):
            RobotCommand.objects.filter(pk=command.pk).update(status=status)
    return command


def act_url(command, name):
    return reverse("admin:robots_robotcommand_act", args=[command.pk, name])


def test_unknown_command_is_settled_with_note(unknown, robot, operator, client, commands_of):
    page = client.get(reverse("admin:robots_robotcommand_change", args=[unknown.pk]))
    form = {"_confirm": "1", "outcome": "failed", "note": "It is at the door."}

    client.post(act_url(unknown, "settle"), form)

    assert act_url(unknown, "settle") in page.content.decode()
    (command,) = commands_of(robot)
    assert (command.status, command.settled_by_id) == ("failed", operator.pk)
    settled = client.get(reverse("admin:robots_robotcommand_change", args=[unknown.pk]))
    assert f"Settled by {operator}" in settled.content.decode()


def test_settling_without_note_shows_error(unknown, client, robot, commands_of):
    client.post(act_url(unknown, "settle"), {"_confirm": "1", "outcome": "failed", "note": " "})

    assert commands_of(robot)[0].status == "unknown"


def test_pending_command_is_cancelled(robot, operator, client, tenant, commands_of, organization_a):
    with tenant(organization_a):
        command = command_create(robot=robot, type="pause", user=operator)

    client.post(act_url(command, "cancel"), {"_confirm": "1", "reason": "Wrong robot"})

    (command,) = commands_of(robot)
    assert (command.status, command.cancelled_by_id) == ("cancelled", operator.pk)
    assert command.error_message == "Wrong robot"


def test_viewer_cannot_settle(unknown, organization_a, make_user, client_for, robot, commands_of):
    viewer = client_for(make_user(organization_a, "viewer"))
    form = {"_confirm": "1", "outcome": "completed", "note": "Seen"}

    assert viewer.post(act_url(unknown, "settle"), form).status_code == 403
    assert commands_of(robot)[0].status == "unknown"


def test_robot_page_lists_commands_with_state_and_author(unknown, robot, operator, client):
    page = client.get(reverse("admin:robot_page", args=[robot.pk]), {"tab": "history"})

    text = page.content.decode()
    assert 'data-value="unknown"' in text
    assert str(operator) in text
    assert f'data-robot="{robot.pk}"' in text
