"""Permissions of roles and scopes, used by admin, pages and API.

A staff permission is `<resource>.<verb>`. Django checks permissions named `app.action_model`, and
`staff_permission_for` maps these to staff permissions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from apps.accounts.choices import Role

PERMISSIONS = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {
        "robot": "view create update delete control reveal purge",
        "telemetry": "view write export correct",
        "organization": "view update",
        "user": "view create update delete invite",
        "api_key": "view create delete",
        "maintenance": "view create update delete approve",
        "alert": "view create update delete acknowledge",
        "webhook": "manage",
        "settings": "view update",
        "audit": "view export",
    }.items()
    for verb in verbs.split()
)

PERMISSION_CHOICES = [(name, name) for name in sorted(PERMISSIONS)]

# Only the super admin role has these; they cannot be granted to single users.
PLATFORM_PERMISSIONS = frozenset({"platform.view", "platform.create", "platform.administer"})

_VIEWER = frozenset(
    {"robot.view", "telemetry.view", "organization.view", "maintenance.view", "alert.view"}
)
_TECHNICIAN = _VIEWER | {"maintenance.update", "alert.acknowledge"}
_OPERATOR = _VIEWER | {
    "robot.control",
    "maintenance.create",
    "alert.create",
    "alert.acknowledge",
    "telemetry.export",
}
_MANAGER = (
    _OPERATOR
    | _TECHNICIAN
    | {
        "robot.create",
        "robot.update",
        "maintenance.delete",
        "maintenance.approve",
        "alert.update",
        "alert.delete",
        "user.view",
        "settings.view",
        "audit.view",
    }
)

ROLE_PERMISSIONS: dict[str, frozenset[str]] = {
    Role.SUPER_ADMIN: PERMISSIONS | PLATFORM_PERMISSIONS,
    Role.ADMIN: PERMISSIONS,
    Role.MANAGER: _MANAGER,
    Role.OPERATOR: _OPERATOR,
    Role.TECHNICIAN: _TECHNICIAN,
    Role.VIEWER: _VIEWER,
    Role.CUSTOM: frozenset(),
}

# Resource of each model in a permission. No role has access to a model without an entry.
_RESOURCES = {
    "accounts.user": "user",
    "accounts.usersession": "user",
    "accounts.invitation": "invitation",
    "accounts.apikey": "api_key",
    "organizations.organization": "organization",
    "organizations.facility": "organization",
    "organizations.platformorganization": "platform",
    "robots.robot": "robot",
    "robots.robotcommand": "command",
    "robots.robotimport": "robot_import",
    "robots.robotstatushistory": "robot",
    "telemetry.robottelemetry": "telemetry",
    "telemetry.telemetryimport": "telemetry_import",
    # Not models: storage pages of one organization and of the platform.
    "telemetry.storage": "settings",
    "telemetry.platformstorage": "platform",
    "maintenance.maintenancetask": "maintenance",
    "maintenance.maintenanceschedule": "maintenance",
    "maintenance.part": "maintenance",
    "maintenance.partstock": "part_stock",
    "maintenance.partmovement": "part_stock",
    "maintenance.taskpart": "maintenance",
    "maintenance.tasktemplate": "maintenance",
    "maintenance.taskstep": "maintenance",
    "maintenance.taskfile": "task_file",
    "maintenance.workrequest": "work_request",
    "maintenance.robotlabel": "robot_label",
    "alerts.alert": "alert",
    "alerts.alertrule": "alert_rule",
    "alerts.alertrulestate": "alert_rule",
    "alerts.notificationchannel": "webhook",
    "alerts.notificationroute": "webhook",
    "alerts.delivery": "webhook",
    "alerts.silence": "silence",
    "audit.auditlog": "audit",
}
_VERBS = {"add": "create", "change": "update"}
# Permissions that are granted by another permission.
_COVERED_BY = {
    "command.view": "robot.view",
    "command.create": "robot.control",
    # The lock belongs to the work on a robot, so technicians set it too.
    "robot.lock": "maintenance.update",
    "telemetry_import.view": "telemetry.write",
    "telemetry_import.create": "telemetry.write",
    "telemetry_import.update": "telemetry.write",
    "organization.create": "organization.update",
    "organization.delete": "organization.update",
    "organization.administer": "platform.administer",
    "user.end": "user.update",
    "invitation.view": "user.view",
    "invitation.create": "user.invite",
    "invitation.update": "user.invite",
    "invitation.delete": "user.invite",
    "api_key.update": "api_key.create",
    # Rows that change a robot also need the permission to update robots.
    "robot_import.view": "robot.create",
    "robot_import.create": "robot.create",
    "robot_import.update": "robot.create",
    # A claim code becomes an API key.
    "robot.claim": "api_key.create",
    "alert_rule.view": "alert.view",
    "alert_rule.create": "alert.update",
    "alert_rule.update": "alert.update",
    "alert_rule.delete": "alert.update",
    # Technicians store, count and use parts.
    "part_stock.view": "maintenance.view",
    "part_stock.create": "maintenance.update",
    "part_stock.update": "maintenance.update",
    "task_file.view": "maintenance.view",
    "task_file.create": "maintenance.update",
    "task_file.delete": "maintenance.update",
    # Technicians report problems too; accepting a request creates a task.
    "work_request.view": "maintenance.view",
    "work_request.create": "maintenance.update",
    "work_request.review": "maintenance.create",
    "robot_label.view": "robot.view",
    "robot_label.create": "robot.update",
    "robot_label.delete": "robot.update",
    "webhook.view": "webhook.manage",
    "webhook.create": "webhook.manage",
    "webhook.update": "webhook.manage",
    "webhook.delete": "webhook.manage",
    "silence.view": "alert.view",
    "silence.create": "alert.update",
    "silence.update": "alert.update",
}

SCOPES: dict[str, frozenset[str]] = {
    "robots:read": frozenset({"robot.view"}),
    "robots:write": frozenset({"robot.create", "robot.update", "robot.delete"}),
    "robots:command": frozenset({"robot.control", "command.create"}),
    "telemetry:read": frozenset({"telemetry.view", "telemetry.export"}),
    "telemetry:write": frozenset({"telemetry.write"}),
    "commands:read": frozenset({"command.view"}),
    "commands:write": frozenset({"command.create"}),
    "maintenance:read": frozenset({"maintenance.view"}),
    "maintenance:write": frozenset(
        {"maintenance.create", "maintenance.update", "maintenance.delete"}
    ),
    "alerts:read": frozenset({"alert.view"}),
    "alerts:write": frozenset(
        {"alert.create", "alert.update", "alert.delete", "alert.acknowledge"}
    ),
    "webhooks:read": frozenset({"webhook.view"}),
    "webhooks:write": frozenset({"webhook.create", "webhook.update", "webhook.delete"}),
    "users:read": frozenset({"user.view"}),
    "users:write": frozenset({"user.create", "user.update", "user.delete", "user.invite"}),
    "organization:read": frozenset({"organization.view"}),
    "organization:write": frozenset({"organization.update"}),
    "api_keys:read": frozenset({"api_key.view"}),
    "api_keys:write": frozenset({"api_key.create", "api_key.delete"}),
    "audit:read": frozenset({"audit.view", "audit.export"}),
}


# Scopes that a device key, which is bound to a robot, may have.
DEVICE_SCOPES = frozenset(
    {
        "robots:read",
        "telemetry:read",
        "telemetry:write",
        "commands:read",
        "commands:write",
        "maintenance:read",
        "alerts:read",
        "alerts:write",
    }
)


@cache
def staff_permission_for(perm: str) -> str | None:
    """Return the staff permission for Django's; None for an unknown model.

    Args:
        perm: Django's permission, `app.action_model`.
    """
    app_label, _, codename = perm.partition(".")
    action, _, model = codename.partition("_")
    resource = _RESOURCES.get(f"{app_label}.{model}")
    if resource is None:
        return None
    return f"{resource}.{_VERBS.get(action, action)}"


def role_has_permission(role: str, extra: Iterable[str], perm: str) -> bool:
    """Return whether a role and extra permissions include a Django permission.

    Args:
        role: Role of the user.
        extra: Staff permissions of the user in addition to the role's.
        perm: Django's permission, `app.action_model`.
    """
    permission = staff_permission_for(perm)
    if permission is None:
        return False
    permission = _COVERED_BY.get(permission, permission)
    return permission in ROLE_PERMISSIONS[role] or permission in extra


def permissions_of_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the staff permissions that scopes include; unknown scopes have none."""
    granted = frozenset[str]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    return frozenset(_COVERED_BY.get(permission, permission) for permission in granted)


def scopes_have_permission(scopes: Iterable[str], perm: str) -> bool:
    """Return whether an API key's scopes include Django's `app.action_model`."""
    permission = staff_permission_for(perm)
    granted = frozenset[str]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    if permission is None or permission in granted:
        return permission is not None
    # Reading commands needs its own scope: the scope to read robots does not include it.
    return not permission.startswith("command.") and _COVERED_BY.get(permission) in granted


def permission_text(perm: str) -> str:
    """Return the name of the permission that includes Django's `app.action_model`."""
    permission = staff_permission_for(perm)
    return "" if permission is None else _COVERED_BY.get(permission, permission)


def scopes_text(perm: str) -> str:
    """Return the names of the scopes that include Django's `app.action_model`."""
    return " or ".join(scope for scope in SCOPES if scopes_have_permission([scope], perm))
