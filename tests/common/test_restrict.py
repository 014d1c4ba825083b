"""`restrict` alone, on rows that the database would return."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

import pytest

from apps.organizations.models import Facility
from apps.robots.models import Robot


@dataclass(frozen=True)
class Caller:
    organization_id: uuid.UUID
    is_authenticated: bool = True
    is_active: bool = True
    robot_id: uuid.UUID | None = None
    permissions: set[str] = field(
        default_factory=lambda: {"robots.view_robot", "organizations.view_facility"}
    )

    def has_perm(self, perm, obj=None):
        return perm in self.permissions


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a)


@pytest.fixture
def seen(organization_a, robot, make_facility, tenant):
    """Return a function: what a caller sees of one robot and one facility."""
    make_facility(organization_a)

    def see(**changes):
        caller = replace(Caller(organization_a.pk), **changes)
        with tenant(organization_a):
            rows = [*Robot.objects.restrict(caller), *Facility.objects.restrict(caller)]
        return [type(row) for row in rows]

    return see


def test_restrict_returns_own_organizations_rows(seen):
    assert seen() == [Robot, Facility]


@pytest.mark.parametrize(
    "changes",
    [
        {"is_authenticated": False},
        {"is_active": False},
        {"permissions": set()},
        {"permissions": {"robots.change_robot", "organizations.change_facility"}},
        {"organization_id": uuid.UUID(int=1)},
        {"organization_id": None},
    ],
)
def test_restrict_each_condition_hides_all_rows(seen, changes):
    assert seen(**changes) == []


def test_restrict_permission_applies_to_one_model(seen):
    assert seen(permissions={"robots.view_robot"}) == [Robot]
    assert seen(permissions={"organizations.view_facility"}) == [Facility]


def test_restrict_device_key_sees_own_robot_only(seen, robot):
    assert seen(robot_id=robot.pk) == [Robot]
    assert seen(robot_id=uuid.UUID(int=1)) == []
