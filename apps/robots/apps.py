from __future__ import annotations

from django.apps import AppConfig


class RobotsConfig(AppConfig):
    name = "apps.robots"
    verbose_name = "Robots"
