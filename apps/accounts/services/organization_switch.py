"""Store the organization that a super admin works in with their session."""

from __future__ import annotations

from uuid import UUID

from apps.accounts.models import UserSession
from apps.accounts.permissions.active_organization import SESSION_KEY, ActiveOrganization
from apps.accounts.services.session_store import SessionStore


def active_organization_store(
    session: SessionStore | UUID, organization: ActiveOrganization | None
) -> None:
    """Store the active organization in the session data, inside the platform's transaction.

    Args:
        session: Session of the browser, or the id of the session of an access token.
        organization: Organization to work in; None to work in the platform's own again.
    """
    value = {"id": str(organization.id), "name": organization.name} if organization else None
    if isinstance(session, UUID):
        row = UserSession.objects.select_for_update().get(pk=session)
        row.data = {**row.data, SESSION_KEY: value}
        row.save(update_fields=["data"])
    else:
        session[SESSION_KEY] = value
        session.save()
