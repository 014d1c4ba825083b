"""Request, create, send and consume one-time links."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.choices import LinkPurpose
from apps.accounts.exceptions import InvalidLinkError, SystemUserError
from apps.accounts.models import OneTimeLink, User
from apps.accounts.selectors.credentials import LoginIdentity, login_identity
from apps.accounts.selectors.one_time_links import (
    LINK_KINDS,
    LinkCredential,
    generate_link_token,
    link_credential,
    link_url,
)
from apps.accounts.services.login_audit import (
    record_invalid_link,
    record_unknown_email_attempt,
)
from apps.accounts.services.users import user_set_password
from apps.accounts.throttling import throttle_link_request, throttle_outgoing_mail
from apps.audit.services.audit_logs import audit_record
from urfmp.common.mail import mail_send, require_mail_configured
from urfmp.common.security.bearer_secrets import hash_token
from urfmp.common.tenancy.context import Actor, audit_action, current_actor, tenant_transaction

_RESET_DELAY_SECONDS = 2


def link_request(user: User, purpose: str) -> None:
    """Enqueue a link for a user; it is sent after the commit.

    Raises:
        MailNotConfiguredError: E-mail is not configured.
        OutgoingMailLimitError: Too many e-mails were sent, to this address or in total.
        SystemUserError: The user is the organization's system user.
    """
    if user.is_system:
        raise SystemUserError
    require_mail_configured()
    throttle_outgoing_mail(user.organization_id, user.email)
    actor = current_actor()
    app.configure_task("accounts.send_link").defer(
        organization_id=str(user.organization_id),
        user_id=str(user.pk),
        purpose=purpose,
        actor=_as_json(actor),
    )


def password_link_request(user: User) -> str:
    """Enqueue a link to set a password: reset or invitation.

    Returns:
        The purpose of the link.
    """
    purpose = user.password_link_purpose
    link_request(user, purpose)
    return purpose


def password_reset_request(
    actor: Actor, *, email: str, identity: LoginIdentity, client_scope: str | None
) -> None:
    """Enqueue a password reset link for an e-mail address.

    Unknown addresses are handled identically; the job does the lookup, so timing reveals nothing.
    Call it outside of transactions, so that the attempt stays counted.

    Args:
        actor: Client of the request.
        email: E-mail address that was entered.
        identity: Login identity of that address.
        client_scope: Trusted device, which has attempts of its own.

    Raises:
        MailNotConfiguredError: E-mail is not configured.
        TooManyAttemptsError: Too many links were requested for this e-mail address or from this IP
            address.
    """
    require_mail_configured()
    throttle_link_request(identity.account_hash, client_scope, actor.ip_address)
    # The job does more for a known address. It starts after the limited number of requests that
    # one client can send meanwhile, so its load does not show in their response times either.
    app.configure_task(
        "accounts.send_password_reset", schedule_in={"seconds": _RESET_DELAY_SECONDS}
    ).defer(email=email.strip(), actor=_as_json(actor))


def _as_json(actor: Actor) -> dict[str, Any]:
    return {
        "user_id": str(actor.user_id) if actor.user_id else None,
        "api_key_id": str(actor.api_key_id) if actor.api_key_id else None,
        "ip_address": actor.ip_address,
        "user_agent": (actor.user_agent or "")[:1000],
        "request_id": actor.request_id,
    }


def _from_json(values: dict[str, Any]) -> Actor:
    ids = {name: UUID(values[name]) for name in ("user_id", "api_key_id") if values.get(name)}
    return Actor(**{**values, "user_id": None, "api_key_id": None, **ids})


def password_reset_send(*, email: str, actor: dict[str, Any]) -> None:
    """Send a password reset link and audit the request.

    Nothing is sent if the address is unknown, or if an invited user has not set a password yet.
    """
    identity, requester = login_identity(email), _from_json(actor)
    action, kind = "accounts.user.forgot_password", "user"
    if identity.organization_id is None:
        record_unknown_email_attempt(requester, action=action, email=email, resource_type=kind)
        return
    with tenant_transaction(identity.organization_id, requester):
        user: User = User.objects.get_by_natural_key(email.strip())
        audit_record(
            action=action,
            resource_type=kind,
            resource_id=user.pk,
            request_data={"email": email[:255]},
        )
        has_password = user.has_usable_password()
    if has_password:
        link_send(
            organization_id=identity.organization_id,
            user_id=user.pk,
            purpose=LinkPurpose.PASSWORD_RESET,
            actor=actor,
        )


def link_send(*, organization_id: UUID, user_id: UUID, purpose: str, actor: dict[str, Any]) -> None:
    """Create a link and send it.

    The row is committed before the e-mail is sent, so every link that arrives is valid. A job that
    fails in between is retried and sends another link. The user's row is locked, so that no link
    is sent to the previous address while the e-mail address changes.
    """
    kind = LINK_KINDS[purpose]
    with tenant_transaction(organization_id, _from_json(actor)):
        rows = User.objects.select_for_update(no_key=True)
        user: User | None = rows.filter(pk=user_id, is_active=True).first()
        if user is None:
            audit_record(
                action=f"accounts.link.{purpose}",
                resource_type="user",
                resource_id=user_id,
                success=False,
                error_message="The link was not sent: the user is not active.",
            )
            return
        token, expires_at = link_create(user, purpose)
        context = {
            "user": user,
            "organization": user.organization,
            "link": link_url(token),
            "token": token,
            "hours": int(kind.lifetime.total_seconds() // 3600),
            "expires_at": expires_at,
        }
    mail_send(
        to=user.email,
        subject=kind.subject,
        template=kind.template,
        context=context,
        timezone=user.effective_timezone,
        locale=user.organization.effective_settings.locale,
    )


def link_create(user: User, purpose: str) -> tuple[str, datetime]:
    """Create a link that replaces the previous one.

    Returns:
        Its token, which belongs only in an e-mail to the user, and the datetime of its expiry.
    """
    token = generate_link_token()
    now = timezone.now()
    expires_at = now + LINK_KINDS[purpose].lifetime
    with audit_action(f"accounts.link.{purpose}"):
        OneTimeLink.objects.update_or_create(
            organization_id=user.organization_id,
            user=user,
            purpose=purpose,
            defaults={
                "token_digest": hash_token(token),
                "expires_at": expires_at,
                "created_at": now,
            },
        )
    return token, expires_at


def link_consume(found: LinkCredential) -> User:
    """Delete a link inside its organization's transaction and return its user.

    The user's row is locked first, so of two requests with one link the second finds it used.

    Raises:
        InvalidLinkError: Another request has used the link.
    """
    user: User | None = User.objects.select_for_update(no_key=True).filter(pk=found.user_id).first()
    used, _ = OneTimeLink.objects.filter(pk=found.id, expires_at__gt=timezone.now()).delete()
    if user is None or not used:
        raise InvalidLinkError
    return user


def password_set_with_token(actor: Actor, *, token: str, password: str) -> User:
    """Set the password of the user to whom a link was sent.

    Invalid links are audited. All sessions of the user are revoked, the second factor stays, and
    the e-mail address becomes verified.

    Args:
        actor: Client of the request, without its user.
        token: Token from the link.
        password: Password that the user has chosen.

    Raises:
        InvalidLinkError: The link is unknown, used, replaced or expired.
        ValidationError: The password is invalid; the link stays valid.
    """
    try:
        return _set_password_with_token(actor, token, password)
    except InvalidLinkError:
        record_invalid_link(actor, action="accounts.user.password_reset")
        raise


def _set_password_with_token(actor: Actor, token: str, password: str) -> User:
    found = link_credential(token)
    if found is None or not LINK_KINDS[found.purpose].sets_password:
        raise InvalidLinkError
    with (
        tenant_transaction(found.organization_id, replace(actor, user_id=found.user_id)),
        audit_action(f"accounts.user.{found.purpose}"),
    ):
        user = link_consume(found)
        user.email_verified = True
        user_set_password(user, password)
    return user


def expired_links_delete() -> int:
    """Delete the open organization's links that expired 30 days ago.

    Returns:
        The number of deleted rows.
    """
    with audit_action("accounts.link.clean_up"):
        limit = timezone.now() - timedelta(days=30)
        removed, _ = OneTimeLink.objects.filter(expires_at__lt=limit).delete()
    return int(removed)
