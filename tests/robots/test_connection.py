"""Connection settings: validation, encrypted secrets, replacing and revealing them."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models.idempotency import IdempotencyRecord
from apps.audit.models import AuditLog
from apps.robots.choices import Vendor
from apps.robots.exceptions import SecretNotSetError, SecretUnreadableError
from apps.robots.models import Robot
from apps.robots.protocols.settings_schema import CONNECTION, connection_errors
from apps.robots.selectors.connection import secret_times, stored_secrets
from apps.robots.selectors.profiles import VENDOR_PROFILES, vendor_profile
from apps.robots.services.connection import connection_secret_reveal
from apps.robots.services.robots import robot_register, robot_update
from tests.support.concurrency import run_concurrently
from urfmp.common.security import encrypted_columns
from urfmp.common.tenancy.context import tenant_transaction

PASSWORD = "canary-open-sesame"
TOKEN = "canary-second"
CONNECTION_CONFIG = {
    "protocol": "rtde",
    "host": "10.0.0.7",
    "port": 30004,
    "username": "fleet",
    "settings": {"frequency": 125, "frame": "base"},
    "secrets": {"password": PASSWORD},
}
JSON = "application/json"


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, connection_config=CONNECTION_CONFIG)


def column(robot):
    return Robot.objects.get(pk=robot.pk).connection_config


def actions():
    return sorted(row.action for row in AuditLog.objects.filter(resource_type="robot"))


# Validation


def test_profiles_accept_their_protocols_and_secrets():
    for profile in VENDOR_PROFILES.values():
        for protocol in profile.protocols:
            value = {"protocol": protocol.value, "host": "plc.example", "secrets": {}}
            value["secrets"] = dict.fromkeys((s.value for s in profile.secrets), "x")
            assert connection_errors(value, profile) == {}


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"protocol": "soap"}, "protocol", "Choose one of rtde, dashboard"),
        ({"protocol": None}, "protocol", "Choose one of rtde, dashboard"),
        ({"host": ""}, "host", "may not be empty"),
        ({"host": "http://10.0.0.7/"}, "host", "host name or IP address"),
        ({"host": "a b"}, "host", "host name or IP address"),
        ({"host": 7}, "host", "Enter a text."),
        ({"host": "h" * 254}, "host", "at most 253 characters"),
        ({"port": 0}, "port", "whole number from 1 to 65535"),
        ({"port": 65536}, "port", "whole number from 1 to 65535"),
        ({"port": "30004"}, "port", "whole number from 1 to 65535"),
        ({"port": True}, "port", "whole number from 1 to 65535"),
        ({"username": "a\nb"}, "username", "user name in one line"),
        ({"use_tls": "yes"}, "use_tls", "Enter true or false."),
        ({"colour": "red"}, "colour", "Unknown field."),
        ({"password": "x"}, "password", "Unknown field."),
        ({"settings": []}, "settings", "Enter an object"),
        ({"settings": {"a": {}}}, "settings.a", "Enter a text."),
        ({"settings": {"pass_word2": "x", "api_key": "x"}}, "settings", "api_key: Settings are"),
        ({"settings": {"": "x"}}, "settings", "1 to 100 characters"),
        ({"settings": {str(n): n for n in range(51)}}, "settings", "at most 50 entries"),
        ({"secrets": {"token": "x"}}, "secrets.token", "Unknown field."),
        ({"secrets": {"password": ""}}, "secrets.password", "may not be empty"),
        ({"secrets": {"password": 7}}, "secrets.password", "Enter a text."),
        ({"secrets": {"password": "x" * 8193}}, "secrets.password", "at most 8192 characters"),
    ],
)
def test_invalid_connection_gets_error_of_field(changes, path, message):
    value = {**CONNECTION_CONFIG, **changes}
    errors = connection_errors(value, vendor_profile(Vendor.UNIVERSAL_ROBOTS))
    assert list(errors) == [f"connection_config.{path}"]
    assert message in errors[f"connection_config.{path}"][0]


@pytest.mark.parametrize("host", ["::1", "fe80::1", "2001:db8::7", "robot-7.plant_1.example", "h"])
def test_host_accepts_names_and_addresses(host):
    value = {**CONNECTION_CONFIG, "host": host}
    assert connection_errors(value, vendor_profile(Vendor.UNIVERSAL_ROBOTS)) == {}


def test_missing_fields_are_named():
    errors = connection_errors({}, vendor_profile("any"))
    assert errors == {
        "connection_config.protocol": ["This field is required."],
        "connection_config.host": ["This field is required."],
    }
    assert list(connection_errors([], vendor_profile("any"))) == ["connection_config"]


NAMES = st.sampled_from([*CONNECTION["properties"], "password", "token", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(
    ANYTHING | st.fixed_dictionaries({}, optional=dict.fromkeys(CONNECTION["properties"], ANYTHING))
)
def test_any_connection_is_valid_or_has_errors_of_its_paths(value):
    errors = connection_errors(value, vendor_profile(Vendor.CUSTOM))
    assert all(path.split(".")[0] == "connection_config" for path in errors)
    if not errors:
        assert isinstance(value, dict)
        assert {"protocol", "host"} <= value.keys()


def test_changed_vendor_must_support_the_protocol(organization_a, robot, tenant):
    with tenant(organization_a):
        with pytest.raises(ValidationError) as caught:
            robot_update(robot, vendor="mir")
        assert list(caught.value.message_dict) == ["connection_config.protocol"]
        robot.refresh_from_db()
        robot_update(
            robot, vendor="mir", connection_config={"protocol": "http", "host": "mir.example"}
        )
        # The password stays.
        assert connection_secret_reveal(robot, "password") == PASSWORD


# Storage


def test_secret_is_stored_encrypted_and_audited_by_name(organization_a, robot, tenant):
    with tenant(organization_a):
        stored = column(robot)
        assert stored["secrets"]["password"]["value"].startswith("v1.")
        assert PASSWORD not in json.dumps(stored)
        assert {k: v for k, v in stored.items() if k != "secrets"} == {
            k: v for k, v in CONNECTION_CONFIG.items() if k != "secrets"
        }
        assert actions() == ["robots.robot.create", "robots.robot.replace_secret"]
        created = AuditLog.objects.get(action="robots.robot.create")
        replaced = AuditLog.objects.get(action="robots.robot.replace_secret")
        audited = created.after["connection_config"]
        assert audited["host"] == "10.0.0.7"
        assert audited["secrets"]["password"]["value"] == "[secret]"
        assert audited["secrets"]["password"]["set_at"]
        assert replaced.request_data == {"names": ["password"]}
        assert PASSWORD not in str(
            [(r.before, r.after, r.request_data) for r in (created, replaced)]
        )


def test_update_keeps_replaces_and_removes_secrets(organization_a, make_robot, tenant):
    robot = make_robot(organization_a, vendor="custom", connection_config=CONNECTION_CONFIG)
    with tenant(organization_a):
        first = secret_times(robot.connection_config)["password"]
        # A GET sent back keeps the secret.
        shown = {"protocol": "http", "host": "h", "secrets": {"password": {"replaced_at": "x"}}}
        robot_update(robot, connection_config=shown)
        assert secret_times(column(robot)) == {"password": first}
        robot_update(robot, connection_config={"secrets": {"token": TOKEN}})
        assert column(robot)["host"] == "h"
        assert connection_secret_reveal(robot, "password") == PASSWORD
        assert connection_secret_reveal(robot, "token") == TOKEN
        robot_update(robot, connection_config={"secrets": {"password": "new"}})
        assert secret_times(column(robot))["password"] > first
        assert connection_secret_reveal(robot, "password") == "new"
        robot_update(robot, connection_config={"secrets": {"password": None}})
        with pytest.raises(SecretNotSetError):
            connection_secret_reveal(robot, "password")
        assert set(stored_secrets(column(robot))) == {"token"}
        robot_update(robot, connection_config=None)
        assert column(robot) is None
        with pytest.raises(ValidationError):
            robot_update(robot, connection_config={"secrets": {"password": "without host"}})


def test_reveal_writes_audit_row(organization_a, robot, tenant):
    with tenant(organization_a):
        assert connection_secret_reveal(robot, "password") == PASSWORD
        row = AuditLog.objects.get(action="robots.robot.reveal_secret")
        assert (row.resource_id, row.request_data) == (robot.pk, {"names": ["password"]})
        assert PASSWORD not in str(row.__dict__)


def test_copied_ciphertext_is_rejected(organization_a, make_robot, tenant):
    robots = [
        make_robot(
            organization_a,
            vendor="custom",
            connection_config={**CONNECTION_CONFIG, "secrets": {"password": word, "token": TOKEN}},
        )
        for word in ("one", "two")
    ]
    first, second = robots
    with tenant(organization_a):
        theirs = stored_secrets(first.connection_config)
        for secrets in (
            {"password": theirs["password"]},  # another robot's
            {"password": stored_secrets(second.connection_config)["token"]},  # another field's
        ):
            moved = {**CONNECTION_CONFIG, "secrets": secrets}
            Robot.objects.filter(pk=second.pk).update(connection_config=moved)
            second.refresh_from_db()
            with pytest.raises(SecretUnreadableError, match="copied from another robot or field"):
                connection_secret_reveal(second, "password")
        assert not AuditLog.objects.filter(action="robots.robot.reveal_secret").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"password": PASSWORD},
        {"host": "h", "secrets": {"password": PASSWORD}},
        {"host": "h", "secrets": {"password": {"value": PASSWORD, "set_at": "2026-01-01"}}},
        {"host": "h", "secrets": {"password": {"value": "v1.1." + "A" * 44}}},
        {"host": "h", "secrets": {"pin": {"value": "v1.1." + "A" * 44, "set_at": "x"}}},
        {"host": "h", "secrets": [PASSWORD]},
        [PASSWORD],
        PASSWORD,
    ],
)
def test_database_rejects_plain_text(config, organization_a, robot, app_cursor):
    app_cursor.execute("SELECT is_connection_config(%s::jsonb)", [json.dumps(config)])
    assert app_cursor.fetchone() == (False,)


def test_database_check_protects_the_column(organization_a, robot, tenant):
    with tenant(organization_a), pytest.raises(Exception, match="robots_connection_config_check"):
        Robot.objects.filter(pk=robot.pk).update(connection_config={"password": PASSWORD})


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_keep_the_replaced_secret(organization_a, make_robot):
    robot = make_robot(organization_a, connection_config=CONNECTION_CONFIG)

    def change(config):
        def run():
            with tenant_transaction(organization_a.id):
                stale = Robot.objects.get(pk=robot.pk)
                return robot_update(stale, connection_config=config)

        return run

    for round_ in range(5):
        outcome = run_concurrently(
            change({"secrets": {"password": f"new {round_}"}}),
            *(change({"protocol": "rtde", "host": f"h{n}"}) for n in range(3)),
        )
        assert all(isinstance(item, Robot) for item in outcome), outcome
        with tenant_transaction(organization_a.id):
            fresh = Robot.objects.get(pk=robot.pk)
            assert connection_secret_reveal(fresh, "password") == f"new {round_}"


# Rotation


@pytest.fixture
def two_keys(settings):
    """Return a function that adds a newer key, or keeps it alone."""
    old = dict(settings.ENCRYPTION_KEYS)

    def use(*, old_too):
        settings.ENCRYPTION_KEYS = {**(old if old_too else {}), 99: "n" * 43}

    return use


def rotate():
    out, err = StringIO(), StringIO()
    try:
        call_command("rotate_encryption_keys", stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue() + err.getvalue() + str(error)
    return out.getvalue()


def test_rotation_reencrypts_and_reports_counts(
    organization_a, organization_b, make_robot, tenant, two_keys
):
    robots = [
        make_robot(o, connection_config=CONNECTION_CONFIG) for o in (organization_a, organization_b)
    ]
    make_robot(organization_a)
    with tenant(organization_a):
        before = secret_times(column(robots[0]))
    two_keys(old_too=True)
    assert "robots: 2 secrets re-encrypted, 0 already have the newest key, 0 failed." in rotate()
    assert "robots: 0 secrets re-encrypted, 2 already have the newest key, 0 failed." in rotate()
    two_keys(old_too=False)
    for robot, organization in zip(robots, (organization_a, organization_b), strict=True):
        with tenant(organization):
            assert connection_secret_reveal(Robot.objects.get(pk=robot.pk), "password") == PASSWORD
    with tenant(organization_a):
        # The secret is the same: its time stays.
        assert secret_times(column(robots[0])) == before
        assert "organizations.secrets.rewrap" in actions()


def test_rotation_continues_after_interruption(organization_a, make_robot, two_keys, monkeypatch):
    for _ in range(5):
        make_robot(organization_a, connection_config=CONNECTION_CONFIG)
    two_keys(old_too=True)
    monkeypatch.setattr(encrypted_columns, "_BATCH_ROWS", 2)
    batches = encrypted_columns.reencrypt(Robot, organization_a.id)
    assert next(batches).reencrypted == 2
    batches.close()  # the command is stopped
    assert "robots: 3 secrets re-encrypted, 2 already have the newest key, 0 failed." in rotate()


def test_rotation_reports_unreadable_secret_and_goes_on(
    organization_a, make_robot, tenant, two_keys
):
    first, second = (
        make_robot(organization_a, connection_config=CONNECTION_CONFIG) for _ in range(2)
    )
    with tenant(organization_a):
        Robot.objects.filter(pk=second.pk).update(connection_config=first.connection_config)
    two_keys(old_too=True)
    output = rotate()
    assert "robots: 1 secrets re-encrypted, 0 already have the newest key, 1 failed." in output
    assert f"robots {second.pk} connection_config.password" in output
    assert "Keep the older keys." in output


# API


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


def test_api_never_returns_a_secret(client, robot, organization_a):
    url = f"/api/v1/robots/{robot.pk}"
    answers = [
        client.get(url),
        client.get("/api/v1/robots"),
        client.patch(url, {"connection_config": CONNECTION_CONFIG}, JSON),
        client.patch(url, {"connection_config": {**CONNECTION_CONFIG, "port": PASSWORD}}, JSON),
        client.get("/api/v1/audit-logs"),
        client.get(f"/admin/robots/robot/{robot.pk}/change/"),
        client.get(f"/admin/robots/robot/{robot.pk}/act/replace_secrets/"),
        client.get(f"/admin/robots/robot/{robot.pk}/act/reveal_secret/"),
        client.get(f"/admin/robots/robot/{robot.pk}/history/"),
    ]
    assert [a.status_code for a in answers] == [200, 200, 200, 400, *[200] * 5]
    for answer in answers:
        text = answer.content.decode()
        assert PASSWORD not in text
        assert "v1.1." not in text
    config = answers[0].json()["connection_config"]
    assert config["secrets"]["password"].keys() == {"replaced_at"}
    assert config["settings"] == {"frequency": 125, "frame": "base"}
    # What a GET returns can be sent back.
    assert client.patch(url, {"connection_config": config}, JSON).status_code == 200


def test_api_errors_name_the_field(client):
    body = {
        "name": "x",
        "vendor": "abb",
        "configuration": {"axes": 13, "capabilities": ["fly"]},
        "location": {"coordinates": {"x_m": "1"}, "room": 1},
    }
    errors = client.post("/api/v1/robots", body, JSON).json()["errors"]
    assert errors == {
        "configuration.axes": ["Enter a whole number from 1 to 12."],
        "configuration.capabilities.0": [errors["configuration.capabilities.0"][0]],
        "location.coordinates.x_m": ["Enter a number from -1e+07 to 1e+07."],
        "location.coordinates.y_m": ["This field is required."],
        "location.room": ["Unknown field."],
    }
    body = {"name": "x", "vendor": "abb", "connection_config": {"protocol": "rtde", "host": "h"}}
    errors = client.post("/api/v1/robots", body, JSON).json()["errors"]
    assert list(errors) == ["connection_config.protocol"]


def test_api_replaces_secret_only_after_step_up(
    client, robot, monkeypatch, organization_a, make_key
):
    url = f"/api/v1/robots/{robot.pk}"
    monkeypatch.setattr("urfmp.common.security.recent_auth.RECENT_AUTH_SECONDS", 0)
    change = {"connection_config": {"secrets": {"password": "new"}}}
    answer = client.patch(url, change, JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    created = {"name": "n", "vendor": "custom", "connection_config": CONNECTION_CONFIG}
    answer = client.post("/api/v1/robots", created, JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert (
        client.patch(
            url, {"connection_config": {"protocol": "rtde", "host": "h"}}, JSON
        ).status_code
        == 200
    )
    key = Client(headers={"x-api-key": make_key(organization_a, ["robots:write"])})
    assert key.patch(url, change, JSON).status_code == 200


def test_api_reveals_to_admins_after_step_up_only(
    client,
    robot,
    organization_a,
    organization_b,
    make_user,
    make_key,
    client_for,
    monkeypatch,
    tenant,
):
    url = f"/api/v1/robots/{robot.pk}/reveal-secret"
    answer = client.post(url, {"name": "password"}, JSON)
    assert (answer.status_code, answer.json()) == (200, {"name": "password", "value": PASSWORD})
    assert answer["Cache-Control"] == "no-store"
    assert client.post(url, {"name": "token"}, JSON).status_code == 404
    assert client.post(url, {"name": "pin"}, JSON).status_code == 400
    for role in ("manager", "operator", "technician", "viewer"):
        other = client_for(make_user(organization_a, role))
        assert other.post(url, {"name": "password"}, JSON).status_code == 403
    trusted = client_for(make_user(organization_a, "manager", permissions=["robot.reveal"]))
    assert trusted.post(url, {"name": "password"}, JSON).status_code == 200
    theirs = client_for(make_user(organization_b, "admin"))
    assert theirs.post(url, {"name": "password"}, JSON).status_code == 404
    key = Client(headers={"x-api-key": make_key(organization_a, ["robots:read", "robots:write"])})
    assert key.post(url, {"name": "password"}, JSON).status_code == 403
    with tenant(organization_a):
        assert AuditLog.objects.filter(action="robots.robot.reveal_secret").count() == 2
    monkeypatch.setattr("urfmp.common.security.recent_auth.RECENT_AUTH_SECONDS", 0)
    answer = client.post(url, {"name": "password"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")


def test_api_repeated_reveal_does_not_store_secret(client, robot, organization_a, tenant):
    url = f"/api/v1/robots/{robot.pk}/reveal-secret"
    body, headers = {"name": "password"}, {"idempotency-key": "k"}
    assert client.post(url, body, JSON, headers=headers).json()["value"] == PASSWORD
    assert client.post(url, body, JSON, headers=headers).json()["value"] is None
    with tenant(organization_a):
        assert PASSWORD not in IdempotencyRecord.objects.get().answer


def test_api_reveal_of_copied_secret_gets_409(client, robot, organization_a, make_robot, tenant):
    other = make_robot(organization_a)
    with tenant(organization_a):
        config = Robot.objects.get(pk=robot.pk).connection_config
        Robot.objects.filter(pk=other.pk).update(connection_config=config)
    answer = client.post(f"/api/v1/robots/{other.pk}/reveal-secret", {"name": "password"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "secret_unreadable")
    assert "Replace it." in answer.json()["detail"]


def test_register_with_taken_serial_number_stores_no_secret(organization_a, robot, tenant):
    with tenant(organization_a), pytest.raises(ValidationError):
        robot_register(
            organization_id=organization_a.id,
            name="x",
            vendor="custom",
            serial_number=robot.serial_number,
            connection_config=CONNECTION_CONFIG,
        )
    with tenant(organization_a):
        assert Robot.objects.count() == 1
        assert actions().count("robots.robot.replace_secret") == 1
