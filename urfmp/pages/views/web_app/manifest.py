"""The manifest, by which browsers install the web app."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from urfmp.common.http.view_policy import view_policy

_BRAND_COLOUR = "#16698f"


@view_policy(public=True)
@require_safe
@cache_control(public=True, max_age=86_400)
def manifest(request: HttpRequest) -> HttpResponse:
    """Return the web app manifest."""
    icons = [
        {"src": static("urfmp/img/logo.svg"), "sizes": "any", "type": "image/svg+xml"},
        _png("icon-192.png", 192),
        _png("icon-512.png", 512),
        {**_png("icon-maskable-512.png", 512), "purpose": "maskable"},
    ]
    content = {
        "id": "/",
        "name": "URFMP",
        "short_name": "URFMP",
        "description": "Universal Robot Fleet Management Platform",
        "start_url": reverse("admin:index"),
        "scope": "/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": _BRAND_COLOUR,
        "lang": settings.LANGUAGE_CODE,
        "icons": icons,
    }
    return JsonResponse(content, content_type="application/manifest+json")


def _png(name: str, pixels: int) -> dict[str, str]:
    size = f"{pixels}x{pixels}"
    return {"src": static(f"urfmp/img/{name}"), "sizes": size, "type": "image/png"}
