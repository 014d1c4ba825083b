"""The one table of who may do what: admin, pages and API read it.

A staff permission is `<resource>.<verb>`. Django asks for `app.action_model`; `permission_for`
translates one into the other, so both name the same right.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from apps.accounts.choices import Role

PERMISSIONS = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {
        "robot": "view create update delete control",
        "telemetry": "view write export",
        "organization": "view update",
        "user": "view create update delete invite",
        "api_key": "view create delete",
        "webhook": "manage",
        "maintenance": "view create update delete approve",
        "alert": "view create update delete acknowledge",
        "settings": "view update",
        "audit": "view export",
    }.items()
    for verb in verbs.split()
)

PERMISSION_CHOICES = [(name, name) for name in sorted(PERMISSIONS)]

# What only the platform's super admins may do. Nobody can be granted it beside their role.
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

# What a model's rows are called in a permission. A model without an entry is nobody's.
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
    "robots.robotstatushistory": "robot",
    "telemetry.robottelemetry": "telemetry",
    # No models: what is stored, of one's own organization and of all of them.
    "telemetry.storage": "settings",
    "telemetry.platformstorage": "platform",
    "maintenance.maintenancetask": "maintenance",
    "alerts.alert": "alert",
    "audit.auditlog": "audit",
}
_VERBS = {"add": "create", "change": "update"}
# Where one right holds for several kinds of rows.
_SAME_AS = {
    "command.view": "robot.view",
    "command.create": "robot.control",
    "organization.create": "organization.update",
    "organization.delete": "organization.update",
    "organization.administer": "platform.administer",
    "user.end": "user.update",
    "invitation.view": "user.view",
    "invitation.create": "user.invite",
    "invitation.update": "user.invite",
    "invitation.delete": "user.invite",
    "api_key.update": "api_key.create",
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
    "users:read": frozenset({"user.view"}),
    "users:write": frozenset({"user.create", "user.update", "user.delete", "user.invite"}),
    "organization:read": frozenset({"organization.view"}),
    "organization:write": frozenset({"organization.update"}),
    "api_keys:read": frozenset({"api_key.view"}),
    "api_keys:write": frozenset({"api_key.create", "api_key.delete"}),
    "webhooks:read": frozenset({"webhook.manage"}),
    "webhooks:write": frozenset({"webhook.manage"}),
    "audit:read": frozenset({"audit.view", "audit.export"}),
}


# What a robot needs of itself; a key that is bound to one may hold nothing else.
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
def permission_for(perm: str) -> str | None:
    """Translate Django's `app.action_model` into a staff permission; None for an unknown model."""
    app_label, _, codename = perm.partition(".")
    action, _, model = codename.partition("_")
    resource = _RESOURCES.get(f"{app_label}.{model}")
    if resource is None:
        return None
    return f"{resource}.{_VERBS.get(action, action)}"


def role_grants(role: str, extra: Iterable[str], perm: str) -> bool:
    """Tell whether a role, with grants beyond it, holds Django's `app.action_model`."""
    permission = permission_for(perm)
    if permission is None:
        return False
    permission = _SAME_AS.get(permission, permission)
    return permission in ROLE_PERMISSIONS[role] or permission in extra


def permissions_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return the staff permissions that an API key's scopes amount to."""
    granted = frozenset[str]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    return frozenset(_SAME_AS.get(permission, permission) for permission in granted)


def scopes_grant(scopes: Iterable[str], perm: str) -> bool:
    """Tell whether an API key's scopes hold Django's `app.action_model`."""
    permission = permission_for(perm)
    granted = frozenset[str]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    if permission is None or permission in granted:
        return permission is not None
    # A key that may see robots does not see their commands: that is a scope of its own.
    return not permission.startswith("command.") and _SAME_AS.get(permission) in granted
