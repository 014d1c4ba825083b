from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.models import User


class IsUser(BasePermission):
    """Allow users of any role, for their own account; deny API keys."""

    message = "API keys cannot perform this action; log in as a user."

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User)
