from __future__ import annotations

from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "urfmp.live"
    label = "urfmp_live"
    verbose_name = "Live"
