"""Create and change users."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.timezone import now

from apps.accounts.choices import PLATFORM_SLUG, Role
from apps.accounts.exceptions import LastAdminError, RoleNotAllowedError, SystemUserError
from apps.accounts.models import OneTimeLink, User
from apps.accounts.services.locks import ADMIN_ROLES, lock_active_admins
from apps.accounts.services.quotas import reserve_quota
from apps.accounts.services.sessions import sessions_revoke_user
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action

EMAIL_TAKEN = "This e-mail address is already in use."


def _unique_email() -> AbstractContextManager[None]:
    return unique_error_on("email", EMAIL_TAKEN, "users_email_key", "users_email_lower_key")


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error}) from error
    user.set_password(password)


def user_create(
    *,
    organization_id: UUID,
    email: str,
    role: str = Role.OPERATOR,
    password: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    permissions: list[str] | None = None,
    timezone: str = "",
) -> User:
    """Create a user in an organization.

    Args:
        organization_id: Organization of the user; it never changes.
        email: E-mail address for the login, stored in lower case and unique on the platform.
        role: One of `Role`.
        password: Password, which is validated; without one the user cannot log in yet.
        first_name: Given name.
        last_name: Family name.
        permissions: Grants beyond the role, such as `robot.control`.
        timezone: IANA name; empty for the organization's timezone.

    Raises:
        PlanLimitError: The plan does not allow another user.
        RoleNotAllowedError: Super admins are allowed only in the platform's organization.
        ValidationError: A field is invalid, or the e-mail address is already in use.
    """
    user = User(
        organization_id=organization_id,
        email=email.strip().lower(),
        role=role,
        first_name=first_name,
        last_name=last_name,
        permissions=permissions or [],
        timezone=timezone,
        trusted_devices_reset_at=now(),  # another user may have had this address before
    )
    if user.email.endswith(".invalid"):
        raise ValidationError({"email": "E-mail addresses under .invalid are reserved."})
    if password is None:
        user.set_unusable_password()
    else:
        _set_password(user, password)
    with _unique_email(), audit_action("accounts.user.create"):
        _check_role(user)
        reserve_quota(organization_id, "users")
        user.full_clean()
        user.save(force_insert=True)
    return user


def _check_role(user: User) -> None:
    """Reject super admins outside the platform: the role applies everywhere."""
    if user.role == Role.SUPER_ADMIN and user.organization.slug != PLATFORM_SLUG:
        raise RoleNotAllowedError


def system_user_create(*, organization_id: UUID, slug: str) -> User:
    """Create the system user of an organization.

    It is the author of automatic changes: inactive, without a password, one per organization.
    """
    user = User(
        organization_id=organization_id,
        email=f"system@{slug}.invalid",
        first_name="System",
        role=Role.CUSTOM,
        is_system=True,
        is_active=False,
    )
    user.set_unusable_password()
    with audit_action("accounts.user.create"):
        user.save(force_insert=True)
    return user


def system_user_get(*, organization_id: UUID) -> User:
    """Return an organization's system user."""
    user: User = User.objects.get(organization_id=organization_id, is_system=True)
    return user


def user_update(user: User, **changes: Any) -> User:
    """Change a user's name, role, grants, e-mail address, password or active state.

    Deactivation revokes the user's sessions; a new e-mail address revokes links sent before. The
    rows of the organization's admins are locked, so that two admins cannot demote each other at the
    same time. The user's own row is locked, so that concurrent changes are not lost.

    Raises:
        LastAdminError: The organization would not have an active admin.
        RoleNotAllowedError: Super admins are allowed only in the platform's organization.
        PlanLimitError: The plan does not allow another active user.
        SystemUserError: The user is the organization's system user.
        ValidationError: A field is invalid.
    """
    if user.is_system:
        raise SystemUserError
    with _unique_email(), audit_action("accounts.user.update"):
        admins = lock_active_admins(user.organization_id)
        user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
        if changes.get("is_active") and not user.is_active:
            reserve_quota(user.organization_id, "users")
        if password := changes.pop("password", None):
            _set_password(user, password)
        if "email" in changes:
            changes["email"] = changes["email"].strip().lower()
        is_email_changed = changes.get("email", user.email) != user.email
        if is_email_changed:  # the user has not confirmed the new address yet
            changes["email_verified"] = False
        # The platform needs a super admin; an admin is not enough there.
        needed = (user.role,) if user.role == Role.SUPER_ADMIN else ADMIN_ROLES
        is_last = _is_last_admin(user, [admin for admin in admins if admin.role in needed])
        for name, value in changes.items():
            setattr(user, name, value)
        _check_role(user)
        if is_last and not (user.is_active and user.role in needed):
            raise LastAdminError
        user.full_clean()
        if password or is_email_changed or not user.is_active:
            _delete_links(user)  # the user may no longer own the mailbox they were sent to
        if password or not user.is_active:
            sessions_revoke_user(user)
        user.save()
    return user


def user_update_profile(
    user: User, *, first_name: str | None, last_name: str | None, timezone: str
) -> User:
    """Change what users of any role may change about themselves.

    Raises:
        ValidationError: A field is invalid.
    """
    with audit_action("accounts.user.update_profile"):
        return user_update(user, first_name=first_name, last_name=last_name, timezone=timezone)


def _is_last_admin(user: User, admins: list[User]) -> bool:
    """Return whether no other of some admins can replace the user.

    An admin without a password cannot log in, and so cannot replace one who can.
    """
    others = [admin for admin in admins if admin.pk != user.pk]
    if user.has_usable_password():
        others = [admin for admin in others if admin.has_usable_password()]
    return len(others) < len(admins) and not others


def user_set_password(user: User, password: str) -> None:
    """Set a user's password, inside the caller's audit action.

    It revokes all sessions of the user and the links to set a password.

    Raises:
        ValidationError: The password is invalid.
    """
    _set_password(user, password)
    _delete_links(user)
    sessions_revoke_user(user)
    user.save()


def _delete_links(user: User) -> None:
    OneTimeLink.objects.filter(user_id=user.pk).delete()
