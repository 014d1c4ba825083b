"""What the pages have in common."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse


def require(request: HttpRequest, permission: str) -> None:
    """Let a page be seen by those with the right alone.

    Raises:
        PermissionDenied: The user does not hold it.
    """
    if not request.user.has_perm(permission):
        raise PermissionDenied


def page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """Return a page inside the admin's frame."""
    request.current_app = admin.site.name
    frame = admin.site.each_context(request)
    return TemplateResponse(request, template, {**frame, "title": title, **context})
