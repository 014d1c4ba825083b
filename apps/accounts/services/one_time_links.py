"""Ask for one-time links, send them, and take them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.accounts.auth.requests import client_address, request_actor
from apps.accounts.auth.trusted_devices import known_device
from apps.accounts.choices import LinkPurpose
from apps.accounts.exceptions import LinkRefusedError, SystemUserError
from apps.accounts.models import OneTimeLink, User
from apps.accounts.selectors.credentials import account_of
from apps.accounts.selectors.one_time_links import (
    PURPOSES,
    LinkCredential,
    generate_link_token,
    link_address,
    link_credential,
)
from apps.accounts.services.login_audit import stranger_record
from apps.accounts.services.users import user_set_password
from apps.accounts.throttling import take_link, take_mail
from apps.audit.services.audit_logs import audit_record
from urfmp.common.mail import mail_must_be_configured, mail_send
from urfmp.common.security.bearer_secrets import digest
from urfmp.common.tenancy.context import Actor, act, current_actor, tenant_transaction


def link_order(user: User, purpose: str) -> None:
    """Have a person sent a link, once the open transaction has committed.

    Raises:
        MailNotConfiguredError: E-mail has no way out.
        MailRefusedError: The organization has sent too much, to this address or in all.
        SystemUserError: It is not a person.
    """
    if user.is_system:
        raise SystemUserError
    mail_must_be_configured()
    take_mail(user.organization_id, user.email)
    actor = current_actor()
    app.configure_task("accounts.send_link").defer(
        organization_id=str(user.organization_id),
        user_id=str(user.pk),
        purpose=purpose,
        actor=_as_json(actor),
    )


def password_link_order(user: User) -> str:
    """Have a person sent what they can choose a password with: a reset, or their invitation again.

    Returns:
        The purpose of the link.
    """
    purpose = user.password_link_purpose
    link_order(user, purpose)
    return purpose


def password_reset_order(request: HttpRequest, *, email: str) -> None:
    """Have a link sent to whoever says that they forgot their password.

    The same is done whether or not the address is anybody's: the job looks it up. Call it outside
    of transactions, so that what is counted stays counted.

    Raises:
        MailNotConfiguredError: E-mail has no way out.
        TooManyAttemptsError: For this address, or from this one, too many were asked for.
    """
    mail_must_be_configured()
    account = account_of(email)
    take_link(account.name, known_device(request, account), client_address(request))
    app.configure_task("accounts.send_password_reset").defer(
        email=email.strip(), actor=_as_json(request_actor(request))
    )


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
    """Send a link to the person with this address, and record that it was asked for.

    Nobody has the address, or they were invited and have no password yet: nothing is sent.
    """
    account, asked_by = account_of(email), _from_json(actor)
    action, kind = "accounts.user.forgot_password", "user"
    if account.organization_id is None:
        stranger_record(asked_by, action=action, email=email, resource_type=kind)
        return
    with tenant_transaction(account.organization_id, asked_by):
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
            organization_id=account.organization_id,
            user_id=user.pk,
            purpose=LinkPurpose.PASSWORD_RESET,
            actor=actor,
        )


def link_send(*, organization_id: UUID, user_id: UUID, purpose: str, actor: dict[str, Any]) -> None:
    """Make a link and send it.

    The row is committed before the e-mail goes out: what arrives works. A job that fails in between
    is tried again and sends another one. The person's row is locked: while they are given another
    address, no link may go to the one before.
    """
    kind = PURPOSES[purpose]
    with tenant_transaction(organization_id, _from_json(actor)):
        people = User.objects.select_for_update(no_key=True)
        user: User | None = people.filter(pk=user_id, is_active=True).first()
        if user is None:
            return
        token, _ = link_make(user, purpose)
        context = {
            "user": user,
            "organization": user.organization,
            "link": link_address(token),
            "token": token,
            "hours": int(kind.age.total_seconds() // 3600),
        }
    mail_send(to=user.email, subject=kind.subject, template=kind.template, context=context)


def link_make(user: User, purpose: str) -> tuple[str, datetime]:
    """Make a link in place of the one before.

    Returns:
        Its token, which belongs into an e-mail to the person and nowhere else; and when it ends.
    """
    token = generate_link_token()
    now = timezone.now()
    expires_at = now + PURPOSES[purpose].age
    with act(f"accounts.link.{purpose}"):
        OneTimeLink.objects.update_or_create(
            organization_id=user.organization_id,
            user=user,
            purpose=purpose,
            defaults={"token_digest": digest(token), "expires_at": expires_at, "created_at": now},
        )
    return token, expires_at


def link_take(found: LinkCredential) -> User:
    """Use a link up, inside its organization's transaction, and return whose it was.

    The person's row is locked first: of two requests with one link the second finds it used.

    Raises:
        LinkRefusedError: Somebody was faster.
    """
    user: User | None = User.objects.select_for_update(no_key=True).filter(pk=found.user_id).first()
    used, _ = OneTimeLink.objects.filter(pk=found.id, expires_at__gt=timezone.now()).delete()
    if user is None or not used:
        raise LinkRefusedError
    return user


def password_choose(request: HttpRequest, *, token: str, password: str) -> User:
    """Give a person the password that they chose, against a link from their e-mail.

    It ends all of their sign-ins, keeps their second factor, and shows that the address is theirs.

    Raises:
        LinkRefusedError: The link is unknown, used, replaced or expired.
        ValidationError: The password does not fit; the link stays good.
    """
    found = link_credential(token)
    if found is None or not PURPOSES[found.purpose].sets_password:
        raise LinkRefusedError
    with (
        tenant_transaction(found.organization_id, request_actor(request, user_id=found.user_id)),
        act(f"accounts.user.{found.purpose}"),
    ):
        user = link_take(found)
        user.email_verified = True
        user_set_password(user, password)
    return user


def clean_up_links() -> int:
    """Delete the open organization's links that expired 30 days ago; return how many."""
    with act("accounts.link.clean_up"):
        limit = timezone.now() - timedelta(days=30)
        removed, _ = OneTimeLink.objects.filter(expires_at__lt=limit).delete()
    return int(removed)
