"""Invite people by e-mail, and let them in when they follow the link.

The invitation is a row of its own until somebody accepts it: whether its address already has an
account somewhere on the platform is told to whoever reads that mailbox, never to the inviter.
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
from apps.accounts.selectors.one_time_links import generate_link_token, hash_link_token
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
    """Invite somebody; the e-mail goes out once the open transaction has committed.

    Args:
        organization_id: Where to.
        email: Whom.
        role: One of `Role`.
        permissions: Grants beyond the role, as in `robot.control`.
        invited_by: The person who does it, or
        invited_by_key: The key. The link is good as long as they might still do it.

    Raises:
        MailNotConfiguredError: E-mail has no way out.
        OutgoingMailLimitError: The organization has sent too much, to this address or in all.
        PlanLimitError: The plan has no room for another person; who is invited counts.
        RoleNotAllowedError: Nobody is invited to be a super admin.
        ValidationError: A field does not fit, or the person is here or invited already.
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
        unique_error_on("email", "This person is invited already; send it again, or revoke it."),
        audit_action("accounts.invitation.create"),
    ):
        reserve_quota(organization_id, "users")
        if User.objects.filter(email=invitation.email).exists():
            raise ValidationError({"email": "This person is a member of the organization."})
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
    """Send an invitation again, good for another seven days; the link before is dead.

    From now on it stands for whoever does this: the one before may have lost the right to it.

    Raises:
        MailNotConfiguredError: E-mail has no way out.
        OutgoingMailLimitError: The organization has sent too much, to this address or in all.
        PlanLimitError: It had expired, and the plan has no room any more.
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
    """Take an invitation back; its link is dead."""
    with audit_action("accounts.invitation.revoke"):
        Invitation.objects.filter(pk=invitation.pk).delete()


def _enqueue_mail(invitation: Invitation) -> None:
    throttle_outgoing_mail(invitation.organization_id, invitation.email)
    app.configure_task("accounts.send_invitation").defer(
        organization_id=str(invitation.organization_id), invitation_id=str(invitation.pk)
    )


def invitation_send(*, organization_id: UUID, invitation_id: UUID) -> None:
    """Make the link and send it; nothing for an invitation that is gone or expired.

    The token is in the e-mail and nowhere else. It is stored before the e-mail goes out.
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
    """Return the address that a person opens. What follows the `#` reaches no server."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:accept_invitation')}#{token}"


@dataclass(frozen=True)
class InvitationCredential:
    """What a link that is still good stands for."""

    id: UUID
    organization_id: UUID


def invitation_credential(token: str) -> InvitationCredential | None:
    """Return what a token stands for; None for one that is unknown, used, revoked or expired."""
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
    """Make the invited person a member, with the password that they chose.

    The invitation's row is locked: of two requests with one link the second finds it gone. Whoever
    invited, a person or a key, must still be there, be allowed to invite and hold what they gave;
    the address is known to be the person's.

    Raises:
        InvalidLinkError: The link is unknown, used, revoked or expired, or the inviter may not
            give as much any more.
        ValidationError: A field does not fit, or the address has an account elsewhere; the link
            stays good.
    """
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
        rows.delete()  # makes room in the plan for the person
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
        person = User.objects.filter(pk=invitation.invited_by_id).first()
        if person is None and _is_super_admin(invitation.invited_by_id):
            return  # may do all that an invitation gives
        inviter, is_there = person, person is not None and bool(person.is_active)
    else:
        key: ApiKey | None = invitation.invited_by_key
        inviter, is_there = key, key is not None and key.is_valid
    if not is_there or _INVITE_PERMISSION not in effective_permissions(inviter):
        raise InvalidLinkError
    try:
        check_can_grant(inviter, {"role": invitation.role, "permissions": invitation.permissions})
    except GrantExceedsOwnError as error:
        raise InvalidLinkError from error


def _is_super_admin(user_id: UUID) -> bool:
    """Ask about somebody of the platform, who is behind the tenant wall."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_super_admin(%s)", [user_id])
        return bool(cursor.fetchone()[0])


def expired_invitations_delete() -> int:
    """Delete the open organization's invitations that expired 30 days ago; return how many."""
    with audit_action("accounts.invitation.clean_up"):
        limit = timezone.now() - timedelta(days=30)
        removed, _ = Invitation.objects.filter(expires_at__lt=limit).delete()
    return int(removed)


def grants_from_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return what an invitation gives, as `check_grant` takes it."""
    return {"role": Role.OPERATOR, **{k: v for k, v in values.items() if k != "email"}}
