"""Reads about the person who asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.middleware.principal import presented_key, session_of
from apps.accounts.models import UserSession
from apps.accounts.selectors.credentials import digest


def own_sessions(user: Any) -> QuerySet[Any]:
    """Return where a person is signed in, the last used first."""
    rows: QuerySet[Any] = UserSession.objects.of_person(user).sign_ins().alive()
    return rows.order_by("-last_activity_at", "-pk")


def current_session_id(request: HttpRequest) -> UUID | None:
    """Return the id of the sign-in that a request comes from; None for a key or nobody.

    At most one query; call it inside the tenant transaction.
    """
    if presented_key(request) is not None:
        return getattr(request, "token_session_id", None)
    token = session_of(request).session_key
    if not token:
        return None
    row: UUID | None = (
        UserSession.objects.filter(session_token=digest(token)).values_list("pk", flat=True).first()
    )
    return row
