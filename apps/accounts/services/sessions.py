"""Start and end sessions."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import SESSION_KEY, login, logout
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.auth.requests import request_actor, session_of
from apps.accounts.models import User, UserSession
from apps.accounts.selectors.credentials import forget_session, user_organization
from apps.accounts.services.locks import organization_hold, standing_hold
from apps.accounts.services.login_audit import stranger_record
from apps.audit.services.audit_logs import audit_record
from urfmp.common.security.recent_auth import SignIn
from urfmp.common.tenancy.context import act, current_organization_id, tenant_transaction

DEACTIVATED = "Deactivated during the sign-in."


def sessions_end_all(organization_id: UUID) -> int:
    """End every sign-in of an organization's people, inside an act of the caller's.

    Returns:
        How many rows were deleted; a family of tokens has several.
    """
    sessions = UserSession.objects.filter(organization_id=organization_id)
    digests = list(sessions.values_list("session_token", flat=True))
    sessions.delete()
    for token_digest in digests:
        forget_session(token_digest)
    return len(digests)


def sessions_end_all_of(user: User) -> None:
    """End a person's sign-ins everywhere, inside an act of the caller's that holds their row.

    No device on which they were made is known any more, once the caller has saved the person.
    """
    user.devices_known_since = timezone.now()
    organization_hold(user.organization_id)
    sessions = UserSession.objects.filter(user_id=user.pk)
    digests = list(sessions.values_list("session_token", flat=True))
    sessions.delete()
    for token_digest in digests:
        forget_session(token_digest)


def session_start(
    request: HttpRequest,
    user: User,
    *,
    second_factor: bool = False,
    sign_in: SignIn | None = None,
) -> None:
    """Sign a person in on this browser, with a new session, and record it.

    Args:
        request: From the browser.
        user: Who has shown their password just now.
        second_factor: Whether they have shown theirs as well.
        sign_in: When and how they have shown who they are, if it was not all of it just now.

    Raises:
        SignInRefusedError: They, or their organization, were deactivated meanwhile.
    """
    session = session_of(request)
    if SESSION_KEY in session:
        session.flush()  # while it still knows whose it was
    session.organization_id = user.organization_id
    with tenant_transaction(user.organization_id, request_actor(request, user_id=user.pk)):
        standing_hold(user)
        login(request, user, backend="apps.accounts.auth.backends.EmailBackend")
        session.update((sign_in or SignIn.now(has_second_factor=second_factor)).values())
        session.save()
        audit_record(action="accounts.session.login", resource_type="user", resource_id=user.pk)


def session_refuse(
    request: HttpRequest, *, email: str, reason: str = "Wrong e-mail or password."
) -> None:
    """Record a sign-in that failed; the answer to the caller tells nothing."""
    actor = request_actor(request)
    # The address of whoever was deactivated within this request still is theirs.
    organization_id = user_organization(email) or current_organization_id()
    action, kind = "accounts.session.login", "session"
    if organization_id is None:
        stranger_record(actor, action=action, email=email, resource_type=kind, error_message=reason)
        return
    with tenant_transaction(organization_id, actor):
        audit_record(
            action=action,
            resource_type=kind,
            success=False,
            error_message=reason,
            request_data={"email": email[:255]},
        )


def session_end_current(request: HttpRequest) -> None:
    """Sign out on this browser, and record it."""
    user, organization_id = request.user, session_of(request).organization_id
    if user.is_authenticated and organization_id:
        with tenant_transaction(organization_id, request_actor(request, user_id=user.pk)):
            audit_record(
                action="accounts.session.logout", resource_type="user", resource_id=user.pk
            )
            logout(request)


def session_end(session: UserSession) -> None:
    """End a sign-in, wherever it is."""
    with act("accounts.session.end"):
        UserSession.objects.filter(pk=session.family_id or session.pk).delete()
    forget_session(session.session_token)


def sessions_end_others(user: User, *, keep: UUID | None) -> int:
    """End a person's sign-ins everywhere but here.

    Args:
        user: Whose.
        keep: The session that the request comes from.

    Returns:
        How many were ended.
    """
    with act("accounts.session.end_others"):
        others = list(UserSession.objects.of_person(user).sign_ins().alive().exclude(pk=keep))
        UserSession.objects.filter(pk__in=[session.pk for session in others]).delete()
    for session in others:
        forget_session(session.session_token)
    return len(others)


def clean_up_sessions() -> int:
    """Delete the open organization's sessions that expired 30 days ago; return how many."""
    with act("accounts.session.clean_up"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM user_sessions WHERE expires_at < NOW() - INTERVAL '30 days'")
        return int(cursor.rowcount)
