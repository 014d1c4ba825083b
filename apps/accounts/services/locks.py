"""Row locks that serialize logins with deactivations, in one order."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from apps.accounts.choices import Role
from apps.accounts.exceptions import LoginFailedError
from apps.accounts.models import User

ADMIN_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)


def lock_active_admins(organization_id: UUID) -> list[User]:
    """Lock an organization's active admins, in order of their ids.

    Call it before any other user of the organization is locked.
    """
    rows = User.objects.select_for_update(no_key=True).only("pk", "role", "password")
    admins = rows.filter(organization_id=organization_id, role__in=ADMIN_ROLES, is_active=True)
    return list(admins.order_by("pk"))


def lock_organization(organization_id: UUID) -> bool:
    """Lock an organization's row FOR SHARE and return whether it is active.

    A deactivation locks the row exclusively and then deletes sessions. Code that adds or deletes
    sessions locks it first as well, which prevents deadlocks.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(is_active, false) FROM organizations WHERE id = %s FOR SHARE",
            [organization_id],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def lock_active_user(user: User) -> None:
    """Lock a user and the organization, and require both to be active.

    The user's sessions must not have been revoked since the user was read: a login that crosses a
    deactivation fails even if the user is active again.

    A login runs under this lock: it waits for a running deactivation and then sees it, and a later
    deactivation waits and finds the new session. The user is locked first, then the organization,
    then second factor and sessions. The lock is FOR NO KEY UPDATE, because the audit rows of
    concurrent requests refer to the user.

    Raises:
        LoginFailedError: The user or the organization is not active, or the sessions were revoked.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True)
    reset_at = list(rows.values_list("trusted_devices_reset_at", flat=True))
    is_current = reset_at == [user.trusted_devices_reset_at]
    if not is_current or not lock_organization(user.organization_id):
        raise LoginFailedError
