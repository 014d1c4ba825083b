"""Permissions of roles."""

from __future__ import annotations

import pytest
from django.apps import apps

from apps.accounts.choices import Role
from apps.accounts.permissions.roles import (
    _COVERED_BY,
    _RESOURCES,
    _VERBS,
    PERMISSIONS,
    ROLE_PERMISSIONS,
    role_has_permission,
    staff_permission_for,
)

VIEWER = {"robot.view", "telemetry.view", "organization.view", "maintenance.view", "alert.view"}
# Duplicated on purpose: a change of permissions must be made in two places.
EXPECTED = {
    "viewer": VIEWER,
    "technician": VIEWER | {"maintenance.update", "alert.acknowledge"},
    "operator": VIEWER
    | {
        "robot.control", "maintenance.create", "alert.create", "alert.acknowledge",
        "telemetry.export",
    },
    "manager": VIEWER
    | {
        "robot.control", "robot.create", "robot.update", "telemetry.export", "user.view",
        "maintenance.create", "maintenance.update", "maintenance.delete", "maintenance.approve",
        "alert.create", "alert.update", "alert.delete", "alert.acknowledge", "settings.view",
        "audit.view",
    },
    "admin": set(PERMISSIONS),
    "super_admin": set(PERMISSIONS),
    "custom": set(),
}  # fmt: skip
DJANGO_VERBS = {name: django for django, name in _VERBS.items()}


def django_names(permission):
    """Return all of Django's permissions that map to a staff permission."""
    resource, verb = permission.split(".")
    return [
        f"{model.split('.')[0]}.{DJANGO_VERBS.get(verb, verb)}_{model.split('.')[1]}"
        for model, name in _RESOURCES.items()
        if name == resource
    ]


def test_every_role_has_permissions():
    assert set(EXPECTED) == set(Role.values) == set(ROLE_PERMISSIONS)


@pytest.mark.parametrize("role", EXPECTED)
@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_role_has_expected_permissions(role, permission):
    is_granted = permission in EXPECTED[role]
    assert (permission in ROLE_PERMISSIONS[role]) is is_granted
    for name in django_names(permission):
        # Some permissions, such as organization.create, are granted by another one.
        permission_checked = staff_permission_for(name)
        covering = _COVERED_BY.get(permission_checked, permission_checked)
        assert permission_checked == permission
        assert role_has_permission(role, (), name) is (covering in EXPECTED[role])
        assert role_has_permission("custom", [covering], name)


def test_every_tenant_model_has_resource():
    pages = {"telemetry.storage", "telemetry.platformstorage"}  # storage pages have no model
    for name in set(_RESOURCES) - pages:
        assert apps.get_model(name)
    # No permission of their own grants access to these: services alone read them, or their parent
    # row decides.
    internal = {"accounts.idempotencyrecord", "accounts.onetimelink", "accounts.secondfactor"}
    internal |= {
        "alerts.alertevent",
        "alerts.notificationpreference",
        "alerts.notificationstep",
        "alerts.pushkey",
        "alerts.pushsubscription",
        "maintenance.calendarfeed",
        "maintenance.maintenanceschedulestate",
        "maintenance.labourentry",
        "maintenance.taskevent",
        "maintenance.templatepart",
        "maintenance.templatestep",
        "organizations.floorplan",
        "robots.robotclaimcode",
        "robots.robotimportrow",
        "telemetry.telemetrybatch",
        "telemetry.telemetrylatest",
        "telemetry.telemetryimportpart",
        "robots.robotstatusrepeat",
    }
    for model in apps.get_models():
        if getattr(model, "is_tenant_owned", False) and model._meta.label_lower not in internal:
            assert model._meta.label_lower in _RESOURCES, model


def test_django_permissions_map_to_staff_permissions():
    names = [
        f"{model.split('.')[0]}.{DJANGO_VERBS.get(verb, verb)}_{model.split('.')[1]}"
        for model, resource in _RESOURCES.items()
        for verb in {p.split(".")[1] for p in PERMISSIONS if p.split(".")[0] == resource}
    ]
    assert len(names) == len(set(names))
    assert {staff_permission_for(name) for name in names} <= PERMISSIONS


@pytest.mark.parametrize("name", ["", "robots", "robots.view", "robots.view_user", "x.y_z", "._"])
def test_unknown_permission_is_denied(name):
    assert staff_permission_for(name) is None
    assert not role_has_permission("super_admin", PERMISSIONS, name)


def test_inactive_user_has_no_permissions(alice):
    alice.is_active = False
    assert not alice.has_perm("robots.view_robot")
    assert not alice.has_module_perms("robots")
