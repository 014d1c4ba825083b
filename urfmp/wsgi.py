"""The web process: pages, API and ingest."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from urfmp.db.startup import refuse_privileged_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")

application = get_wsgi_application()
refuse_privileged_role()
