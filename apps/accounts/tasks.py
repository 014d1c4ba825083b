"""Jobs that send e-mail.

A failed job is retried for about an hour, in case the mail server is unavailable.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from apps.accounts.services import (
    idempotency,
    invitations,
    one_time_links,
    second_factors,
    sessions,
)
from urfmp.common.redis.rate_limit import delete_expired_windows
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids

_RETRY_STRATEGY = RetryStrategy(max_attempts=8, exponential_wait=3)  # 3 s, 9 s, ... 36 min


@app.task(name="accounts.send_link", retry=_RETRY_STRATEGY)
def send_link(organization_id: str, user_id: str, purpose: str, actor: dict[str, Any]) -> None:
    """Send a one-time link to a user."""
    one_time_links.link_send(
        organization_id=UUID(organization_id), user_id=UUID(user_id), purpose=purpose, actor=actor
    )


@app.task(name="accounts.send_invitation", retry=_RETRY_STRATEGY)
def send_invitation(organization_id: str, invitation_id: str) -> None:
    """Send an invitation."""
    invitations.invitation_send(
        organization_id=UUID(organization_id), invitation_id=UUID(invitation_id)
    )


@app.task(name="accounts.send_password_reset", retry=_RETRY_STRATEGY)
def send_password_reset(email: str, actor: dict[str, Any]) -> None:
    """Send a password reset link if the address has an account."""
    one_time_links.password_reset_send(email=email, actor=actor)


@app.task(name="accounts.send_second_factor_removed", retry=_RETRY_STRATEGY)
def send_second_factor_removed(organization_id: str, user_id: str) -> None:
    """Notify a user that their second factor was removed."""
    second_factors.second_factor_removed_mail_send(
        organization_id=UUID(organization_id), user_id=UUID(user_id)
    )


@app.periodic(cron="41 3 * * *")
@app.task(name="accounts.clean_up", queueing_lock="accounts.clean_up")
def clean_up(timestamp: int) -> None:
    """Delete expired sessions, links, invitations, stored responses and counters, nightly."""
    for organization_id in organization_ids():
        with tenant_transaction(organization_id):
            sessions.expired_sessions_delete()
            idempotency.expired_idempotency_keys_delete()
            one_time_links.expired_links_delete()
            invitations.expired_invitations_delete()
    delete_expired_windows()
