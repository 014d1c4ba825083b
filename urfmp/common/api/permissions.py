"""Permission to call an endpoint; `restrict` decides which rows it returns."""

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
    """Return the action of a request; None if its method needs none."""
    own: dict[str, str] = getattr(view, "permission_actions", {})
    return own.get(getattr(view, "action", None) or "") or _ACTIONS.get(request.method or "")


class ModelPermission(BasePermission):
    """Require Django's `app.action_model` permission on the view's model, even for reading.

    A denial names the missing permission or scope. A view may map its own methods to permission
    verbs in `permission_actions`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the principal's role or scopes include the permission."""
        principal: Any = request.user
        if not principal.is_authenticated:
            return False
        if request.method == "OPTIONS":
            return True
        action = permission_action(request, view)
        if action is None:
            return True  # DRF returns 405
        opts = view.model._meta
        permission = f"{opts.app_label}.{action}_{opts.model_name}"
        if principal.has_perm(permission):
            return True
        self.message = principal.denial_text(permission)  # of the response
        return False
