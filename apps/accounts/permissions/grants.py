"""Checks that users and API keys grant only permissions that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.accounts.choices import Role
from apps.accounts.exceptions import GrantExceedsOwnError
from apps.accounts.permissions.roles import ROLE_PERMISSIONS, permissions_of_scopes


def effective_permissions(principal: Any) -> frozenset[str]:
    """Return the staff permissions of a user or API key."""
    if (scopes := getattr(principal, "scopes", None)) is not None:
        return permissions_of_scopes(scopes)
    return ROLE_PERMISSIONS[principal.role] | frozenset(principal.permissions or ())


def check_can_grant(principal: Any, changes: Mapping[str, Any]) -> None:
    """Check that a principal may grant a role and extra permissions.

    Args:
        principal: User or API key that grants.
        changes: Fields of the other user; only `role` and `permissions` are read.

    Raises:
        GrantExceedsOwnError: The principal does not have all of these permissions, or is not a
            super admin and the role is.
    """
    own = effective_permissions(principal)
    role = changes.get("role")
    requested = frozenset(changes.get("permissions") or ())
    if role is not None:
        requested |= ROLE_PERMISSIONS[role]
    own_role = getattr(principal, "role", None)
    if not requested <= own or (role == Role.SUPER_ADMIN and own_role != Role.SUPER_ADMIN):
        raise GrantExceedsOwnError


def check_can_manage(principal: Any, target: Any) -> None:
    """Check that a principal may change a user, session or invitation.

    Args:
        principal: User or API key that makes the change.
        target: User or invitation that is changed.

    Raises:
        GrantExceedsOwnError: The target has permissions that the principal does not have.
    """
    if not effective_permissions(target) <= effective_permissions(principal):
        msg = "This user has permissions that you do not have."
        raise GrantExceedsOwnError(msg)


def check_can_grant_scopes(principal: Any, scopes: Iterable[str]) -> None:
    """Check that a principal may give scopes to an API key.

    Raises:
        GrantExceedsOwnError: The scopes include permissions that the principal does not have.
    """
    if not permissions_of_scopes(scopes) <= effective_permissions(principal):
        raise GrantExceedsOwnError
