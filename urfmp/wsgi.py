"""The web process: pages, API and ingest."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

from urfmp.db.startup import refuse_privileged_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")

application = get_wsgi_application()
refuse_privileged_role()

# What is loaded by now stays loaded: collecting garbage need not look at it again and again.
gc.collect()
gc.freeze()
