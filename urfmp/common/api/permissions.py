"""Who may call an endpoint at all; which rows they reach is decided by `restrict`."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

_ACTIONS = {
    "GET": "view",
    "HEAD": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


def permission_action(request: Request, view: Any) -> str | None:
    """Return the action that a request asks for; None for a method that no permission covers."""
    own: dict[str, str] = getattr(view, "permission_actions", {})
    return own.get(getattr(view, "action", None) or "") or _ACTIONS.get(request.method or "")


class ModelPermission(BasePermission):
    """Ask for Django's `app.action_model` on the view's model, reading included.

    A view may name the action of its own methods in `permission_actions`, by DRF's action name.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the caller's role or scopes hold the permission."""
        principal: Any = request.user
        if not principal.is_authenticated:
            return False
        if request.method == "OPTIONS":
            return True
        action = permission_action(request, view)
        if action is None:
            return True  # DRF answers 405
        opts = view.model._meta
        return bool(principal.has_perm(f"{opts.app_label}.{action}_{opts.model_name}"))
