"""Sessions of the current user."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import UserSession


def own_sessions(user: Any) -> QuerySet[Any]:
    """Return a user's active sessions, the most recently used first."""
    rows: QuerySet[Any] = UserSession.objects.of_user(user).roots().active()
    return rows.order_by("-last_activity_at", "-pk")
