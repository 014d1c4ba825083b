"""Whether somebody may be signed in, asked in a way that no deactivation can slip past."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from apps.accounts.choices import Role
from apps.accounts.exceptions import LoginFailedError
from apps.accounts.models import User

ADMIN_ROLES = (Role.ADMIN, Role.SUPER_ADMIN)


def lock_active_admins(organization_id: UUID) -> list[User]:
    """Lock an organization's active admins, in order: before any other person of it is locked."""
    rows = User.objects.select_for_update(no_key=True).only("pk", "role", "password")
    admins = rows.filter(organization_id=organization_id, role__in=ADMIN_ROLES, is_active=True)
    return list(admins.order_by("pk"))


def lock_organization(organization_id: UUID) -> bool:
    """Keep an organization's state as it is until the transaction ends; return if it is active.

    Deactivation holds the row against this, and then deletes sessions: whoever deletes or adds
    sessions takes it first, so that neither waits for the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(is_active, false) FROM organizations WHERE id = %s FOR SHARE",
            [organization_id],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def lock_active_user(user: User) -> None:
    """Keep a person and their organization active until the transaction ends.

    A sign-in is made under this. A deactivation that is under way is waited for, and then seen;
    one that comes later waits, and finds what was made. The person's row is locked first, then the
    organization's, then second factor and sessions. People are locked so that rows may refer to
    them (FOR NO KEY UPDATE): every record of what they do meanwhile does.

    Raises:
        LoginFailedError: One of them is not active any more.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True)
    if not rows.exists() or not lock_organization(user.organization_id):
        raise LoginFailedError
