"""Changes to people and to their sessions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.choices import PLATFORM_SLUG, Role
from apps.accounts.exceptions import LastAdminError, RoleNotAllowedError, SystemUserError
from apps.accounts.models import OneTimeLink, User
from apps.accounts.services.locks import ADMIN_ROLES, lock_active_admins
from apps.accounts.services.quotas import reserve_quota
from apps.accounts.services.sessions import sessions_revoke_user
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.tenancy.context import audit_action

EMAIL_TAKEN = "This address is taken."


def _unique_email() -> AbstractContextManager[None]:
    return unique_error_on("email", EMAIL_TAKEN)


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
) -> User:
    """Add a person to an organization.

    Args:
        organization_id: Theirs for good.
        email: What they sign in with; kept in lower case, unique on the platform.
        role: One of `Role`.
        password: Checked against the password rules; without one they cannot sign in yet.
        first_name: Given name.
        last_name: Family name.
        permissions: Grants beyond the role, as in `robot.control`.

    Raises:
        PlanLimitError: The plan has no room for another person.
        RoleNotAllowedError: A super admin would be made outside of the platform.
        ValidationError: A field does not fit, or the address is taken.
    """
    user = User(
        organization_id=organization_id,
        email=email.strip().lower(),
        role=role,
        first_name=first_name,
        last_name=last_name,
        permissions=permissions or [],
        trusted_devices_reset_at=timezone.now(),  # the address may have been somebody else's
    )
    if user.email.endswith(".invalid"):
        raise ValidationError({"email": "Addresses under .invalid are the system's own."})
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
    """Keep super admins out of tenants: their role counts everywhere."""
    if user.role == Role.SUPER_ADMIN and user.organization.slug != PLATFORM_SLUG:
        raise RoleNotAllowedError


def system_user_create(*, organization_id: UUID, slug: str) -> User:
    """Add the author of what no person does: inactive, without a password, one an organization."""
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
    """Change a person's name, role, grants, password or active state.

    Deactivating ends their sessions; another address ends the links that were sent before. The
    rows of the organization's admins are locked, so that two admins cannot take the right from
    each other at the same time, and the person's own, so that of two changes at the same time
    neither is lost.

    Raises:
        LastAdminError: Nobody would be left to administer the organization.
        RoleNotAllowedError: A super admin would be made outside of the platform.
        PlanLimitError: The plan has no room for a person who returns.
        SystemUserError: It is not a person.
        ValidationError: A field does not fit.
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
        has_moved = changes.get("email", user.email) != user.email
        if has_moved:  # nobody has shown yet that the new address is theirs
            changes["email_verified"] = False
        # The platform needs a super admin, and an admin beside them is none.
        needed = (user.role,) if user.role == Role.SUPER_ADMIN else ADMIN_ROLES
        is_last = _is_last_admin(user, [admin for admin in admins if admin.role in needed])
        for name, value in changes.items():
            setattr(user, name, value)
        _check_role(user)
        if is_last and not (user.is_active and user.role in needed):
            raise LastAdminError
        user.full_clean()
        if password or has_moved or not user.is_active:
            _delete_links(user)  # one may lie in a mailbox that is no longer the person's
        if password or not user.is_active:
            sessions_revoke_user(user)
        user.save()
    return user


def _is_last_admin(user: User, admins: list[User]) -> bool:
    """Tell whether nobody could do what a person does as one of some admins.

    Who has not chosen a password yet cannot sign in, and stands in for nobody who can.
    """
    others = [admin for admin in admins if admin.pk != user.pk]
    if user.has_usable_password():
        others = [admin for admin in others if admin.has_usable_password()]
    return len(others) < len(admins) and not others


def user_set_password(user: User, password: str) -> None:
    """Give a person another password, inside an act of the caller's.

    It ends their sign-ins everywhere, and links with which they could have chosen one.

    Raises:
        ValidationError: The password does not fit.
    """
    _set_password(user, password)
    _delete_links(user)
    sessions_revoke_user(user)
    user.save()


def _delete_links(user: User) -> None:
    OneTimeLink.objects.filter(user_id=user.pk).delete()
