"""The product's settings, with the views that it is compared with beside its own."""

from __future__ import annotations

from urfmp.settings import *

ROOT_URLCONF = "benchmarks.urls"
# No page is measured through its files here; nothing needs to be collected first.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
