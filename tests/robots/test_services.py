from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.organizations.exceptions import FacilityInUseError
from apps.organizations.models import Facility
from apps.organizations.services.facilities import facility_create, facility_delete, facility_update
from apps.robots.exceptions import RobotRetiredError
from apps.robots.models import Robot, RobotStatusHistory
from apps.robots.selectors.robots import robot_status_counts
from apps.robots.services.robots import (
    robot_register,
    robot_retire,
    robot_return_to_service,
    robot_update,
)
from apps.robots.services.status import robot_report_status, robots_mark_offline, robots_touch
from apps.robots.tasks import mark_offline
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


def history_of(robot):
    return list(
        RobotStatusHistory.objects.filter(robot_id=robot.pk)
        .order_by("time")
        .values_list("previous_status", "status", "reason")
    )


def test_registers_offline_with_a_first_row_of_history(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    assert (robot.status, robot.lifecycle, robot.is_active, robot.version) == (
        "offline", "active", True, 1,
    )  # fmt: skip
    with tenant(organization_a):
        assert history_of(robot) == [(None, "offline", None)]


def test_update_raises_the_version_and_touches_nothing_else(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        stale = Robot.objects.get(pk=robot.pk)
        robot_report_status(robot_id=robot.pk, status="running")
        robot_update(stale, name="New", firmware_version="5.1")
        fresh = Robot.objects.get(pk=robot.pk)
    assert (fresh.name, fresh.firmware_version, fresh.status) == ("New", "5.1", "running")
    assert (fresh.version, stale.version) == (2, 2)


def test_retires_and_returns(organization_a, make_robot, tenant):
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


def test_a_field_neither_retires_nor_returns(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        with pytest.raises(ValidationError):
            robot_update(robot, lifecycle="retired")
        robot_update(robot, lifecycle="staging")
        robot_retire(robot)
        with pytest.raises(ValidationError):
            robot_update(robot, lifecycle="active")


def test_serial_number_is_unique_in_an_organization(
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
def test_two_at_once_cannot_take_one_serial_number(organization_a, make_robot):
    make_robot(organization_a)  # the first row of history makes a chunk, which locks all robots

    def register():
        with tenant_transaction(organization_a.id):
            return robot_register(
                organization_id=organization_a.id, name="x", vendor="abb", serial_number="SN-1"
            )

    outcome = run_concurrently(register, register, register)
    assert sum(isinstance(item, Robot) for item in outcome) == 1
    refused = [item for item in outcome if not isinstance(item, Robot)]
    assert all(isinstance(item, ValidationError) for item in refused), refused
    # Of the constraint itself, or of the look before it.
    assert all("serial number" in str(item).lower() for item in refused)


# Facilities


def test_location_names_a_facility_of_ones_own(
    organization_a, organization_b, make_robot, make_facility, tenant
):
    make_facility(organization_b, "Theirs")
    make_facility(organization_a, "Ours")
    robot = make_robot(organization_a, location={"facility": "Ours", "cell": "A3"})
    with tenant(organization_a):
        for name in ("Theirs", "Nobody's", "ours"):
            with pytest.raises(ValidationError):
                robot_update(robot, location={"facility": name})
            robot.refresh_from_db()


def test_new_name_of_a_facility_reaches_its_robots(
    organization_a, make_robot, make_facility, tenant
):
    facility, other = (
        make_facility(organization_a, "Hall 1"),
        make_facility(organization_a, "Hall 2"),
    )
    here = make_robot(organization_a, location={"facility": "Hall 1", "cell": "A"})
    there = make_robot(organization_a, location={"facility": "Hall 2"})
    with tenant(organization_a):
        facility_update(facility, name='Hall "One"')
        here.refresh_from_db()
        there.refresh_from_db()
        assert here.location == {"facility": 'Hall "One"', "cell": "A"}
        assert there.location == {"facility": "Hall 2"}
        with pytest.raises(ValidationError):
            facility_update(other, name='Hall "One"')


def test_facility_with_robots_in_it_stays(organization_a, make_robot, make_facility, tenant):
    facility = make_facility(organization_a)
    robot = make_robot(organization_a, location={"facility": facility.name})
    with tenant(organization_a):
        with pytest.raises(FacilityInUseError):
            facility_delete(facility)
        robot_update(robot, location=None)
        facility_delete(facility)
        assert not Facility.objects.exists()


def test_facility_of_the_same_name_elsewhere_is_another(
    organization_a, organization_b, make_robot, make_facility, tenant
):
    make_facility(organization_a)
    theirs = make_facility(organization_b)
    robot = make_robot(organization_a, location={"facility": "Hall 1"})
    with tenant(organization_b):
        facility_update(theirs, name="Hall 9")
        facility_delete(theirs)
    with tenant(organization_a):
        robot.refresh_from_db()
    assert robot.location == {"facility": "Hall 1"}


@pytest.mark.django_db(transaction=True)
def test_robot_does_not_slip_into_a_facility_that_goes(organization_a, make_robot):
    robot = make_robot(organization_a)

    def place():
        with tenant_transaction(organization_a.id):
            robot_update(Robot.objects.get(pk=robot.pk), location={"facility": "Hall 1"})

    def remove():
        with tenant_transaction(organization_a.id):
            facility_delete(Facility.objects.get(name="Hall 1"))

    for _ in range(6):
        with tenant_transaction(organization_a.id):
            facility_create(organization_id=organization_a.id, name="Hall 1")
        placed, removed = run_concurrently(place, remove)
        assert (placed is None) is not (removed is None), (placed, removed)
        with tenant_transaction(organization_a.id):
            robot.refresh_from_db()
            assert (robot.location is not None) is Facility.objects.exists()
            Robot.objects.update(location=None)
            Facility.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_take_one_facility_name(organization_a):
    def create():
        with tenant_transaction(organization_a.id):
            return facility_create(organization_id=organization_a.id, name="Hall 1")

    outcome = run_concurrently(create, create)
    assert sorted(type(item).__name__ for item in outcome) == ["Facility", "ValidationError"]


# Status


def test_last_seen_is_written_at_most_every_5_seconds(
    organization_a, make_robot, tenant, monkeypatch
):
    robot, start = make_robot(organization_a), timezone.now()

    def heard_after(seconds):
        monkeypatch.setattr(
            "apps.robots.services.robots.timezone.now", lambda: start + timedelta(seconds=seconds)
        )
        return robots_touch([robot.pk])

    with tenant(organization_a):
        assert [heard_after(s) for s in (0, 1, 4.9, 5.1, 10, 10.2)] == [1, 0, 0, 1, 0, 1]
        assert [status for _, status, _ in history_of(robot)] == ["offline", "online"]


def test_silence_shows_as_offline_and_speech_brings_back(
    organization_a, make_robot, tenant, monkeypatch, settings
):
    robot, start = make_robot(organization_a), timezone.now()

    def at(seconds):
        monkeypatch.setattr(
            "apps.robots.services.robots.timezone.now", lambda: start + timedelta(seconds=seconds)
        )

    grace = settings.ROBOT_OFFLINE_AFTER.total_seconds()
    with tenant(organization_a):
        at(0)
        robot_report_status(robot_id=robot.pk, status="running", reason="Program 7")
        at(grace)
        assert robots_mark_offline() == 0
        at(grace + 1)
        assert robots_mark_offline() == 1
        assert robots_mark_offline() == 0
        at(grace + 2)
        assert robots_touch([robot.pk]) == 1
        assert history_of(robot) == [
            (None, "offline", None),
            ("offline", "running", "Program 7"),
            ("running", "offline", f"No data for {grace:.0f} seconds."),
            ("offline", "running", "Reconnected."),
        ]
    at(grace * 10)
    assert mark_offline(0) == 1  # the job, over every organization


def test_reason_and_metadata_of_one_change_do_not_reach_the_next(
    organization_a, make_robot, tenant
):
    robot, other = make_robot(organization_a), make_robot(organization_a)
    time = timezone.now()
    with tenant(organization_a):
        robot_report_status(
            robot_id=robot.pk, status="error", reason="C4A12", robot_time=time, metadata={"x": 1}
        )
        Robot.objects.filter(pk=other.pk).update(status="idle")
        last = RobotStatusHistory.objects.filter(robot_id=robot.pk).latest("time")
        assert last.metadata == {"x": 1, "robot_time": time.isoformat()}
        assert history_of(other)[-1] == ("offline", "idle", None)


def test_same_status_again_is_no_change(organization_a, make_robot, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        for _ in range(3):
            robot_report_status(robot_id=robot.pk, status="idle", reason="again")
        assert [status for _, status, _ in history_of(robot)] == ["offline", "idle"]


def test_other_organizations_robots_are_out_of_reach(
    organization_a, organization_b, make_robot, tenant
):
    robot = make_robot(organization_a)
    with tenant(organization_b):
        assert robots_touch([robot.pk]) == 0
        with pytest.raises(Robot.DoesNotExist):
            robot_report_status(robot_id=robot.pk, status="idle")


@pytest.mark.django_db(transaction=True)
def test_reports_at_once_leave_a_chain(organization_a, make_robot):
    """Each row begins where the one before ended, and the last one is what is shown."""
    robot, other = make_robot(organization_a), make_robot(organization_a)
    both = sorted([robot.pk, other.pk])

    def report(statuses):
        def run():
            for status in statuses:
                with tenant_transaction(organization_a.id):
                    robot_report_status(robot_id=robot.pk, status=status)
                with tenant_transaction(organization_a.id):
                    Robot.objects.filter(pk=other.pk).update(last_seen=None)
                with tenant_transaction(organization_a.id):
                    robots_touch(both[::-1])
                with tenant_transaction(organization_a.id):
                    robots_mark_offline()

        return run

    outcome = run_concurrently(
        report(["idle", "running"] * 4), report(["error", "stopped"] * 4), report(["charging"] * 8)
    )
    assert outcome == [None, None, None]
    for one in (robot, other):
        with tenant_transaction(organization_a.id):
            rows = history_of(one)
            one.refresh_from_db()
        statuses = [status for _, status, _ in rows]
        assert [before for before, _, _ in rows] == [None, *statuses[:-1]]
        assert statuses[-1] == one.status
    assert len(rows) >= 2


def test_status_counts(organization_a, alice, make_robot, tenant):
    robot = make_robot(organization_a)
    retired = make_robot(organization_a)
    make_robot(organization_a)
    with tenant(organization_a):
        robot_report_status(robot_id=robot.pk, status="idle")
        robot_retire(retired)
        assert robot_status_counts(alice) == {"offline": 1, "idle": 1}


# The robot's own side of the API


def report(key, **body):
    return Client().post(
        "/api/v1/device/status", body, content_type="application/json", headers={"x-api-key": key}
    )


def test_device_reports_its_status(organization_a, make_robot, make_key, tenant):
    robot = make_robot(organization_a)
    key = make_key(organization_a, robot=robot)
    answer = report(
        key,
        status="stopped",
        reason="Protective stop",
        time="2025-01-02T03:04:05+01:00",
        metadata={"code": 7},
    )
    assert (answer.status_code, answer.json()) == (200, {"status": "stopped"})
    with tenant(organization_a):
        last = RobotStatusHistory.objects.filter(robot_id=robot.pk).latest("time")
    assert last.reason == "Protective stop"
    assert last.metadata == {"code": 7, "robot_time": "2025-01-02T02:04:05+00:00"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "offline"},
        {"status": "maintenance"},
        {"status": 1},
        {"status": None},
        {"status": "idle", "mood": "good"},
        {"status": "idle", "reason": "x" * 1001},
        {"status": "idle", "metadata": [1]},
        {"status": "idle", "time": "yesterday"},
        {"status": "idle", "time": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_report_that_does_not_fit(body, organization_a, make_robot, make_key):
    key = make_key(organization_a, robot=make_robot(organization_a))
    answer = report(key, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_report_needs_a_key_of_a_robot(organization_a, make_robot, make_key, alice, client_for):
    robot = make_robot(organization_a)
    assert report(make_key(organization_a), status="idle").status_code == 403
    assert (
        report(make_key(organization_a, ["robots:read"], robot=robot), status="idle").status_code
        == 403
    )
    answer = client_for(alice).post(
        "/api/v1/device/status", {"status": "idle"}, content_type="application/json"
    )
    assert answer.status_code == 403
