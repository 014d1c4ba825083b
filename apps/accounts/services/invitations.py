"""Invite users by e-mail and create their account when they accept.

An invitation is a row of its own until it is accepted. Only the owner of the mailbox learns whether
the e-mail address already has an account on the platform, never the inviter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.choices import Role
from apps.accounts.exceptions import GrantExceedsOwnError, InvalidLinkError, RoleNotAllowedError
from apps.accounts.models import ApiKey, Invitation, User
from apps.accounts.permissions.grants import check_can_grant, effective_permissions
from apps.accounts.selectors.credentials import is_super_admin
from apps.accounts.selectors.one_time_links import generate_link_token, hash_link_token
from apps.accounts.services.login_audit import record_invalid_link
from apps.accounts.services.quotas import reserve_quota
from apps.accounts.services.users import user_create
from apps.accounts.throttling import throttle_outgoing_mail
from urfmp.common.db.constraints import unique_error_on
from urfmp.common.mail import mail_send, require_mail_configured
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor, audit_action, tenant_transaction

INVITATION_LIFETIME = timedelta(days=7)
_INVITE_PERMISSION = "user.invite"


def invitation_create(
    *,
    organization_id: UUID,
    email: str,
    role: str = Role.OPERATOR,
    permissions: list[str] | None = None,
    invited_by: User | None = None,
    invited_by_key: UUID | None = None,
) -> Invitation:
    """Invite a user; the e-mail is sent after the commit.

    Args:
        organization_id: Organization that the user is invited to.
        email: E-mail address of the invited user.
        role: One of `Role`.
        permissions: Grants beyond the role, such as `robot.control`.
        invited_by: User who invites, or None.
        invited_by_key: API key that invites, or None. The link is valid only while the inviter is
            still allowed to give these grants.

    Raises:
        MailNotConfiguredError: E-mail is not configured.
        OutgoingMailLimitError: Too many e-mails were sent, to this address or in total.
        PlanLimitError: The plan does not allow another user; pending invitations count.
        RoleNotAllowedError: Super admins cannot be invited.
        ValidationError: A field is invalid, or the user is already a member or invited.
    """
    require_mail_configured()
    invitation = Invitation(
        organization_id=organization_id,
        email=email.strip().lower(),
        role=role,
        permissions=permissions or [],
        invited_by=invited_by,
        invited_by_key_id=invited_by_key,
        expires_at=timezone.now() + INVITATION_LIFETIME,
    )
    if role == Role.SUPER_ADMIN:
        raise RoleNotAllowedError
    with (
        unique_error_on(
            "email",
            "This user has already been invited. Resend or revoke the invitation.",
            "invitations_organization_email_key",
        ),
        audit_action("accounts.invitation.create"),
    ):
        reserve_quota(organization_id, "users")
        if User.objects.filter(email=invitation.email).exists():
            raise ValidationError({"email": "This user is already a member of the organization."})
        invitation.full_clean(validate_constraints=False)
        invitation.save(force_insert=True)
        _enqueue_mail(invitation)
    return invitation


def invitation_resend(
    invitation: Invitation,
    *,
    invited_by: User | None = None,
    invited_by_key: UUID | None = None,
) -> Invitation:
    """Resend an invitation for another seven days; the previous link becomes invalid.

    The user or API key that resends it becomes the inviter: the original one may no longer be
    allowed to invite.

    Raises:
        MailNotConfiguredError: E-mail is not configured.
        OutgoingMailLimitError: Too many e-mails were sent, to this address or in total.
        PlanLimitError: The invitation had expired, and the plan does not allow another user.
    """
    require_mail_configured()
    with audit_action("accounts.invitation.resend"):
        invitation.refresh_from_db(from_queryset=Invitation.objects.select_for_update())
        if invitation.is_expired:
            reserve_quota(invitation.organization_id, "users")
        invitation.expires_at = timezone.now() + INVITATION_LIFETIME
        invitation.token_digest = None
        invitation.invited_by, invitation.invited_by_key_id = invited_by, invited_by_key
        invitation.save(
            update_fields=["expires_at", "token_digest", "invited_by", "invited_by_key"]
        )
        _enqueue_mail(invitation)
    return invitation


def invitation_revoke(invitation: Invitation) -> None:
    """Revoke an invitation; its link becomes invalid."""
    with audit_action("accounts.invitation.revoke"):
        Invitation.objects.filter(pk=invitation.pk).delete()


def _enqueue_mail(invitation: Invitation) -> None:
    throttle_outgoing_mail(invitation.organization_id, invitation.email)
    app.configure_task("accounts.send_invitation").defer(
        organization_id=str(invitation.organization_id), invitation_id=str(invitation.pk)
    )


def invitation_send(*, organization_id: UUID, invitation_id: UUID) -> None:
    """Create the link and send it.

    Nothing is sent for a revoked or expired invitation. Only the e-mail contains the token. Its
    digest is committed before the e-mail is sent.
    """
    token = generate_link_token()
    with tenant_transaction(organization_id), audit_action("accounts.invitation.send"):
        rows = Invitation.objects.select_for_update(of=("self",)).select_related("organization")
        found: Invitation | None = rows.filter(pk=invitation_id).first()
        if found is None or found.is_expired:
            return
        found.token_digest = hash_token(token)
        found.save(update_fields=["token_digest"])
    mail_send(
        to=found.email,
        subject=f"Invitation to {found.organization.name}",
        template="mail/member_invitation.txt",
        context={
            "organization": found.organization,
            "email": found.email,
            "link": invitation_url(token),
            "token": token,
            "days": INVITATION_LIFETIME.days,
        },
    )


def invitation_url(token: str) -> str:
    """Return the URL; browsers do not send the part after `#`."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:accept_invitation')}#{token}"


@dataclass(frozen=True)
class InvitationCredential:
    """Invitation behind a valid token."""

    id: UUID
    organization_id: UUID


def invitation_credential(token: str) -> InvitationCredential | None:
    """Return the invitation of a token, or None.

    None if the token is unknown, used, revoked or expired.
    """
    if (token_digest := hash_link_token(token)) is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, organization_id FROM invitation_credential(%s)", [token_digest])
        row = cursor.fetchone()
    return InvitationCredential(*row) if row else None


def invitation_accept(
    actor: Actor,
    *,
    token: str,
    password: str,
    first_name: str = "",
    last_name: str = "",
) -> User:
    """Create the account of an invited user with the chosen password.

    The invitation's row is locked, so of two requests with one link the second finds it deleted.
    The inviter, a user or an API key, must still be active, be allowed to invite and have the
    permissions that the invitation grants. The e-mail address becomes verified.

    Args:
        actor: Client of the request.
        token: Token from the link.
        password: Password that the user has chosen.
        first_name: Given name.
        last_name: Family name.

    Raises:
        InvalidLinkError: The link is unknown, used, revoked or expired, or the inviter is no longer
            allowed to grant as much.
        ValidationError: A field is invalid, or the e-mail address has an account in another
            organization. The link stays valid.
    """
    try:
        return _accept(actor, token, password, first_name, last_name)
    except InvalidLinkError:
        record_invalid_link(actor, action="accounts.invitation.accept")
        raise


def _accept(actor: Actor, token: str, password: str, first_name: str, last_name: str) -> User:
    credential = invitation_credential(token)
    if credential is None:
        raise InvalidLinkError
    with (
        tenant_transaction(credential.organization_id, actor),
        audit_action("accounts.invitation.accept"),
    ):
        rows = Invitation.objects.select_for_update().filter(pk=credential.id)
        found: Invitation | None = rows.first()
        if found is None or found.is_expired:
            raise InvalidLinkError
        _check_inviter(found)
        rows.delete()  # before the user is counted against the plan
        user = user_create(
            organization_id=found.organization_id,
            email=found.email,
            role=found.role,
            password=password,
            first_name=first_name or None,
            last_name=last_name or None,
            permissions=found.permissions,
        )
        user.email_verified = True
        user.save(update_fields=["email_verified"])
    return user


def _check_inviter(invitation: Invitation) -> None:
    inviter: User | ApiKey | None
    if invitation.invited_by_id is not None:
        user = User.objects.filter(pk=invitation.invited_by_id).first()
        if user is None and is_super_admin(invitation.invited_by_id):
            return  # has all permissions that an invitation can grant
        inviter, is_active = user, user is not None and bool(user.is_active)
    else:
        key: ApiKey | None = invitation.invited_by_key
        inviter, is_active = key, key is not None and key.is_valid
    if not is_active or _INVITE_PERMISSION not in effective_permissions(inviter):
        raise InvalidLinkError
    try:
        check_can_grant(inviter, {"role": invitation.role, "permissions": invitation.permissions})
    except GrantExceedsOwnError as error:
        raise InvalidLinkError from error


def expired_invitations_delete() -> int:
    """Delete the open organization's invitations that expired 30 days ago.

    Returns:
        The number of deleted rows.
    """
    with audit_action("accounts.invitation.clean_up"):
        limit = timezone.now() - timedelta(days=30)
        removed, _ = Invitation.objects.filter(expires_at__lt=limit).delete()
    return int(removed)


def grants_from_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return the grants of an invitation for `check_can_grant`."""
    return {"role": Role.OPERATOR, **{k: v for k, v in values.items() if k != "email"}}
