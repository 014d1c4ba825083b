"""The web process: pages, API and ingest."""

from __future__ import annotations

import gc
import os
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.urls import reverse

from urfmp.db.startup import reject_privileged_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")

# What stands before browsers alone: sessions, forms, files.
_FOR_PAGES = frozenset(
    {
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "urfmp.common.http.middleware.ContentSecurityPolicyMiddleware",
        "apps.accounts.middleware.session.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "urfmp.pages.step_up.StepUpMiddleware",
    }
)


class _IngestHandler(WSGIHandler):
    """Django's, with less in front: robots send all day and have neither session nor form."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain."""
        every = settings.MIDDLEWARE
        settings.MIDDLEWARE = [name for name in every if name not in _FOR_PAGES]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = every


_pages = get_wsgi_application()
_ingest = _IngestHandler()
_INGEST_PATHS = frozenset(
    map(reverse, ("api:telemetry-ingest", "influx-write-v2", "influx-write-v1"))
)


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer a request; ingest has a shorter way than everything else."""
    handler = _ingest if environ["PATH_INFO"] in _INGEST_PATHS else _pages
    return handler(environ, start_response)


reject_privileged_role()

# What is loaded by now stays loaded: collecting garbage need not look at it again and again.
gc.collect()
gc.freeze()
