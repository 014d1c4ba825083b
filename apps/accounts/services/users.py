"""Changes to people and to their sessions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY, login, logout
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.choices import PLATFORM_SLUG, Role
from apps.accounts.exceptions import LastAdminError, RoleNotHereError, SystemUserError
from apps.accounts.middleware.principal import request_actor, session_of
from apps.accounts.models import OneTimeLink, User, UserSession
from apps.accounts.selectors.credentials import forget_session, user_organization
from apps.accounts.services.locks import organization_hold, standing_hold
from apps.accounts.services.login_audit import stranger_record
from apps.accounts.services.quotas import take_place
from apps.audit.services.audit_logs import audit_record
from urfmp.common.db.constraints import must_be_free
from urfmp.common.security.recent_auth import SignIn
from urfmp.common.tenancy.context import act, current_organization_id, tenant_transaction

ADDRESS_TAKEN = "This address is taken."
DEACTIVATED = "Deactivated during the sign-in."
_ADMINS = (Role.ADMIN, Role.SUPER_ADMIN)


def _address_must_be_free() -> AbstractContextManager[None]:
    return must_be_free("email", ADDRESS_TAKEN)


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
        RoleNotHereError: A super admin would be made outside of the platform.
        ValidationError: A field does not fit, or the address is taken.
    """
    user = User(
        organization_id=organization_id,
        email=email.strip().lower(),
        role=role,
        first_name=first_name,
        last_name=last_name,
        permissions=permissions or [],
        devices_known_since=timezone.now(),  # the address may have been somebody else's
    )
    if user.email.endswith(".invalid"):
        raise ValidationError({"email": "Addresses under .invalid are the system's own."})
    if password is None:
        user.set_unusable_password()
    else:
        _set_password(user, password)
    with _address_must_be_free(), act("accounts.user.create"):
        _check_role(user)
        take_place(organization_id, "users")
        user.full_clean()
        user.save(force_insert=True)
    return user


def _check_role(user: User) -> None:
    """Keep super admins out of tenants: their role counts everywhere."""
    if user.role == Role.SUPER_ADMIN and user.organization.slug != PLATFORM_SLUG:
        raise RoleNotHereError


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
    with act("accounts.user.create"):
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
        RoleNotHereError: A super admin would be made outside of the platform.
        PlanLimitError: The plan has no room for a person who returns.
        SystemUserError: It is not a person.
        ValidationError: A field does not fit.
    """
    if user.is_system:
        raise SystemUserError
    with _address_must_be_free(), act("accounts.user.update"):
        admins = admins_hold(user.organization_id)
        user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
        if changes.get("is_active") and not user.is_active:
            take_place(user.organization_id, "users")
        if password := changes.pop("password", None):
            _set_password(user, password)
        if "email" in changes:
            changes["email"] = changes["email"].strip().lower()
        has_moved = changes.get("email", user.email) != user.email
        if has_moved:  # nobody has shown yet that the new address is theirs
            changes["email_verified"] = False
        # The platform needs a super admin, and an admin beside them is none.
        needed = (user.role,) if user.role == Role.SUPER_ADMIN else _ADMINS
        is_last = _is_last(user, [admin for admin in admins if admin.role in needed])
        for name, value in changes.items():
            setattr(user, name, value)
        _check_role(user)
        if is_last and not (user.is_active and user.role in needed):
            raise LastAdminError
        user.full_clean()
        if password or has_moved or not user.is_active:
            _end_links_of(user)  # one may lie in a mailbox that is no longer the person's
        if password or not user.is_active:
            sessions_end_all_of(user)
        user.save()
    return user


def admins_hold(organization_id: UUID) -> list[User]:
    """Lock an organization's active admins, in order: before any other person of it is locked."""
    rows = User.objects.select_for_update(no_key=True).only("pk", "role", "password")
    admins = rows.filter(organization_id=organization_id, role__in=_ADMINS, is_active=True)
    return list(admins.order_by("pk"))


def _is_last(user: User, admins: list[User]) -> bool:
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
    _end_links_of(user)
    sessions_end_all_of(user)
    user.save()


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


def _end_links_of(user: User) -> None:
    OneTimeLink.objects.filter(user_id=user.pk).delete()


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
