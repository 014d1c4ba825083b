"""Calendar feeds: their look-up before the organization is known, and their tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import User
from apps.maintenance.choices import OPEN_STATUSES, MaintenanceStatus
from apps.maintenance.models import CalendarFeed, MaintenanceTask
from urfmp.common.security.bearer_secrets import hash_token

MAX_FEED_TASKS = 500
MAX_TOKEN_CHARS = 100
# Completed tasks stay in calendars for this time.
_DONE_SHOWN = timedelta(days=30)


@dataclass(frozen=True)
class FeedCredential:
    """A feed that exists, of an active user.

    Attributes:
        id: Id of the feed.
        organization_id: Organization of the user.
        user_id: User whose tasks it contains.
    """

    id: UUID
    organization_id: UUID
    user_id: UUID


def feed_credential(token: str) -> FeedCredential | None:
    """Return the credential of a feed's token; None if unknown or revoked."""
    if not token or len(token) > MAX_TOKEN_CHARS:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, user_id FROM calendar_feed_credential(%s)",
            [hash_token(token)],
        )
        row = cursor.fetchone()
    return FeedCredential(*row) if row else None


def user_feed(user: Any) -> CalendarFeed | None:
    """Return a user's feed, if any."""
    found: CalendarFeed | None = CalendarFeed.objects.filter(user=user).first()
    return found


def feed_tasks(user: User) -> list[MaintenanceTask]:
    """Return the tasks of a user's feed.

    They are the open ones and those completed lately that are assigned to the user and have a time,
    the latest first. Without the permission to view tasks there are none.
    """
    rows = MaintenanceTask.objects.restrict(user).filter(
        Q(status__in=OPEN_STATUSES)
        | Q(
            status=MaintenanceStatus.COMPLETED,
            completed_at__gte=timezone.now() - _DONE_SHOWN,
        ),
        Q(scheduled_at__isnull=False) | Q(due_at__isnull=False),
        assigned_to=user,
    )
    ordered = rows.select_related("robot").order_by("-due_at", "-id")
    return list(ordered[:MAX_FEED_TASKS])
