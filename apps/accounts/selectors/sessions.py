"""Reads about the person who asks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import UserSession


def own_sessions(user: Any) -> QuerySet[Any]:
    """Return where a person is signed in, the last used first."""
    rows: QuerySet[Any] = UserSession.objects.of_person(user).sign_ins().alive()
    return rows.order_by("-last_activity_at", "-pk")
