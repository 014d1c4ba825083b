from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.robots.choices import TRANSITIONS, RobotAction, ServiceState
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot
from apps.robots.services.presence import robots_touch
from apps.robots.services.robots import (
    robot_register,
    robot_retire,
    robot_return_to_service,
    robot_update,
)
from apps.robots.services.status import robot_report_status
from tests.support.concurrency import run_concurrently
from tests.support.status_history import history_of
from urfmp.common.tenancy.context import tenant_transaction


def test_register_creates_offline_robot_with_history_row(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    assert (robot.status, robot.lifecycle, robot.is_active, robot.version) == (
        "offline", "active", True, 1,
    )  # fmt: skip
    with tenant(organization_a):
        assert history_of(robot) == [(None, "offline", None)]


def test_update_increments_version_and_keeps_status(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        stale = Robot.objects.get(pk=robot.pk)
        robot_report_status(robot_id=robot.pk, status="running")
        robot_update(stale, name="New", firmware_version="5.1")
        fresh = Robot.objects.get(pk=robot.pk)
    assert (fresh.name, fresh.firmware_version, fresh.status) == ("New", "5.1", "running")
    assert (fresh.version, stale.version) == (2, 2)


def test_retire_and_return_to_service(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        robot_retire(robot)
        assert (robot.is_active, robot.lifecycle) == (False, "retired")
        with pytest.raises(RobotRetiredError):
            robot_report_status(robot_id=robot.pk, status="idle")
        assert robots_touch([robot.pk]) == 0
        assert history_of(robot) == [(None, "offline", None)]
        robot_return_to_service(robot)
        assert robot_report_status(robot_id=robot.pk, status="idle").status == "idle"


@pytest.mark.parametrize("state", ServiceState)
def test_services_allow_actions_by_table(state, organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        if state == ServiceState.RETIRED:
            robot_retire(robot)
        assert robot.service_state == state
        if state in TRANSITIONS[RobotAction.REPORT_STATUS]:
            assert robot_report_status(robot_id=robot.pk, status="idle").status == "idle"
        else:
            with pytest.raises(RobotRetiredError):
                robot_report_status(robot_id=robot.pk, status="idle")
        # Retiring and returning are idempotent; the table names the states that they change.
        for action, service in (
            (RobotAction.RETIRE, robot_retire),
            (RobotAction.RETURN_TO_SERVICE, robot_return_to_service),
        ):
            before = robot.service_state
            service(robot)
            assert (robot.service_state != before) is (before in TRANSITIONS[action])


def test_every_action_has_a_transition():
    assert set(TRANSITIONS) == set(RobotAction)


def test_update_cannot_retire_or_return(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        with pytest.raises(ValidationError):
            robot_update(robot, lifecycle="retired")
        robot_retire(robot)
        with pytest.raises(ValidationError):
            robot_update(robot, lifecycle="active")


def test_serial_number_is_unique_per_organization(
    organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a, serial_number="SN-1")
    make_robot(organization_b, serial_number="SN-1")
    with tenant(organization_a), pytest.raises(ValidationError):
        robot_register(
            organization_id=organization_a.id, name="x", vendor="abb", serial_number="SN-1"
        )
    for _ in range(2):
        other = make_robot(organization_a, serial_number="")
        assert other.serial_number is None
    with tenant(organization_a), pytest.raises(ValidationError):
        robot_update(other, serial_number=robot.serial_number)


@pytest.mark.django_db(transaction=True)
def test_concurrent_registrations_keep_serial_number_unique(organization_a, make_robot):
    make_robot(organization_a)  # the first history row creates a chunk, which locks all robots

    def register():
        with tenant_transaction(organization_a.id):
            return robot_register(
                organization_id=organization_a.id, name="x", vendor="abb", serial_number="SN-1"
            )

    outcome = run_concurrently(register, register, register)
    assert sum(isinstance(item, Robot) for item in outcome) == 1
    errors = [item for item in outcome if not isinstance(item, Robot)]
    assert all(isinstance(item, ValidationError) for item in errors), errors
    # From the constraint, or from the check before it.
    assert all("serial number" in str(item).lower() for item in errors)
