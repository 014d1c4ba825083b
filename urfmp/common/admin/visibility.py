"""The user of a request, and the rows that they may view."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest


def request_user(request: HttpRequest) -> Any:
    """Return the request's user; the admin rejects anonymous requests before."""
    return request.user


def restricted(model: type[Model], request: HttpRequest, action: str = "view") -> Any:
    """Return the rows of a model that the request's user may access."""
    return model._default_manager.restrict(request.user, action)  # type: ignore[attr-defined]
