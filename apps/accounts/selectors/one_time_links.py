"""One-time links: what a person gets by e-mail to choose a password with.

A link is asked for by a service, with `link_order` in `link_services`. That enqueues a job within
the transaction of its cause; the job makes the token, stores its digest and sends the e-mail. So
the token itself is in the e-mail and nowhere else: in no table, not in the queue, in no log. In the
address it stands behind the `#`, which browsers keep to themselves.

A link is good once and for a time. It is dead after its use, after a newer one for the same purpose
(one row for each person and purpose), after any change of the password, and while the person or
their organization is not active.

To add a purpose: a value of `LinkPurpose` and a migration for the changed CHECK; an entry of
`PURPOSES` below; its text in `templates/mail/`. Where the person chooses a password at the end, the
page and `POST auth/password-reset/confirm` take it as it is. Where something else happens at the
end, leave `sets_password` False and write a service of its own, which calls `link_take`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.urls import reverse

from apps.accounts.choices import LinkPurpose
from apps.accounts.selectors.api_tokens import generate_token, token_is_well_formed
from urfmp.common.security.bearer_secrets import digest

_START = "urfmp_ln_"


@dataclass(frozen=True)
class Purpose:
    """What a kind of link says and does.

    Attributes:
        age: How long a link is good.
        subject: Of the e-mail.
        template: The e-mail's text; it knows `user`, `link`, `token` and `hours`.
        sets_password: Whether the person chooses a password at the end.
    """

    age: timedelta
    subject: str
    template: str
    sets_password: bool = False


PURPOSES: dict[str, Purpose] = {
    LinkPurpose.PASSWORD_RESET: Purpose(
        age=timedelta(hours=1),
        subject="Choose a new password",
        template="mail/password_reset.txt",
        sets_password=True,
    ),
    LinkPurpose.INVITATION: Purpose(
        age=timedelta(days=7),
        subject="Your account",
        template="mail/invitation.txt",
        sets_password=True,
    ),
}


@dataclass(frozen=True)
class LinkCredential:
    """What a link that is still good stands for."""

    id: UUID
    user_id: UUID
    organization_id: UUID
    purpose: str


def generate_link_token() -> str:
    """Return a new token."""
    return generate_token(_START)


def link_address(token: str) -> str:
    """Return the address that a person opens. What follows the `#` reaches no server."""
    return f"{settings.WEB_ORIGIN}{reverse('admin:choose_password')}#{token}"


def link_digest(token: str) -> str | None:
    """Return the digest under which a link's token is stored; None for what is no such token."""
    token = token.strip()
    return digest(token) if token_is_well_formed(token, _START) else None


def link_credential(token: str) -> LinkCredential | None:
    """Return what a token stands for; None for one that is unknown, used, replaced or expired."""
    token = token.strip()
    if not token_is_well_formed(token, _START):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, user_id, organization_id, purpose FROM link_credential(%s)",
            [digest(token)],
        )
        row = cursor.fetchone()
    return LinkCredential(*row) if row else None
