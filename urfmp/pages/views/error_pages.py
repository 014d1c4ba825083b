"""Error pages of signed-in users, which keep the menu.

Django calls these after the request's transaction has ended, so the page opens another one.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from apps.accounts.middleware.principal import PrincipalMiddleware
from urfmp.common.http import error_views
from urfmp.pages.decorators import in_user_timezone
from urfmp.pages.views.rendering import render_page

logger = logging.getLogger(__name__)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return 403, inside the admin layout for signed-in users of pages."""
    plain = error_views.permission_denied(request, exception)
    return _with_menu(request, plain, "pages/permission_denied.html", "Permission denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return 404, inside the admin layout for signed-in users of pages."""
    plain = error_views.not_found(request, exception)
    return _with_menu(request, plain, "pages/not_found.html", "Page not found")


def _with_menu(
    request: HttpRequest, plain: HttpResponse, template: str, title: str
) -> HttpResponseBase:
    """Return the page in the admin layout, or else the plain one."""
    user = getattr(request, "user", None)
    if not (request.path.startswith("/admin/") and user is not None and user.is_authenticated):
        return plain

    @in_user_timezone
    def page(request: HttpRequest) -> HttpResponse:
        return render_page(request, template, title)

    middleware = PrincipalMiddleware(page)
    try:
        response = middleware.process_view(request, page, [], {})
    except Exception:  # the layout is a convenience; the status matters
        logger.exception("The error page could not be rendered with its menu")
        return plain
    if response is None or response.status_code != 200:
        return plain
    response.status_code = plain.status_code
    return response
