from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.models import User


class IsPerson(BasePermission):
    """A person about their own affairs, whatever the role; no key."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User)
