"""The icon that browsers request when a response names none."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from urfmp.common.http.view_policy import view_policy


@view_policy(public=True)
@require_safe
@cache_control(public=True, max_age=86_400)
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the logo, whose name changes with its content."""
    return HttpResponseRedirect(static("urfmp/img/logo.svg"))
