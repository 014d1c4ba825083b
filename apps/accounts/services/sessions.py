"""Change, revoke and delete sessions."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.utils import timezone

from apps.accounts.models import User, UserSession
from apps.accounts.permissions.active_organization import SESSION_KEY, ActiveOrganization
from apps.accounts.selectors.credentials import invalidate_cached_session
from apps.accounts.services.locks import lock_organization
from apps.accounts.services.session_store import SessionStore
from urfmp.common.tenancy.context import audit_action


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


def sessions_revoke_organization(organization_id: UUID) -> int:
    """Revoke all sessions of an organization, inside the caller's audit action.

    Returns:
        The number of deleted rows; a token family has several.
    """
    sessions = UserSession.objects.filter(organization_id=organization_id)
    digests = list(sessions.values_list("session_token", flat=True))
    sessions.delete()
    for token_digest in digests:
        invalidate_cached_session(token_digest)
    return len(digests)


def sessions_revoke_user(user: User) -> None:
    """Revoke all sessions of a user, inside the caller's audit action.

    The caller has locked the user's row. Saving the user afterwards also resets the trusted
    devices.
    """
    user.trusted_devices_reset_at = timezone.now()
    lock_organization(user.organization_id)
    sessions = UserSession.objects.filter(user_id=user.pk)
    digests = list(sessions.values_list("session_token", flat=True))
    sessions.delete()
    for token_digest in digests:
        invalidate_cached_session(token_digest)


def session_revoke(session: UserSession) -> None:
    """Revoke one session with all of its tokens."""
    with audit_action("accounts.session.end"):
        UserSession.objects.filter(pk=session.family_id or session.pk).delete()
    invalidate_cached_session(session.session_token)


def sessions_revoke_others(user: User, *, keep: UUID | None) -> int:
    """Revoke all sessions of a user except one.

    Args:
        user: User whose sessions are revoked.
        keep: Session of the request.

    Returns:
        The number of revoked sessions.
    """
    with audit_action("accounts.session.end_others"):
        others = list(UserSession.objects.of_user(user).roots().active().exclude(pk=keep))
        UserSession.objects.filter(pk__in=[session.pk for session in others]).delete()
    for session in others:
        invalidate_cached_session(session.session_token)
    return len(others)


def expired_sessions_delete() -> int:
    """Delete the open organization's sessions that expired 30 days ago.

    Returns:
        The number of deleted rows.
    """
    with audit_action("accounts.session.clean_up"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM user_sessions WHERE expires_at < NOW() - INTERVAL '30 days'")
        return int(cursor.rowcount)
