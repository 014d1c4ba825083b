"""Rendering and permission checks shared by the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse


def require_permission(request: HttpRequest, permission: str) -> None:
    """Deny access unless the user has a permission.

    Raises:
        PermissionDenied: The user lacks the permission.
    """
    if not request.user.has_perm(permission):
        raise PermissionDenied


def render_page(
    request: HttpRequest, template: str, title: str, **context: Any
) -> TemplateResponse:
    """Render a template inside the admin layout."""
    request.current_app = admin.site.name
    frame = admin.site.each_context(request)
    return TemplateResponse(request, template, {**frame, "title": title, **context})
