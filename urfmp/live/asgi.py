"""ASGI entry point of the live process.

Run it with `uvicorn urfmp.live.asgi:application --http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")
django.setup()
from urfmp.db.startup import (  # noqa: E402 - needs django.setup()
    limit_statements,
    reject_privileged_role,
)
from urfmp.live.application import create_application  # noqa: E402 - needs django.setup()

application = create_application()
limit_statements()
reject_privileged_role()
