from __future__ import annotations

from django.apps import AppConfig


class DatabaseConfig(AppConfig):
    name = "urfmp.db"
    label = "urfmp_db"
    verbose_name = "Database"
