"""Nobody grants more than they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.accounts.choices import Role
from apps.accounts.exceptions import GrantError
from apps.accounts.permissions.roles import ROLE_PERMISSIONS, permissions_of


def held_permissions(principal: Any) -> frozenset[str]:
    """Return the staff permissions of a person, or those that a key's scopes amount to."""
    if (scopes := getattr(principal, "scopes", None)) is not None:
        return permissions_of(scopes)
    return ROLE_PERMISSIONS[principal.role] | frozenset(principal.permissions or ())


def check_grant(principal: Any, changes: Mapping[str, Any]) -> None:
    """Check the role and the grants that somebody is about to give.

    Raises:
        GrantError: They go beyond the giver's own; or a super admin would be made by another.
    """
    held = held_permissions(principal)
    role = changes.get("role")
    wanted = frozenset(changes.get("permissions") or ())
    if role is not None:
        wanted |= ROLE_PERMISSIONS[role]
    own_role = getattr(principal, "role", None)
    if not wanted <= held or (role == Role.SUPER_ADMIN and own_role != Role.SUPER_ADMIN):
        raise GrantError


def check_authority(principal: Any, target: Any) -> None:
    """Check that somebody may change another person.

    Raises:
        GrantError: The other one holds rights that the first does not.
    """
    if not held_permissions(target) <= held_permissions(principal):
        msg = "This person holds rights that you do not hold."
        raise GrantError(msg)


def check_scopes(principal: Any, scopes: Iterable[str]) -> None:
    """Check the scopes that somebody is about to give a key.

    Raises:
        GrantError: They go beyond the giver's own permissions.
    """
    if not permissions_of(scopes) <= held_permissions(principal):
        raise GrantError
