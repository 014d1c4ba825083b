"""E-mail to people. A job is tried again for about an hour while the mail server is away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from apps.accounts.services import invitations, one_time_links, second_factors

_AGAIN = RetryStrategy(max_attempts=8, exponential_wait=3)  # 3 s, 9 s, ... 36 min


@app.task(name="accounts.send_link", retry=_AGAIN)
def send_link(organization_id: str, user_id: str, purpose: str, actor: dict[str, Any]) -> None:
    """Send a person a one-time link."""
    one_time_links.link_send(
        organization_id=UUID(organization_id), user_id=UUID(user_id), purpose=purpose, actor=actor
    )


@app.task(name="accounts.send_invitation", retry=_AGAIN)
def send_invitation(organization_id: str, invitation_id: str) -> None:
    """Send somebody an invitation."""
    invitations.invitation_send(
        organization_id=UUID(organization_id), invitation_id=UUID(invitation_id)
    )


@app.task(name="accounts.send_password_reset", retry=_AGAIN)
def send_password_reset(email: str, actor: dict[str, Any]) -> None:
    """Send a link to the person with an address, if there is one."""
    one_time_links.password_reset_send(email=email, actor=actor)


@app.task(name="accounts.send_second_factor_removed", retry=_AGAIN)
def send_second_factor_removed(organization_id: str, user_id: str) -> None:
    """Tell a person that their second factor was taken away."""
    second_factors.second_factor_removed_send(
        organization_id=UUID(organization_id), user_id=UUID(user_id)
    )
