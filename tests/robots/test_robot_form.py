"""The robot's form: plain fields for JSON columns, the catalogue, and secrets."""

from __future__ import annotations

import html
import math

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from apps.audit.models import AuditLog
from apps.robots.models import Robot
from apps.robots.services.connection import connection_secret_reveal
from tests.support.forms import form_values

ADD = "/admin/robots/robot/add/"
SECRET = "canary-hunter2"


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


@pytest.fixture
def submit(client, organization_a, tenant):
    """Return a function that changes fields of a robot's form and saves it."""

    def send(robot=None, **changes):
        path = ADD if robot is None else reverse("admin:robots_robot_change", args=[robot.pk])
        values = form_values(client.get(path)) | changes
        answer = client.post(path, values)
        notes = [str(message) for message in get_messages(answer.wsgi_request)]
        with tenant(organization_a):
            saved = Robot.objects.filter(name=values["name"]).first()
        return answer, saved, notes

    return send


def errors_of(answer):
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def test_add_fills_axes_payload_and_reach_from_the_catalogue(submit):
    _, robot, notes = submit(name="R", vendor="universal_robots", model="ur 10E", payload="10")
    assert robot.configuration == {"axes": 6, "payload": 10, "reach": 1300}
    assert "Filled in from the catalogue for UR10e: 6 axes, 1300 mm reach." in notes
    assert "Different from the catalogue for UR10e: 12.5 kg payload." in notes


def test_chosen_model_fills_empty_fields_of_a_robot(submit, make_robot, organization_a):
    robot = make_robot(
        organization_a, model="", configuration={"reach": 900, "customSettings": {"a": [1]}}
    )
    _, robot, notes = submit(robot, vendor="mir", model="MiR250")
    assert robot.configuration == {"payload": 250, "reach": 900, "customSettings": {"a": [1]}}
    # A field that is emptied later stays empty.
    _, robot, notes = submit(robot, payload="")
    assert robot.configuration == {"reach": 900, "customSettings": {"a": [1]}}
    assert not [note for note in notes if "catalogue" in note]


def test_unknown_model_fills_nothing(submit):
    _, robot, notes = submit(name="R", vendor="acme", model="Mk 1")
    assert robot.configuration == {}
    assert not [note for note in notes if "catalogue" in note]


def test_form_writes_every_part(submit, make_facility, organization_a):
    make_facility(organization_a, "Hall 1")
    _, robot, _ = submit(
        name="R", vendor="universal_robots", model="UR10e",
        facility="Hall 1", area="North", cell="7", x_m="1.5", y_m="0", heading="90", map_id="m1",
        capabilities=["welding", "assembly"],
        custom_settings_name=["tool", "tcp", "", ""],
        custom_settings_value=["gripper", "2.5", "", ""],
        protocol="rtde", host="10.0.0.7", port="", username="fleet", use_tls="on",
        connection_settings_name=["frequency"], connection_settings_value=["125"],
    )  # fmt: skip
    assert robot.location == {
        "facility": "Hall 1", "area": "North", "cell": "7",
        "coordinates": {"x_m": 1.5, "y_m": 0, "theta_rad": round(math.pi / 2, 6), "map_id": "m1"},
    }  # fmt: skip
    assert robot.configuration["capabilities"] == ["welding", "assembly"]
    assert robot.configuration["customSettings"] == {"tool": "gripper", "tcp": 2.5}
    assert robot.connection_config == {
        "protocol": "rtde", "host": "10.0.0.7", "port": 30004, "username": "fleet",
        "use_tls": True, "settings": {"frequency": 125},
    }  # fmt: skip


FULL = {
    "location": {
        "area": "A",
        "coordinates": {"x_m": 0, "y_m": -2.25, "theta_rad": 0.123456789, "map_id": "m"},
    },
    "configuration": {
        "axes": 6,
        "payload": 0,
        "capabilities": ["welding"],
        "customSettings": {"n": 1.0, "flag": False, "deep": {"a": [1]}, "none": None},
    },
    "connection_config": {
        "protocol": "dashboard",
        "host": "h",
        "port": 1,
        "use_tls": False,
        "settings": {"a": "1", "b": 2},
        "secrets": {"password": SECRET},
    },
}


def test_unchanged_form_changes_nothing(submit, make_robot, organization_a):
    robot = make_robot(organization_a, **FULL)
    answer, saved, _ = submit(robot)
    assert answer.status_code == 302
    for name in FULL:
        assert getattr(saved, name) == getattr(robot, name)
    assert saved.version == robot.version


def test_changed_place_keeps_position_and_secret(submit, make_robot, organization_a, tenant):
    robot = make_robot(organization_a, **FULL)
    _, saved, _ = submit(robot, cell="9", host="h2")
    assert saved.location == {**FULL["location"], "cell": "9"}
    assert saved.connection_config["host"] == "h2"
    with tenant(organization_a):
        assert connection_secret_reveal(saved, "password") == SECRET
    _, saved, _ = submit(saved, x_m="", y_m="", heading="", map_id="", latitude="1", longitude="2")
    assert saved.location["coordinates"] == {"latitude": 1, "longitude": 2}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"axes": "13"}, "axes", "less than or equal to 12"),
        ({"x_m": "1"}, "y_m", "This field is required."),
        ({"heading": "1"}, "x_m", "This field is required."),
        ({"latitude": "1"}, "longitude", "This field is required."),
        ({"latitude": "91", "longitude": "1"}, "latitude", "less than or equal to 90"),
        ({"x_m": "1e9", "y_m": "1"}, "x_m", "Enter a number from"),
        ({"x_m": "1", "y_m": "1", "latitude": "1", "longitude": "1"}, "latitude", "not both"),
        ({"area": "a\u200bb"}, "area", "not"),
        ({"host": "http://x/"}, "host", "host name or IP address"),
        ({"host": "x"}, "protocol", "This field is required."),
        ({"protocol": "soap", "host": "x"}, "protocol", ""),
        ({"protocol": "rtde"}, "host", "This field is required."),
        ({"protocol": "rtde", "host": "x", "port": "0"}, "port", "greater than or equal to 1"),
        (
            {
                "protocol": "rtde", "host": "x",
                "connection_settings_name": ["api_key"], "connection_settings_value": ["x"],
            },
            "connection_settings",
            "api_key: Settings are not encrypted.",
        ),
        ({"custom_settings_value": ["x"], "custom_settings_name": [""]}, "custom_settings", "name"),
    ],
)  # fmt: skip
def test_invalid_value_gets_error_at_its_field(
    changes, field, message, submit, make_robot, organization_a
):
    robot = make_robot(organization_a)
    answer, saved, _ = submit(robot, **changes)
    errors = errors_of(answer)
    assert message in errors[field][0], errors
    assert saved.version == robot.version


# Secrets


def action(robot, name):
    return reverse("admin:robots_robot_act", args=[robot.pk, name])


def test_set_secrets_page_replaces_and_removes(client, make_robot, organization_a, tenant):
    robot = make_robot(organization_a, **FULL)
    page = client.get(action(robot, "replace_secrets")).content.decode()
    assert "Now set, replaced on" in page
    answer = client.post(
        action(robot, "replace_secrets"), {"_confirm": "1", "password": " new secret "}
    )
    assert answer.status_code == 302
    with tenant(organization_a):
        robot.refresh_from_db()
        assert connection_secret_reveal(robot, "password") == " new secret "
    answer = client.post(action(robot, "replace_secrets"), {"_confirm": "1"})
    assert "Enter a secret." in answer.content.decode()
    both = {"_confirm": "1", "password": SECRET, "remove": ["password"]}
    answer = client.post(action(robot, "replace_secrets"), both)
    assert answer.status_code == 200
    assert SECRET not in answer.content.decode()
    client.post(action(robot, "replace_secrets"), {"_confirm": "1", "remove": ["password"]})
    with tenant(organization_a):
        robot.refresh_from_db()
        assert "secrets" not in robot.connection_config


def test_show_secret_page_needs_permission_and_is_audited(
    client, make_robot, organization_a, make_user, client_for, tenant
):
    robot = make_robot(organization_a, **FULL)
    url = action(robot, "reveal_secret")
    assert SECRET not in client.get(url).content.decode()
    answer = client.post(url, {"_confirm": "1", "name": "password"})
    assert SECRET in html.unescape(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    manager = client_for(make_user(organization_a, "manager"))
    assert manager.post(url, {"_confirm": "1", "name": "password"}).status_code == 403
    page = manager.get(reverse("admin:robots_robot_change", args=[robot.pk])).content.decode()
    assert "Set secrets" in page
    assert "Show a secret" not in page
    with tenant(organization_a):
        assert AuditLog.objects.filter(action="robots.robot.reveal_secret").count() == 1


@pytest.mark.parametrize("name", ["replace_secrets", "reveal_secret"])
def test_secret_pages_ask_for_the_password_first(
    name, client, make_robot, organization_a, monkeypatch
):
    robot = make_robot(organization_a, **FULL)
    monkeypatch.setattr("urfmp.common.security.recent_auth.RECENT_AUTH_SECONDS", 0)
    answer = client.get(action(robot, name))
    assert answer.status_code == 403
    assert "Enter your password to continue" in answer.content.decode()


def test_copied_secret_cannot_be_shown(client, make_robot, organization_a, tenant):
    robot = make_robot(organization_a, **FULL)
    other = make_robot(organization_a)
    with tenant(organization_a):
        Robot.objects.filter(pk=other.pk).update(connection_config=robot.connection_config)
    url = action(other, "reveal_secret")
    answer = client.post(url, {"_confirm": "1", "name": "password"}, follow=True)
    assert "cannot be decrypted" in answer.content.decode()
    assert SECRET not in answer.content.decode()
