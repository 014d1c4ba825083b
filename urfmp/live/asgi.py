"""The live process: what stays open.

Run it with `uvicorn urfmp.live.asgi:application --http urfmp.servers.uvicorn:Protocol`.
"""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "urfmp.settings")
django.setup()

from urfmp.db.startup import refuse_privileged_role  # noqa: E402 - the set-up comes first
from urfmp.live.application import LiveApplication  # noqa: E402 - models need the set-up

application = LiveApplication()
refuse_privileged_role()
