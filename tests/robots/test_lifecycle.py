"""Stages of a robot's life, against the table of transitions."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditLog
from apps.robots.choices import LIFECYCLE_TRANSITIONS, Lifecycle, next_stages
from apps.robots.exceptions import LifecycleTransitionError, RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.lifecycle import robot_change_lifecycle
from apps.robots.services.robots import (
    robot_register,
    robot_retire,
    robot_return_to_service,
    robot_update,
)

ROOT = Path(__file__).parents[2]


def test_every_stage_has_transitions():
    assert set(LIFECYCLE_TRANSITIONS) == set(Lifecycle)
    for stage in Lifecycle:
        assert stage not in LIFECYCLE_TRANSITIONS[stage]
        assert Lifecycle.RETIRED not in next_stages(stage)


def _reachable(start):
    found, todo = set(), [start]
    while todo:
        stage = todo.pop()
        if stage not in found:
            found.add(stage)
            todo += LIFECYCLE_TRANSITIONS[stage]
    return found


def test_every_stage_is_reachable_from_every_stage():
    assert all(_reachable(stage) == set(Lifecycle) for stage in Lifecycle)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=st.lists(st.sampled_from([*Lifecycle.values, "return", "staging"]), max_size=12))
def test_stages_follow_table(plan, organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    stage = "active"
    with tenant(organization_a):
        for wanted in plan:
            version = Robot.objects.get(pk=robot.pk).version
            before = stage
            if wanted == "retired":
                robot_retire(robot)
                stage = "retired"
            elif wanted == "return":
                robot_return_to_service(robot)
                stage = "active" if stage == "retired" else stage
            elif wanted == "staging":
                with pytest.raises(ValidationError):
                    robot_change_lifecycle(robot, lifecycle=wanted)
            elif stage == "retired":
                with pytest.raises(RobotRetiredError):
                    robot_change_lifecycle(robot, lifecycle=wanted)
            elif wanted == stage or wanted in LIFECYCLE_TRANSITIONS[stage]:
                assert robot_change_lifecycle(robot, lifecycle=wanted).lifecycle == wanted
                stage = wanted
            else:
                with pytest.raises(LifecycleTransitionError):
                    robot_change_lifecycle(robot, lifecycle=wanted)
            row = Robot.objects.get(pk=robot.pk)
            assert (row.lifecycle, row.is_active) == (stage, stage != "retired")
            assert row.status == "offline"
            assert row.version == version + (stage != before)
        Robot.objects.all().delete()


def test_stage_does_not_change_with_other_fields(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        for stage in Lifecycle.values:
            if stage == "active":
                robot_update(robot, lifecycle=stage, name="Same stage")
                continue
            with pytest.raises(ValidationError, match="action of its own"):
                robot_update(robot, lifecycle=stage)
        with pytest.raises(ValidationError, match="action of its own"):
            robot_change_lifecycle(robot, lifecycle="retired")
        with pytest.raises(ValidationError, match="then retire it"):
            robot_register(
                organization_id=organization_a.pk, name="Old", vendor="kuka", lifecycle="retired"
            )


def test_change_is_audited(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        robot_change_lifecycle(robot, lifecycle="maintenance")
        row = AuditLog.objects.get(resource_id=robot.pk, action="robots.robot.change_lifecycle")
    assert (row.before["lifecycle"], row.after["lifecycle"]) == ("active", "maintenance")


def test_database_rejects_former_stages(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a), pytest.raises(Exception, match="robots_lifecycle_check"):
        Robot.objects.filter(pk=robot.pk).update(lifecycle="decommissioning")


@pytest.mark.parametrize(
    ("former", "stage"),
    [("staging", "commissioning"), ("decommissioning", "maintenance"), ("planned", "planned")],
)
def test_migration_renames_former_stages(former, stage, owner_cursor):
    """The script of the migration, on a row with a former value."""
    script = (ROOT / "apps/robots/sql/0010_lifecycle.sql").read_text(encoding="utf-8")
    owner_cursor.execute("BEGIN")
    try:
        owner_cursor.execute("CREATE TEMPORARY TABLE robots (lifecycle text)")
        owner_cursor.execute("INSERT INTO robots VALUES (%s)", [former])
        owner_cursor.execute(script)
        owner_cursor.execute("SELECT lifecycle FROM pg_temp.robots")
        assert owner_cursor.fetchone() == (stage,)
    finally:
        owner_cursor.execute("ROLLBACK")


def test_api_changes_stage(organization_a, make_robot, alice, client_for):
    robot, client = make_robot(organization_a), client_for(alice)
    address = f"/api/v1/robots/{robot.pk}/change-lifecycle"

    def send(**body):
        return client.post(address, body, content_type="application/json")

    response = send(lifecycle="commissioning")
    assert (response.status_code, response.json()["lifecycle"]) == (200, "commissioning")
    response = send(lifecycle="maintenance")
    assert (response.status_code, response.json()["code"]) == (409, "lifecycle_transition")
    assert "planned, active" in response.json()["detail"]
    for wrong in ({}, {"lifecycle": "retired"}, {"lifecycle": "staging"}, {"lifecycle": 1}):
        assert send(**wrong).status_code == 400
    client.delete(f"/api/v1/robots/{robot.pk}")
    response = send(lifecycle="active")
    assert (response.status_code, response.json()["code"]) == (409, "robot_retired")


def test_admin_offers_legal_stages_as_buttons(
    organization_a, make_robot, alice, client_for, tenant
):
    robot, client = make_robot(organization_a), client_for(alice)
    page = reverse("admin:robots_robot_change", args=[robot.pk])
    act = reverse("admin:robots_robot_act", args=[robot.pk, "commission"])
    html = client.get(page).content.decode()
    assert act in html
    assert "put-into-operation" not in html
    assert 'name="lifecycle"' not in html
    assert client.post(act).status_code == 302
    html = client.get(page).content.decode()
    assert act not in html
    assert "put-into-operation" in html
    assert 'name="lifecycle"' in client.get(reverse("admin:robots_robot_add")).content.decode()
    with tenant(organization_a):
        assert Robot.objects.get(pk=robot.pk).lifecycle == "commissioning"


def test_viewer_cannot_change_stage(organization_a, make_robot, make_user, client_for):
    robot, client = make_robot(organization_a), client_for(make_user(organization_a, "viewer"))
    act = reverse("admin:robots_robot_act", args=[robot.pk, "commission"])
    assert client.post(act).status_code == 403
    body = {"lifecycle": "commissioning"}
    address = f"/api/v1/robots/{robot.pk}/change-lifecycle"
    assert client.post(address, body, content_type="application/json").status_code == 403
