"""Settings of the product, with the yardstick views added."""

from __future__ import annotations

from urfmp.settings import *

ROOT_URLCONF = "benchmarks.urls"
# Pages are not measured with their static files, so nothing needs to be collected.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
