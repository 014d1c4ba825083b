"""Create and revoke the calendar feeds of users."""

from __future__ import annotations

from apps.accounts.models import User
from apps.maintenance.models import CalendarFeed
from urfmp.common.security.bearer_secrets import hash_token, random_text
from urfmp.common.tenancy.context import audit_action

_TOKEN_CHARS = 43


def calendar_feed_create(user: User) -> tuple[CalendarFeed, str]:
    """Create a user's feed, which replaces the previous one.

    Locks the user's row, so that of two requests the later one's token is stored.

    Returns:
        The row and the token, which cannot be shown again.
    """
    token = random_text(_TOKEN_CHARS)
    with audit_action("maintenance.calendar_feed.create"):
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        CalendarFeed.objects.filter(user=user).delete()
        row = CalendarFeed.objects.create(
            organization_id=user.organization_id, user=user, token_digest=hash_token(token)
        )
    return row, token


def calendar_feed_revoke(user: User) -> bool:
    """Revoke a user's feed; return whether there was one."""
    with audit_action("maintenance.calendar_feed.revoke"):
        deleted, _ = CalendarFeed.objects.filter(user=user).delete()
    return bool(deleted)
