"""The facility in a robot's location."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.organizations.exceptions import FacilityInUseError
from apps.organizations.models import Facility
from apps.organizations.services.facilities import facility_create, facility_delete, facility_update
from apps.robots.models import Robot
from apps.robots.services.robots import (
    robot_update,
)
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import tenant_transaction


def test_location_with_unknown_facility_is_rejected(
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


def test_facility_rename_updates_robots(organization_a, make_robot, make_facility, tenant):
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


def test_facility_with_robots_cannot_be_deleted(organization_a, make_robot, make_facility, tenant):
    facility = make_facility(organization_a)
    robot = make_robot(organization_a, location={"facility": facility.name})
    with tenant(organization_a):
        with pytest.raises(FacilityInUseError):
            facility_delete(facility)
        robot_update(robot, location=None)
        facility_delete(facility)
        assert not Facility.objects.exists()


def test_facility_rename_keeps_other_organizations_robots(
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
def test_robot_cannot_move_to_concurrently_deleted_facility(organization_a, make_robot):
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
def test_concurrent_creations_keep_facility_name_unique(organization_a):
    def create():
        with tenant_transaction(organization_a.id):
            return facility_create(organization_id=organization_a.id, name="Hall 1")

    outcome = run_concurrently(create, create)
    assert sorted(type(item).__name__ for item in outcome) == ["Facility", "ValidationError"]
