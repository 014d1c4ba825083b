"""Who looks, and at which rows."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest


def request_user(request: HttpRequest) -> Any:
    """Return the person who asks: the admin lets nobody in without one."""
    return request.user


def restricted(model: type[Model], request: HttpRequest, action: str = "view") -> Any:
    """Return the rows of a related model that the request's user may see."""
    return model._default_manager.restrict(request.user, action)  # type: ignore[attr-defined]
