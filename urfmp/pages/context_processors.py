"""What every template can name."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def live(request: HttpRequest) -> dict[str, str]:
    """Return the address of the live process, which may be another than the page's."""
    return {"live_origin": settings.LIVE_ORIGIN}
