from __future__ import annotations

from django.db import migrations

from urfmp.db.operations import run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0002_constraints"),
        ("organizations", "0008_scheduled_settings"),
    ]

    operations = [run_sql(__file__, "0009_platform_fleet")]
