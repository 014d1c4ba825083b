"""The web process: pages, API and ingest."""

from __future__ import annotations

import os
from contextlib import suppress

from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")

application = get_wsgi_application()

# Connecting refuses a role that row-level security does not hold. A database that is away is
# no reason not to start: requests answer 503 until it is back.
with suppress(OperationalError):
    connection.ensure_connection()
connection.close()
