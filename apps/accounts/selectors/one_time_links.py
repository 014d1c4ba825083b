"""One-time links, with which users set a password.

`services.one_time_links` enqueues a job in the transaction of the change that needs a link. The job
creates the token, stores its digest and sends the e-mail. The token exists only in the e-mail: it
is not in a table, in the queue or in a log. In the URL it follows the `#`, which browsers do not
send to servers.

A link expires and can be used once. It also becomes invalid when a newer link for the same purpose
is created (one row per user and purpose), when the password changes, and while the user or the
organization is inactive.

To add a purpose, add a value to `LinkPurpose` with a migration for the changed CHECK, an entry to
`LINK_KINDS` below, and a text in `templates/mail/`. Links with `sets_password` work with the page
and with `POST auth/password-reset/confirm`. A link with another effect needs its own service, which
consumes the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.urls import reverse

from apps.accounts.choices import LinkPurpose
from apps.accounts.selectors.api_tokens import generate_token, is_well_formed_token
from urfmp.common.security.bearer_secrets import hash_token

_PREFIX = "urfmp_ln_"


@dataclass(frozen=True)
class LinkKind:
    """Lifetime and e-mail of the links of one purpose.

    Attributes:
        lifetime: Time for which a link is valid.
        subject: Subject of the e-mail.
        template: Template of the e-mail; its variables are `user`, `link`, `token` and `hours`.
        sets_password: Whether the user sets a password with the link.
    """

    lifetime: timedelta
    subject: str
    template: str
    sets_password: bool = False


LINK_KINDS: dict[str, LinkKind] = {
    LinkPurpose.PASSWORD_RESET: LinkKind(
        lifetime=timedelta(hours=1),
        subject="Reset your password",
        template="mail/password_reset.txt",
        sets_password=True,
    ),
    LinkPurpose.INVITATION: LinkKind(
        lifetime=timedelta(days=7),
        subject="Your account",
        template="mail/invitation.txt",
        sets_password=True,
    ),
}


@dataclass(frozen=True)
class LinkCredential:
    """A valid one-time link, as stored."""

    id: UUID
    user_id: UUID
    organization_id: UUID
    purpose: str


def generate_link_token() -> str:
    """Return a new token."""
    return generate_token(_PREFIX)


def link_url(token: str) -> str:
    """Return a link's URL; browsers do not send its fragment to servers."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:choose_password')}#{token}"


def hash_link_token(token: str) -> str | None:
    """Return the digest of a link's token; None if malformed."""
    token = token.strip()
    return hash_token(token) if is_well_formed_token(token, _PREFIX) else None


def link_credential(token: str) -> LinkCredential | None:
    """Return a link's credential; None if unknown, used, replaced or expired."""
    token = token.strip()
    if not is_well_formed_token(token, _PREFIX):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, user_id, organization_id, purpose FROM link_credential(%s)",
            [hash_token(token)],
        )
        row = cursor.fetchone()
    return LinkCredential(*row) if row else None
