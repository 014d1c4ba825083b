"""Context processors: variables that every template can use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def live(request: HttpRequest) -> dict[str, str]:
    """Return the origin of the live process."""
    return {"live_origin": settings.LIVE_ORIGIN}
