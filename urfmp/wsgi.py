"""The web process: pages, API and ingest."""

from __future__ import annotations

import gc
import os
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.urls import reverse

from urfmp.db.startup import limit_statements, reject_privileged_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")

# Middleware that only browsers and downloads need: sessions, forms, static files.
_BROWSER_MIDDLEWARE = frozenset(
    {
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "urfmp.common.http.middleware.ContentSecurityPolicyMiddleware",
        "urfmp.common.http.middleware.StreamStartMiddleware",
        "apps.accounts.middleware.session.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "urfmp.pages.step_up.StepUpMiddleware",
    }
)


class _IngestHandler(WSGIHandler):
    """Django's handler with less middleware: robots use neither sessions nor forms."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the middleware without that for browsers."""
        all_middleware = settings.MIDDLEWARE
        settings.MIDDLEWARE = [name for name in all_middleware if name not in _BROWSER_MIDDLEWARE]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = all_middleware


_default = get_wsgi_application()
_ingest = _IngestHandler()
_INGEST_PATHS = frozenset(
    map(
        reverse,
        (
            "api:telemetry-ingest",
            "influx-write-v2",
            "influx-write-v1",
            "prometheus-write",
            "otlp-metrics",
        ),
    )
)


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Handle a request; ingest has a shorter middleware chain."""
    handler = _ingest if environ["PATH_INFO"] in _INGEST_PATHS else _default
    return handler(environ, start_response)


limit_statements()
reject_privileged_role()

# Exclude all objects created so far from garbage collection: they live as long as the process.
gc.collect()
gc.freeze()
